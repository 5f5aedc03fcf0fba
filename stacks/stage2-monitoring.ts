import type * as pulumi from "@pulumi/pulumi";
import { HealthCheck } from "../components/health-check/health-check.ts";
import type { Host } from "../components/host/host.ts";
import { ContainerMetrics } from "../components/monitoring/container-metrics.ts";
import { Exporters } from "../components/monitoring/exporters.ts";
import { PairMetrics, PairMonitoring } from "../components/monitoring/pair-monitoring.ts";
import { imageReference } from "../config/images.ts";
import { hasPrometheus, prometheusPort } from "../config/own-prometheus.ts";
import { movedOf, type PairConfiguration, pairContainer } from "../config/pair.ts";
import type { Configuration } from "../config/schema.ts";
import { betweenServers } from "../config/server-schema.ts";
import type { Credentials } from "../config/stage-credentials.ts";
import type { EtcdMember } from "../templates/pair/etcd.ts";

export interface WatchPairArgs {
  readonly configuration: Configuration;
  readonly pair: PairConfiguration;
  readonly credentials: pulumi.Output<Credentials>;
  readonly a: Host;
  readonly b: Host;
  readonly voters: readonly EtcdMember[];
}

/** Exporters and health check of server b, what server a's Prometheus reads of both, and the alerts. @returns what was made. */
export function watchPair(args: WatchPairArgs, dependsOn: pulumi.Resource[]): pulumi.Resource[] {
  const { configuration, pair, credentials, a, b } = args;
  const moved = movedOf(configuration);
  const { ports } = configuration.suite;
  const { witness, vip, servers } = pair;
  const replicaAddress = betweenServers(servers.b);
  const suite = Object.fromEntries(
    moved.map((service) => [
      service,
      {
        container: pairContainer(configuration, "b", service),
        port: ports[service],
        url: `http://127.0.0.1:${ports[service]}`,
      },
    ]),
  );
  const has = (service: (typeof moved)[number]) => moved.includes(service);
  const exporters = new Exporters(
    "b-exporters",
    {
      host: b,
      stage: 2,
      suite,
      image: (key) => imageReference(configuration.images, key),
      listenAddress: replicaAddress,
      // The accounts came with the clone.
      mysqlPassword: credentials.mysql.exporter,
      redisPassword: credentials.redis.password,
      blackbox: false,
    },
    { dependsOn },
  );
  const containerMetrics = new ContainerMetrics("b-container-metrics", { host: b, suite }, { dependsOn });
  // Without backend and admin page: on a server that does not lead they may say that they cannot serve, and nothing is wrong.
  const { backend: _backend, admin: _admin, ...engines } = suite;
  const healthCheck = new HealthCheck(
    "b-health-check",
    {
      host: b,
      suite: engines,
      mysqlPassword: credentials.mysql.health,
      redisPassword: credentials.redis.password,
      ...configuration.healthCheck,
    },
    { dependsOn },
  );
  const metrics = (["a", "b"] as const).map(
    (server) =>
      new PairMetrics(
        `${server}-pair-metrics`,
        {
          host: server === "a" ? a : b,
          containers: moved.map((service) => ({ service, container: pairContainer(configuration, server, service) })),
          minioContainer: server === "a" && has("minio") ? pairContainer(configuration, "a", "minio") : undefined,
        },
        { dependsOn },
      ),
  );
  const made = [exporters, containerMetrics, healthCheck, ...metrics];
  if (!hasPrometheus(configuration)) return made;
  const monitoring = new PairMonitoring(
    "a-pair-monitoring",
    {
      host: a,
      listenAddress: configuration.monitoring.listenAddress,
      prometheusPort: prometheusPort(configuration),
      targets: { replicaAddress, redis: has("redis"), voters: witness.mode === "host" ? args.voters : [] },
      grafana: configuration.suite.mode === "create" && !configuration.suite.without.includes("grafana"),
      rules: {
        witness: witness.mode === "host",
        virtualIp: vip.mode === "keepalived",
        redis: has("redis"),
        minio: has("minio"),
        backend: has("backend"),
      },
    },
    { dependsOn: made },
  );
  return [...made, monitoring];
}
