import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers, mysqlAccounts } from "../../config/names.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface BackendArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  readonly publicAddress: string;
  readonly port: number;
  readonly memoryMiB: number;
  readonly database: string;
  readonly mysqlPassword: pulumi.Input<string>;
  readonly redisPassword: pulumi.Input<string>;
  readonly minioAccessKey: pulumi.Input<string>;
  readonly minioSecretKey: pulumi.Input<string>;
  /** On a server that does not lead its database takes no writes: that it answers at all is enough there. */
  readonly standby?: boolean;
}

/** Group of the secret files that the backend reads: any image's user can be given it. */
const secretsGroup = "65532";

/**
 * The API of a created suite. It gets the roadmap's variables (DB_MASTER_*, DB_SLAVE_*, DB_NAME); each password comes as a file,
 * named by the variable with _FILE, so that `docker inspect` shows none. Any field changed restarts the backend.
 */
export class Backend extends pulumi.ComponentResource {
  constructor(name: string, args: BackendArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:app:Backend", name, {}, opts);
    const { host } = args;
    const directory = `${configurationDirectory}/backend-secrets`;
    const file = (fileName: string, content: pulumi.Input<string>) =>
      new HostFile(
        `${name}-${fileName}-file`,
        { host, path: `${directory}/${fileName}`, content, secret: true, mode: "0440", owner: `root:${secretsGroup}` },
        { parent: this },
      );
    const mysql = file("mysql-password", args.mysqlPassword);
    const redis = file("redis-password", args.redisPassword);
    const minio = file("minio-secret-key", args.minioSecretKey);
    const database = (role: "MASTER" | "SLAVE") => ({
      [`DB_${role}_HOST`]: createdContainers.mysql,
      [`DB_${role}_PORT`]: "3306",
      [`DB_${role}_USER`]: mysqlAccounts.application,
      [`DB_${role}_PASSWORD_FILE`]: "/run/im-suite/mysql-password",
    });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.backend,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [{ address: args.publicAddress, host: args.port, container: 8080 }],
        environment: {
          ...database("MASTER"),
          ...database("SLAVE"),
          DB_NAME: args.database,
          REDIS_HOST: createdContainers.redis,
          REDIS_PORT: "6379",
          REDIS_PASSWORD_FILE: "/run/im-suite/redis-password",
          MINIO_ENDPOINT: `${createdContainers.minio}:9000`,
          MINIO_ACCESS_KEY: args.minioAccessKey,
          MINIO_SECRET_KEY_FILE: "/run/im-suite/minio-secret-key",
        },
        groups: [secretsGroup],
        mounts: [{ source: directory, target: "/run/im-suite", readOnly: true }],
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 15,
        configurationHashes: [mysql.sha256, redis.sha256, minio.sha256],
      },
      { parent: this, dependsOn: [mysql, redis, minio] },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.backend,
        check: args.standby
          ? `curl --silent --max-time 5 --output /dev/null http://${loopbackOf(args.publicAddress)}:${args.port}/health`
          : `curl --silent --fail --max-time 5 http://${loopbackOf(args.publicAddress)}:${args.port}/health | grep -q ok`,
        timeoutSeconds: 120,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}

/** Where the server itself reaches what is published on an address. */
export function loopbackOf(publicAddress: string): string {
  if (publicAddress === "0.0.0.0") return "127.0.0.1";
  return publicAddress.includes(":") ? `[${publicAddress}]` : publicAddress;
}
