import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { adoptedContainers, type SuiteService } from "../../config/names.ts";

/** Services without which there is no suite to migrate. */
export const neededServices: readonly SuiteService[] = ["mysql", "redis", "minio", "backend", "admin"];

/** Named volume of a service, where it has one of its own. */
const volumeOf: { readonly [Service in SuiteService]?: string } = {
  mysql: "mysql_data",
  redis: "redis_data",
  minio: "minio_data",
  prometheus: "prometheus_data",
  grafana: "grafana_data",
};

/** The compose file as an ordinary operator would have it, without the services whose image cannot be had here. */
export function renderComposeFile(services: readonly SuiteService[]): string {
  const document = parseDocument(readFileSync(join(import.meta.dirname, "docker-compose.yml"), "utf8"));
  for (const service of Object.keys(adoptedContainers) as SuiteService[]) {
    if (services.includes(service)) continue;
    document.deleteIn(["services", adoptedContainers[service]]);
    const volume = volumeOf[service];
    if (volume !== undefined) document.deleteIn(["volumes", volume]);
  }
  return document.toString({ lineWidth: 0 });
}

/** The variable of the .env file that names a service's image. */
export function imageVariable(service: SuiteService): string {
  return `${service.toUpperCase()}_IMAGE`;
}
