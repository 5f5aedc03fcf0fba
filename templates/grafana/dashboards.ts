import { backendDashboard } from "./backend.ts";
import { backupsDashboard } from "./backups.ts";
import type { DashboardDefinition } from "./definition.ts";
import { hostDashboard } from "./host.ts";
import { minioDashboard } from "./minio.ts";
import { mysqlDashboard } from "./mysql.ts";
import { redisDashboard } from "./redis.ts";
import { renderDashboard } from "./render.ts";

export const dashboards: readonly DashboardDefinition[] = [
  hostDashboard,
  mysqlDashboard,
  redisDashboard,
  minioDashboard,
  backendDashboard,
  backupsDashboard,
];

/** Every dashboard as a file: name -> JSON. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(dashboards.map((definition) => [`${definition.uid}.json`, renderDashboard(definition)]));
}
