import * as pulumi from "@pulumi/pulumi";
import type { ImageKey } from "../../config/images.ts";
import { configurationDirectory, exporterContainers, mysqlAccounts, textfileDirectory } from "../../config/names.ts";
import { ownPorts } from "../../config/ports.ts";
import { quote, script } from "../../lib/shell.ts";
import { renderBlackboxConfig } from "../../templates/blackbox-exporter.ts";
import { renderMysqldExporterOptions, renderRedisExporterPasswords } from "../../templates/exporter-credentials.ts";
import type { SuiteEndpoints } from "../app/suite-endpoints.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer, type ManagedContainerArgs } from "../host/managed-container.ts";

export interface ExportersArgs {
  readonly host: Host;
  readonly stage: number;
  readonly suite: SuiteEndpoints;
  readonly image: (key: ImageKey) => string;
  /** Where they listen: never a public address. */
  readonly listenAddress: string;
  /** Password of the im_exporter account. */
  readonly mysqlPassword: pulumi.Input<string>;
  readonly redisPassword: pulumi.Input<string>;
  /** Whether endpoints are looked at from here too. Default yes. */
  readonly blackbox?: boolean;
}

/** No server has a user of this number: credentials owned by it are readable by the exporters and by root alone. */
const exporterUser = "65532:65532";

/** Metrics of the server, MySQL, Redis, and of HTTP endpoints from outside. They only read. */
export class Exporters extends pulumi.ComponentResource {
  constructor(name: string, args: ExportersArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:Exporters", name, {}, opts);
    const textfiles = new HostScript(
      `${name}-textfile-directory`,
      {
        host: args.host,
        create: script(`mkdir -p -m 0755 -- ${quote(textfileDirectory)}`, `chmod 0755 -- ${quote(textfileDirectory)}`),
        delete: script(`rmdir --parents --ignore-fail-on-non-empty -- ${quote(textfileDirectory)} 2>/dev/null || :`),
      },
      { parent: this },
    );
    this.#node(name, args, textfiles);
    if (args.suite.mysql !== undefined) this.#mysqld(name, args, args.suite.mysql.port);
    if (args.suite.redis !== undefined) this.#redis(name, args, args.suite.redis.port);
    if (args.blackbox !== false) this.#blackbox(name, args);
    this.registerOutputs({});
  }

  #node(name: string, args: ExportersArgs, textfiles: HostScript): void {
    this.#exporter(`${name}-node`, args, "nodeExporter", {
      hostPid: true,
      command: [
        "--path.rootfs=/host",
        "--path.procfs=/host/proc",
        "--path.sysfs=/host/sys",
        "--collector.textfile.directory=/textfile",
        // Docker's own mounts come and go with every container and measure the same disk again.
        "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+|var/lib/containerd/.+)($|/)",
      ],
      mounts: [
        { source: "/", target: "/host", readOnly: true },
        { source: textfileDirectory, target: "/textfile", readOnly: true },
      ],
      dependsOn: [textfiles],
    });
  }

  #mysqld(name: string, args: ExportersArgs, port: number): void {
    const directory = `${configurationDirectory}/mysqld-exporter`;
    const credentials = new HostFile(
      `${name}-mysqld-credentials`,
      {
        host: args.host,
        path: `${directory}/my.cnf`,
        content: pulumi
          .output(args.mysqlPassword)
          .apply((password) =>
            renderMysqldExporterOptions({ user: mysqlAccounts.exporter, password, host: "127.0.0.1", port }),
          ),
        secret: true,
        mode: "0400",
        owner: exporterUser,
      },
      { parent: this },
    );
    this.#exporter(`${name}-mysqld`, args, "mysqldExporter", {
      command: ["--config.my-cnf=/etc/exporter/my.cnf"],
      mounts: [{ source: directory, target: "/etc/exporter", readOnly: true }],
      dependsOn: [credentials],
      configurationHashes: [credentials.sha256],
    });
  }

  #redis(name: string, args: ExportersArgs, port: number): void {
    const directory = `${configurationDirectory}/redis-exporter`;
    const address = `redis://127.0.0.1:${port}`;
    const credentials = new HostFile(
      `${name}-redis-credentials`,
      {
        host: args.host,
        path: `${directory}/passwords.json`,
        content: pulumi.output(args.redisPassword).apply((password) => renderRedisExporterPasswords(address, password)),
        secret: true,
        mode: "0400",
        owner: exporterUser,
      },
      { parent: this },
    );
    this.#exporter(`${name}-redis`, args, "redisExporter", {
      command: [`--redis.addr=${address}`, "--redis.password-file=/etc/exporter/passwords.json"],
      mounts: [{ source: directory, target: "/etc/exporter", readOnly: true }],
      dependsOn: [credentials],
      configurationHashes: [credentials.sha256],
    });
  }

  #blackbox(name: string, args: ExportersArgs): void {
    const directory = `${configurationDirectory}/blackbox-exporter`;
    const configuration = new HostFile(
      `${name}-blackbox-configuration`,
      { host: args.host, path: `${directory}/blackbox.yml`, content: renderBlackboxConfig() },
      { parent: this },
    );
    this.#exporter(`${name}-blackbox`, args, "blackboxExporter", {
      command: ["--config.file=/etc/exporter/blackbox.yml"],
      mounts: [{ source: directory, target: "/etc/exporter", readOnly: true }],
      dependsOn: [configuration],
      configurationHashes: [configuration.sha256],
    });
  }

  #exporter(
    name: string,
    args: ExportersArgs,
    key: keyof typeof exporterContainers,
    own: Pick<ManagedContainerArgs, "command" | "mounts" | "hostPid" | "configurationHashes"> & {
      dependsOn: pulumi.Resource[];
    },
  ): void {
    const { dependsOn, command, ...rest } = own;
    const port = ownPorts[key];
    const listen = `${args.listenAddress.includes(":") ? `[${args.listenAddress}]` : args.listenAddress}:${port}`;
    const container = new ManagedContainer(
      name,
      {
        host: args.host,
        containerName: exporterContainers[key],
        image: args.image(key),
        stage: args.stage,
        network: "host",
        user: exporterUser,
        memoryMiB: 128,
        stopGraceSeconds: 5,
        command: [...(command ?? []), `--web.listen-address=${listen}`],
        ...rest,
      },
      { parent: this, dependsOn },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host: args.host,
        what: exporterContainers[key],
        check: `curl --silent --fail --max-time 5 --output /dev/null http://${listen}/`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
  }
}
