import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ImageKey } from "../../config/images.ts";
import { createdContainers, createdNetwork, stageLabel, suiteServices } from "../../config/names.ts";
import type { Configuration, CreatedSuite as CreatedSuiteConfiguration } from "../../config/schema.ts";
import { hostPort } from "../../lib/host-port.ts";
import type { ScrapeJob } from "../../templates/prometheus.ts";
import type { Host } from "../host/host.ts";
import type { RotationEnd } from "../host/rotation-end.ts";
import { MinioServer } from "../minio/minio-server.ts";
import { Grafana } from "../monitoring/grafana.ts";
import { Prometheus } from "../monitoring/prometheus.ts";
import { MysqlServer } from "../mysql/mysql-server.ts";
import { RedisServer } from "../redis/redis-server.ts";
import { Admin } from "./admin.ts";
import { Backend, loopbackOf } from "./backend.ts";
import type { ServiceEndpoint, SuiteEndpoints } from "./suite-endpoints.ts";

export interface CreatedSuiteArgs {
  readonly host: Host;
  readonly stage: number;
  readonly serverAlias: string;
  readonly suite: CreatedSuiteConfiguration;
  readonly image: (key: ImageKey) => string;
  readonly listenAddress: string;
  /** What its Prometheus watches. */
  readonly scrapeJobs: readonly ScrapeJob[];
  /** host:port of Alertmanager. */
  readonly alertmanager: string;
  readonly rotation: Configuration["rotation"];
}

/** Services with data: neither replaced nor destroyed unless the operator names them in `allowReplace`. */
export const protectedServices = ["mysql", "redis", "minio"] as const;

/** The whole suite on an empty server, in the order in which its parts need each other. */
export class CreatedSuite extends pulumi.ComponentResource {
  readonly mysql: MysqlServer;
  readonly redis: RedisServer | undefined;
  readonly minio: MinioServer | undefined;
  readonly grafana: Grafana | undefined;
  readonly rotationEnds: readonly RotationEnd[];

  constructor(name: string, args: CreatedSuiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:app:CreatedSuite", name, {}, opts);
    const { host, stage, suite, image, rotation } = args;
    const { ports, memoryMiB, publicAddress } = suite;
    const has = (service: (typeof suiteServices)[number]) => !suite.without.includes(service);
    const protect = (service: (typeof protectedServices)[number]) => !suite.allowReplace.includes(service);
    const network = new docker.Network(
      `${name}-network`,
      { name: createdNetwork, driver: "bridge", labels: [{ label: stageLabel, value: String(stage) }] },
      { parent: this, provider: host.docker, dependsOn: host.bootstrapped },
    );
    const common = { host, stage, network };

    this.mysql = new MysqlServer(
      `${name}-mysql`,
      {
        ...common,
        image: image("mysql"),
        port: ports.mysql,
        memoryMiB: memoryMiB.mysql,
        database: suite.database,
        protect: protect("mysql"),
        generation: rotation.mysql,
      },
      { parent: this },
    );
    this.redis = has("redis")
      ? new RedisServer(
          `${name}-redis`,
          {
            ...common,
            image: image("redis"),
            port: ports.redis,
            memoryMiB: memoryMiB.redis,
            protect: protect("redis"),
            generation: rotation.redis,
          },
          { parent: this },
        )
      : undefined;
    this.minio = has("minio")
      ? new MinioServer(
          `${name}-minio`,
          {
            ...common,
            image: image("minio"),
            port: ports.minio,
            consolePort: ports.minioConsole,
            memoryMiB: memoryMiB.minio,
            protect: protect("minio"),
            generation: rotation.minio,
          },
          { parent: this },
        )
      : undefined;
    if (has("backend")) {
      new Backend(
        `${name}-backend`,
        {
          ...common,
          image: image("backend"),
          publicAddress,
          port: ports.backend,
          memoryMiB: memoryMiB.backend,
          database: suite.database,
          mysqlPassword: this.mysql.applicationPassword,
          redisPassword: this.redis?.password ?? "",
          minioAccessKey: this.minio?.applicationAccessKey ?? "",
          minioSecretKey: this.minio?.applicationSecretKey ?? "",
        },
        { parent: this, dependsOn: [this.mysql, this.redis, this.minio].filter((one) => one !== undefined) },
      );
    }
    if (has("admin")) {
      new Admin(
        `${name}-admin`,
        { ...common, image: image("admin"), publicAddress, port: ports.admin, memoryMiB: memoryMiB.admin },
        { parent: this },
      );
    }
    if (has("prometheus")) {
      new Prometheus(
        `${name}-prometheus`,
        {
          host,
          stage,
          image: image("prometheus"),
          listenAddress: args.listenAddress,
          port: ports.prometheus,
          memoryMiB: memoryMiB.prometheus,
          serverAlias: args.serverAlias,
          jobs: args.scrapeJobs,
          alertmanager: args.alertmanager,
          data: "keep",
        },
        { parent: this },
      );
    }
    this.grafana = has("grafana")
      ? new Grafana(
          `${name}-grafana`,
          {
            host,
            stage,
            image: image("grafana"),
            listenAddress: args.listenAddress,
            port: ports.grafana,
            memoryMiB: memoryMiB.grafana,
            prometheusUrl: has("prometheus") ? `http://${hostPort(args.listenAddress, ports.prometheus)}` : undefined,
            generation: rotation.grafana,
          },
          { parent: this },
        )
      : undefined;
    this.rotationEnds = [this.mysql, this.redis, this.minio, this.grafana].flatMap((one) =>
      one === undefined ? [] : [one.rotationEnd],
    );
    this.registerOutputs({});
  }
}

/** Where the services of a created suite are. */
export function createdEndpoints(suite: CreatedSuiteConfiguration): SuiteEndpoints {
  const endpoints = suiteServices
    .filter((service) => !suite.without.includes(service))
    .map((service): [string, ServiceEndpoint] => {
      const port = suite.ports[service];
      const address = service === "backend" || service === "admin" ? loopbackOf(suite.publicAddress) : "127.0.0.1";
      return [service, { container: createdContainers[service], port, url: `http://${address}:${port}` }];
    });
  return Object.fromEntries(endpoints);
}
