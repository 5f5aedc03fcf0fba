import type { Configuration } from "./schema.ts";

/** What `npm run rotate` can change: keys of `im:rotation`. */
export const rotationKinds = ["mysql", "redis", "minio", "grafana", "backupKey", "monitoring"] as const;

export type RotationKind = (typeof rotationKinds)[number];

/** The passwords and keys that we created on a stack, in the order in which they are shown. */
export function rotatable(configuration: Configuration): RotationKind[] {
  const { suite, backup } = configuration;
  const created = (service: "redis" | "minio" | "grafana") =>
    suite.mode === "create" && !suite.without.includes(service);
  const has: Readonly<Record<RotationKind, boolean>> = {
    mysql: suite.mode === "create",
    redis: created("redis"),
    minio: created("minio"),
    grafana: created("grafana"),
    backupKey: backup.enabled,
    monitoring: true,
  };
  return rotationKinds.filter((kind) => has[kind]);
}
