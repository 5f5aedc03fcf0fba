import type * as pulumi from "@pulumi/pulumi";
import { growthDatabase, stageTotals } from "../../config/growth.ts";
import type { ImageKey } from "../../config/images.ts";
import { minioTokenFile } from "../../config/names.ts";
import { hasPrometheus, prometheusPort } from "../../config/own-prometheus.ts";
import { ownPorts } from "../../config/ports.ts";
import type { Configuration } from "../../config/schema.ts";
import { hostPort } from "../../lib/host-port.ts";
import type { ScrapeJob } from "../../templates/prometheus.ts";
import { scrapeJobs } from "../../templates/scrape-jobs.ts";
import type { SuiteEndpoints } from "../app/suite-endpoints.ts";
import type { Host } from "../host/host.ts";
import { Alerting } from "./alerting.ts";
import { Prometheus } from "./prometheus.ts";

/** What our Prometheus watches, and whom it tells. */
export function watching(
  configuration: Configuration,
  endpoints: SuiteEndpoints,
): { readonly scrapeJobs: readonly ScrapeJob[]; readonly alertmanager: string } {
  const { listenAddress, backendMetricsPath, minioMetrics, tlsEndpoints } = configuration.monitoring;
  return {
    scrapeJobs: scrapeJobs({
      listenAddress,
      prometheusPort: prometheusPort(configuration),
      redis: endpoints.redis !== undefined,
      minioUrl: endpoints.minio?.url,
      minioToken: minioMetrics ? minioTokenFile(configuration.rotation.monitoring) : undefined,
      backendUrl: endpoints.backend?.url,
      adminUrl: endpoints.admin?.url,
      backendMetricsPath,
      tlsEndpoints,
    }),
    alertmanager: hostPort(listenAddress, ownPorts.alertmanager),
  };
}

export interface Stage1AlertingArgs {
  readonly configuration: Configuration;
  readonly host: Host;
  readonly stage: number;
  readonly image: (key: ImageKey) => string;
  readonly endpoints: SuiteEndpoints;
  /** The created suite, with its Prometheus; undefined for an adopted one. */
  readonly created: pulumi.Resource | undefined;
  /** What must be there before Prometheus reads its configuration: the token for MinIO's metrics. */
  readonly prometheusNeeds: readonly pulumi.Resource[];
}

/** Alerts of server a: on an adopted suite with a Prometheus of our own. @returns what was made. */
export function alertingOn(args: Stage1AlertingArgs): pulumi.Resource[] {
  const { configuration, host, stage, image, endpoints } = args;
  if (!hasPrometheus(configuration)) return [];
  const { monitoring, alerts, alertCredentials, healthCheck, growth } = configuration;
  const { listenAddress, memoryMiB } = monitoring;
  const { scrapeJobs: jobs, alertmanager } = watching(configuration, endpoints);
  const prometheus =
    args.created ??
    new Prometheus(
      "a-prometheus",
      {
        host,
        stage,
        image: image("prometheus"),
        listenAddress,
        port: prometheusPort(configuration),
        memoryMiB: memoryMiB.prometheus,
        serverAlias: "a",
        jobs,
        alertmanager,
        data: "remove",
      },
      { dependsOn: [...args.prometheusNeeds] },
    );
  const alerting = new Alerting(
    "a-alerting",
    {
      host,
      stage,
      image: image("alertmanager"),
      listenAddress,
      memoryMiB: memoryMiB.alertmanager,
      prometheusPort: prometheusPort(configuration),
      rules: {
        server: "a",
        redis: endpoints.redis !== undefined,
        minio: endpoints.minio !== undefined,
        backend: endpoints.backend !== undefined,
        admin: endpoints.admin !== undefined,
        backendMetrics: monitoring.backendMetricsPath !== "",
        tls: monitoring.tlsEndpoints.length > 0,
        healthCheckIntervalMinutes: healthCheck.intervalMinutes,
        backup: configuration.backup.enabled ? { binaryLogMinutes: configuration.backup.binaryLogMinutes } : undefined,
        growth: growth.enabled
          ? { queries: growthDatabase(configuration) !== undefined, monthlyTotals: stageTotals(configuration.costs) }
          : undefined,
      },
      alerts,
      credentials: alertCredentials,
    },
    { dependsOn: [prometheus] },
  );
  return [prometheus, alerting];
}
