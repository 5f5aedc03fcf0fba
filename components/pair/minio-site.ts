import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers } from "../../config/names.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface MinioSiteArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  readonly alias: string;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  /** root's, as on A: MinIO joins only sites of one root. */
  readonly accessKey: pulumi.Input<string>;
  readonly secretKey: pulumi.Input<string>;
  /** Its container is not replaced by a change of the configuration. */
  readonly keep: boolean;
}

/** The MinIO of server B. Its users and objects come by replication. */
export class MinioSite extends pulumi.ComponentResource {
  constructor(name: string, args: MinioSiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:MinioSite", name, {}, opts);
    const { host } = args;
    const secrets = `${configurationDirectory}/minio-secrets`;
    const file = (part: string, content: pulumi.Input<string>) =>
      new HostFile(
        `${name}-${part}-file`,
        { host, path: `${secrets}/${part}`, content, secret: true, directoryMode: "0700" },
        { parent: this },
      );
    const files = [file("root-user", args.accessKey), file("root-password", args.secretKey)];
    const data = new DataDirectory(`${name}-data`, { host, service: "minio", owner: "0:0" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.minio,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        aliases: [args.alias],
        ports: [{ address: "127.0.0.1", host: args.port, container: 9000 }],
        command: ["server", "/data"],
        environment: {
          MINIO_ROOT_USER_FILE: "/run/im-suite/root-user",
          MINIO_ROOT_PASSWORD_FILE: "/run/im-suite/root-password",
        },
        mounts: [
          { source: data.path, target: "/data", readOnly: false },
          { source: secrets, target: "/run/im-suite", readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        health: {
          test: ["sh", "-c", "curl -fsS http://127.0.0.1:9000/minio/health/live || mc ready local"],
          intervalSeconds: 10,
          retries: 3,
          startPeriodSeconds: 60,
        },
        stopGraceSeconds: 30,
        configurationHashes: files.map((one) => one.sha256),
        keep: args.keep,
      },
      { parent: this, dependsOn: [data, ...files] },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.minio,
        check: `curl --silent --fail --max-time 5 http://127.0.0.1:${args.port}/minio/health/live`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
