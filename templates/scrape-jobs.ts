import { prometheusSecrets } from "../config/names.ts";
import { ownPorts } from "../config/ports.ts";
import { hostPort } from "../lib/host-port.ts";
import { minioMetricsPath } from "./minio-metrics.ts";
import type { ScrapeJob } from "./prometheus.ts";

/** What there is to watch on one server. Addresses of services as the server itself reaches them. */
export interface Watched {
  /** Where our exporters listen. */
  readonly listenAddress: string;
  /** Port of the Prometheus that does the watching. */
  readonly prometheusPort: number;
  readonly redis: boolean;
  readonly minioUrl?: string | undefined;
  /** Name of the file with the token for MinIO's own metrics; undefined when they are not read, beside the look from outside. */
  readonly minioToken: string | undefined;
  readonly backendUrl?: string | undefined;
  readonly adminUrl?: string | undefined;
  /** Empty when the backend has no metrics. */
  readonly backendMetricsPath: string;
  /** host:port, each. */
  readonly tlsEndpoints: readonly string[];
}

/** The jobs of stage 1. Their names are those that the alert rules ask for. */
export function scrapeJobs(watched: Watched): ScrapeJob[] {
  const at = (port: number) => hostPort(watched.listenAddress, port);
  const probe = (name: string, module: string, targets: readonly string[]): ScrapeJob => ({
    name: `probe-${name}`,
    targets,
    probe: { exporter: at(ownPorts.blackboxExporter), module },
  });
  const { minioUrl, backendUrl, adminUrl, backendMetricsPath, tlsEndpoints } = watched;
  return [
    { name: "prometheus", targets: [at(watched.prometheusPort)] },
    { name: "alertmanager", targets: [at(ownPorts.alertmanager)] },
    { name: "node", targets: [at(ownPorts.nodeExporter)] },
    { name: "mysql", targets: [at(ownPorts.mysqldExporter)] },
    ...(watched.redis ? [{ name: "redis", targets: [at(ownPorts.redisExporter)] }] : []),
    { name: "blackbox", targets: [at(ownPorts.blackboxExporter)] },
    ...(backendUrl !== undefined && backendMetricsPath !== ""
      ? [{ name: "backend", targets: [backendUrl.replace("http://", "")], path: backendMetricsPath }]
      : []),
    ...(minioUrl !== undefined && watched.minioToken !== undefined
      ? [
          {
            name: "minio",
            targets: [minioUrl.replace("http://", "")],
            path: minioMetricsPath,
            bearerTokenFile: `${prometheusSecrets.inContainer}/${watched.minioToken}`,
          },
        ]
      : []),
    ...(backendUrl === undefined ? [] : [probe("backend", "http_ok", [`${backendUrl}/health`])]),
    ...(adminUrl === undefined ? [] : [probe("admin", "http_2xx", [`${adminUrl}/`])]),
    ...(minioUrl === undefined ? [] : [probe("minio", "http_2xx", [`${minioUrl}/minio/health/live`])]),
    ...(tlsEndpoints.length === 0 ? [] : [probe("tls", "tcp_tls", tlsEndpoints)]),
  ];
}
