import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { pairContainer } from "../../config/pair.ts";
import type { MovedService } from "../../config/pair-schema.ts";
import type { Configuration } from "../../config/schema.ts";
import type { Credentials } from "../../config/stage-credentials.ts";
import { Admin } from "../app/admin.ts";
import { Backend } from "../app/backend.ts";
import type { Host } from "../host/host.ts";
import { CopiedApplication } from "./copied-application.ts";
import type { CopiedImages } from "./copied-images.ts";
import { MinioSite } from "./minio-site.ts";
import { MysqlReplica } from "./mysql-replica.ts";
import { RedisReplica } from "./redis-replica.ts";

export interface ReplicaSuiteArgs {
  readonly configuration: Configuration;
  /** Server A. */
  readonly from: Host;
  /** Server B. */
  readonly host: Host;
  readonly stage: number;
  readonly network: docker.Network;
  readonly images: CopiedImages;
  readonly credentials: pulumi.Output<Credentials>;
  readonly moved: readonly MovedService[];
}

export interface ReplicaEnginesArgs extends ReplicaSuiteArgs {
  /** What MySQL must have as on A. */
  readonly settings: pulumi.Input<string>;
}

/** MySQL, Redis and MinIO of server B, under the names that they have on server A. */
export class ReplicaEngines extends pulumi.ComponentResource {
  readonly mysql: MysqlReplica;

  constructor(name: string, args: ReplicaEnginesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:ReplicaEngines", name, {}, opts);
    const { configuration, credentials, moved, images } = args;
    const { memoryMiB, allowReplace } = configuration.redundancy;
    const { ports } = configuration.suite;
    const common = (service: "mysql" | "redis" | "minio") => ({
      host: args.host,
      stage: args.stage,
      network: args.network,
      image: images.of(service),
      alias: pairContainer(configuration, "a", service),
      port: ports[service],
      memoryMiB: memoryMiB[service],
      keep: !allowReplace.includes(service),
    });
    this.mysql = new MysqlReplica(
      `${name}-mysql`,
      { ...common("mysql"), rootPassword: credentials.mysql.root, settings: args.settings },
      { parent: this },
    );
    if (moved.includes("redis")) {
      new RedisReplica(
        `${name}-redis`,
        { ...common("redis"), password: credentials.redis.password },
        { parent: this, dependsOn: this.mysql },
      );
    }
    if (moved.includes("minio")) {
      new MinioSite(
        `${name}-minio`,
        { ...common("minio"), accessKey: credentials.minio.accessKey, secretKey: credentials.minio.secretKey },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}

/** Backend and admin page of server B. An adopted suite's are copied as they run; a created suite's are made as on A. */
export class ReplicaApplications extends pulumi.ComponentResource {
  constructor(name: string, args: ReplicaSuiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:ReplicaApplications", name, {}, opts);
    const { configuration, host, stage, network, images, credentials } = args;
    const { suite, redundancy } = configuration;
    const has = (service: MovedService) => args.moved.includes(service);
    const common = { host, stage, network };
    if (suite.mode === "adopt") {
      for (const [service, containerPort] of [
        ["backend", 8080],
        ["admin", 80],
      ] as const) {
        if (!has(service)) continue;
        new CopiedApplication(
          `${name}-${service}`,
          {
            ...common,
            from: args.from,
            fromContainer: suite.containers[service],
            service,
            image: images.of(service),
            port: suite.ports[service],
            containerPort,
            memoryMiB: redundancy.memoryMiB[service],
            generation: redundancy.imagesGeneration,
          },
          { parent: this },
        );
      }
    } else {
      const publicAddress = "127.0.0.1";
      if (has("backend")) {
        new Backend(
          `${name}-backend`,
          {
            ...common,
            image: images.of("backend"),
            publicAddress,
            port: suite.ports.backend,
            memoryMiB: redundancy.memoryMiB.backend,
            database: suite.database,
            mysqlPassword: credentials.mysql.apply(({ application }) => application ?? ""),
            redisPassword: credentials.redis.password,
            minioAccessKey: credentials.minio.apply(({ application }) => application?.accessKey ?? ""),
            minioSecretKey: credentials.minio.apply(({ application }) => application?.secretKey ?? ""),
            standby: true,
          },
          { parent: this },
        );
      }
      if (has("admin")) {
        new Admin(
          `${name}-admin`,
          {
            ...common,
            image: images.of("admin"),
            publicAddress,
            port: suite.ports.admin,
            memoryMiB: redundancy.memoryMiB.admin,
          },
          { parent: this },
        );
      }
    }
    this.registerOutputs({});
  }
}
