import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers, createOnceFiles } from "../../config/names.ts";
import { hostPort } from "../../lib/host-port.ts";
import { dashboardFiles } from "../../templates/grafana/dashboards.ts";
import { renderDashboardProvider, renderDataSources } from "../../templates/grafana/provisioning.ts";
import { renderAcceptGrafanaPassword, renderEndGrafanaRotation } from "../../templates/rotation/grafana-password.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { type ContainerMount, ManagedContainer } from "../host/managed-container.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";

export interface GrafanaArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly listenAddress: string;
  readonly port: number;
  readonly memoryMiB: number;
  /** Where its numbers come from, as it reaches it; undefined when the suite has no Prometheus: then it is empty. */
  readonly prometheusUrl: string | undefined;
  /** im:rotation.grafana. Raised, the admin gets a new password; Grafana goes on. */
  readonly generation: number;
}

/** Where Grafana looks for data sources and dashboards at its start. */
const provisioning = "/etc/grafana/provisioning";

/**
 * The Grafana of a created suite, with our Prometheus as its data source and our dashboards: on the loopback, reached through an ssh
 * tunnel; no public listener without TLS. Changed dashboards are read within 30 s, without a restart.
 */
export class Grafana extends pulumi.ComponentResource {
  readonly adminPassword: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: GrafanaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:Grafana", name, {}, opts);
    const { host, generation } = args;
    const grafana = {
      container: createdContainers.grafana,
      address: hostPort(args.listenAddress, args.port),
      fileName: createOnceFiles.grafana.admin,
    };
    const password = new CreateOnceSecret(
      `${name}-password`,
      { host, fileName: grafana.fileName, length: 32, generation },
      { parent: this },
    );
    const directory = `${configurationDirectory}/grafana-secrets`;
    const file = new HostFile(
      `${name}-password-file`,
      {
        host,
        path: `${directory}/admin-password`,
        content: password.value,
        secret: true,
        mode: "0400",
        owner: "472:0",
      },
      { parent: this },
    );
    const provisioned = this.#provisioning(name, args);
    const data = new DataDirectory(`${name}-data`, { host, service: "grafana", owner: "472:0" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.grafana,
        image: args.image,
        stage: args.stage,
        network: "host",
        environment: {
          GF_SECURITY_ADMIN_PASSWORD__FILE: "/run/im-suite/admin-password",
          GF_SERVER_HTTP_ADDR: args.listenAddress,
          GF_SERVER_HTTP_PORT: String(args.port),
          GF_ANALYTICS_REPORTING_ENABLED: "false",
          GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
        },
        mounts: [
          { source: directory, target: "/run/im-suite", readOnly: true },
          ...provisioned.mounts,
          { source: data.path, target: "/var/lib/grafana", readOnly: false },
        ],
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 15,
        configurationHashes: provisioned.readAtStart.map((one) => one.sha256),
      },
      { parent: this, dependsOn: [file, data, ...provisioned.files] },
    );
    const answers = new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.grafana,
        check: `curl --silent --fail --max-time 5 --output /dev/null http://${args.listenAddress}:${args.port}/api/health`,
        timeoutSeconds: 120,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    const accepted = new HostScript(
      `${name}-accepts-password`,
      { host, create: renderAcceptGrafanaPassword(grafana), rerunWhen: [String(generation)], timeoutSeconds: 300 },
      { parent: this, dependsOn: [answers, file] },
    );
    this.adminPassword = acceptedSecret(password.value, accepted);
    this.rotationEnd = { kind: "grafana", generation, script: renderEndGrafanaRotation(grafana, generation) };
    this.registerOutputs({});
  }

  #provisioning(
    name: string,
    { host, prometheusUrl }: GrafanaArgs,
  ): { mounts: ContainerMount[]; files: HostFile[]; readAtStart: HostFile[] } {
    if (prometheusUrl === undefined) return { mounts: [], files: [], readAtStart: [] };
    const folder = (kind: "datasources" | "dashboards") => `${configurationDirectory}/grafana/${kind}`;
    const file = (part: string, path: string, content: string) =>
      new HostFile(`${name}-${part}`, { host, path, content }, { parent: this });
    const readAtStart = [
      file("data-source", `${folder("datasources")}/im-suite.yml`, renderDataSources(prometheusUrl)),
      file(
        "dashboard-folder",
        `${folder("dashboards")}/im-suite.yml`,
        renderDashboardProvider(`${provisioning}/dashboards/json`),
      ),
    ];
    const dashboards = [...dashboardFiles()].map(([fileName, content]) =>
      file(`dashboard-${fileName.replace(".json", "")}`, `${folder("dashboards")}/json/${fileName}`, content),
    );
    return {
      mounts: (["datasources", "dashboards"] as const).map((kind) => ({
        source: folder(kind),
        target: `${provisioning}/${kind}`,
        readOnly: true,
      })),
      files: [...readAtStart, ...dashboards],
      readAtStart,
    };
  }
}
