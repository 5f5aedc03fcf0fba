import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { configurationDirectory, createdContainers } from "../../config/names.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface MinioServerArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly network: docker.Network;
  /** Ports on 127.0.0.1 of the server. */
  readonly port: number;
  readonly consolePort: number;
  readonly memoryMiB: number;
  readonly protect: boolean;
}

/** The MinIO of a created suite; objects in a host directory. */
export class MinioServer extends pulumi.ComponentResource {
  readonly accessKey = "im-suite";
  readonly secretKey: pulumi.Output<string>;

  constructor(name: string, args: MinioServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:minio:MinioServer", name, {}, opts);
    const { host } = args;
    const candidate = new random.RandomPassword(`${name}-candidate`, { length: 32, special: false }, { parent: this });
    const secretKey = new CreateOnceSecret(
      `${name}-secret-key`,
      { host, fileName: "minio-secret-key", candidate: candidate.result },
      { parent: this },
    );
    this.secretKey = secretKey.value;
    const secrets = `${configurationDirectory}/minio-secrets`;
    const file = (part: string, content: pulumi.Input<string>) =>
      new HostFile(
        `${name}-${part}-file`,
        { host, path: `${secrets}/${part}`, content, secret: true, directoryMode: "0700" },
        { parent: this },
      );
    const user = file("root-user", this.accessKey);
    const password = file("root-password", secretKey.value);
    const data = new DataDirectory(`${name}-data`, { host, service: "minio", owner: "0:0" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.minio,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [
          { address: "127.0.0.1", host: args.port, container: 9000 },
          { address: "127.0.0.1", host: args.consolePort, container: 9001 },
        ],
        command: ["server", "/data", "--console-address", ":9001"],
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
        configurationHashes: [user.sha256, password.sha256],
        protect: args.protect,
      },
      { parent: this, dependsOn: [data, user, password] },
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
