import { backendDashboard } from "./backend.ts";
import { backupsDashboard } from "./backups.ts";
import type { DashboardDefinition } from "./definition.ts";
import { hostDashboard } from "./host.ts";
import { minioDashboard } from "./minio.ts";
import { mysqlDashboard } from "./mysql.ts";
import { pairDashboard } from "./pair.ts";
import { redisDashboard } from "./redis.ts";
import { renderDashboard } from "./render.ts";

/** Of stage 1. */
export const dashboards: readonly DashboardDefinition[] = [
  hostDashboard,
  mysqlDashboard,
  redisDashboard,
  minioDashboard,
  backendDashboard,
  backupsDashboard,
];

/** Those of stage 1 as files: name -> JSON. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return filesOf(dashboards);
}

/** What stage 2 adds to them. */
export function pairDashboardFiles(): ReadonlyMap<string, string> {
  return filesOf([pairDashboard]);
}

function filesOf(definitions: readonly DashboardDefinition[]): ReadonlyMap<string, string> {
  return new Map(definitions.map((definition) => [`${definition.uid}.json`, renderDashboard(definition)]));
}
