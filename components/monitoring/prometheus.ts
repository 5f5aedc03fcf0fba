import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, monitoringContainers } from "../../config/names.ts";
import { hostPort } from "../../lib/host-port.ts";
import { quote, script } from "../../lib/shell.ts";
import { renderPrometheusConfig, type ScrapeJob } from "../../templates/prometheus.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { MonitoringData } from "./monitoring-data.ts";

export interface PrometheusArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly listenAddress: string;
  readonly port: number;
  readonly memoryMiB: number;
  readonly serverAlias: string;
  readonly jobs: readonly ScrapeJob[];
  /** host:port of Alertmanager. */
  readonly alertmanager: string;
  /** keep: the measurements of a created suite outlive a destroy. Beside an adopted suite they go with us. */
  readonly data: "keep" | "remove";
}

/**
 * Our Prometheus (a created suite's, or beside an adopted suite's own), in the server's network, so that it reaches the
 * exporters on the loopback. Its configuration is reloaded, never the reason for a replace; later stages add files to targets.d and rules.d.
 */
export class Prometheus extends pulumi.ComponentResource {
  constructor(name: string, args: PrometheusArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:Prometheus", name, {}, opts);
    const { host } = args;
    const directory = `${configurationDirectory}/prometheus`;
    const listen = hostPort(args.listenAddress, args.port);
    const folders = new HostScript(
      `${name}-folders`,
      {
        host,
        create: script(
          `mkdir -p -m 0755 -- ${quote(configurationDirectory)} ${quote(directory)} ${quote(`${directory}/targets.d`)} ${quote(`${directory}/rules.d`)}`,
        ),
        delete: script(
          `rmdir --ignore-fail-on-non-empty -- ${quote(`${directory}/targets.d`)} ${quote(`${directory}/rules.d`)} ${quote(directory)} ${quote(configurationDirectory)} 2>/dev/null || :`,
        ),
      },
      { parent: this },
    );
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${directory}/prometheus.yml`,
        content: renderPrometheusConfig({
          server: args.serverAlias,
          jobs: args.jobs,
          alertmanager: args.alertmanager,
        }),
        // A running Prometheus checks and reloads. One that listens elsewhere, because the address in the configuration has
        // changed, is replaced next and reads the file at its start; before the first start there is nobody to tell.
        reload: [
          "bash",
          "-c",
          `listening=$(docker inspect --format '{{range .Args}}{{println .}}{{end}}' ${monitoringContainers.prometheus} 2>/dev/null | sed -n 's/^--web.listen-address=//p') || :; if [ "$listening" = ${quote(listen)} ]; then curl --silent --show-error --fail --max-time 20 --request POST http://${listen}/-/reload; fi`,
        ],
      },
      { parent: this, dependsOn: folders },
    );
    const dataArgs = { host, service: "prometheus", owner: "65534:65534" } as const;
    const data =
      args.data === "keep"
        ? new DataDirectory(`${name}-data`, dataArgs, { parent: this })
        : new MonitoringData(`${name}-data`, dataArgs, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: monitoringContainers.prometheus,
        image: args.image,
        stage: args.stage,
        network: "host",
        user: "65534:65534",
        command: [
          "--config.file=/etc/prometheus/prometheus.yml",
          "--storage.tsdb.path=/prometheus",
          "--storage.tsdb.retention.time=15d",
          "--web.enable-lifecycle",
          `--web.listen-address=${listen}`,
        ],
        mounts: [
          { source: directory, target: "/etc/prometheus", readOnly: true },
          { source: data.path, target: "/prometheus", readOnly: false },
        ],
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 30,
      },
      { parent: this, dependsOn: [configuration, data] },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: monitoringContainers.prometheus,
        check: `curl --silent --fail --max-time 5 --output /dev/null http://${listen}/-/ready`,
        timeoutSeconds: 90,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
