import { OperatorError } from "../lib/errors.ts";

/**
 * Every container image of the project, in one place. `im:images` in the stack's config replaces any of them by key:
 * with a mirror's name, with a digest of the operator's own registry, or (in the lab) with the local registry's.
 *
 * The defaults are the official images. An image without a digest here is pinned by its full version only: the config of a
 * production stack should name `image:tag@sha256:…`, which `npm run configure` writes.
 */
export const defaultImages = {
  mysql: "mysql:8.4.6",
  redis: "redis:7.2.10-bookworm",
  // The last image that MinIO published on Docker Hub before it stopped doing so.
  minio: "minio/minio:RELEASE.2025-09-07T16-13-09Z",
  prometheus: "prom/prometheus:v3.5.0",
  grafana: "grafana/grafana:12.1.1",
  // 0.32 or later: robots of WeCom, DingTalk and Feishu need its payload templates.
  alertmanager: "prom/alertmanager:v0.34.2",
  nodeExporter: "prom/node-exporter:v1.9.1",
  mysqldExporter: "prom/mysqld-exporter:v0.17.2",
  redisExporter: "oliver006/redis_exporter:v1.77.0",
  blackboxExporter: "prom/blackbox-exporter:v0.27.0",
} as const;

/** Images that belong to the operator: there is no default, because only they have them. */
export const operatorImages = ["backend", "admin"] as const;

export type ImageKey = keyof typeof defaultImages | (typeof operatorImages)[number];

export const imageKeys: readonly ImageKey[] = [...(Object.keys(defaultImages) as ImageKey[]), ...operatorImages];

/**
 * The reference of one image: the operator's own, else the default.
 * @throws OperatorError for an image that only the operator can name.
 */
export function imageReference(own: Readonly<Partial<Record<string, string>>>, key: ImageKey): string {
  const reference = own[key] ?? (defaultImages as Partial<Record<ImageKey, string>>)[key];
  if (reference === undefined) {
    throw new OperatorError(
      `im:images.${key} is missing: expected the image of your ${key}, for example registry.example.com/im-${key}:1.0`,
    );
  }
  return reference;
}
