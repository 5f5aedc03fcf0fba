import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { adoptedContainers, type SuiteService, suiteServices } from "../../config/names.ts";
import { suitePorts } from "../../config/ports.ts";
import { imageVariable, neededServices, renderComposeFile } from "../../lab/suite/compose-file.ts";
import { newSecrets, secretsToEnvironment } from "../../lab/suite/credentials.ts";

interface Service {
  readonly image: string;
  readonly container_name: string;
  readonly restart: string;
  readonly ports: readonly string[];
  readonly healthcheck?: unknown;
}

const read = (services: readonly SuiteService[]) =>
  parse(renderComposeFile(services)) as { services: Record<string, Service>; volumes: Record<string, unknown> };

describe("the compose file of the roadmap's suite", () => {
  it("publishes every service where the roadmap says", () => {
    const { services } = read(suiteServices);
    expect(Object.keys(services).toSorted()).toEqual(Object.values(adoptedContainers).toSorted());
    for (const service of suiteServices) {
      const found = services[adoptedContainers[service]];
      expect(found?.container_name).toBe(adoptedContainers[service]);
      expect(found?.image).toBe(`\${${imageVariable(service)}}`);
      expect(found?.restart).toBe("unless-stopped");
      // An ordinary operator's file has none; a later stage must not rely on one.
      expect(found?.healthcheck).toBeUndefined();
      expect(found?.ports[0]?.split(":")[0]).toBe(String(suitePorts[service]));
    }
  });

  it("takes every secret from the .env file and holds none", () => {
    const text = renderComposeFile(suiteServices);
    const known = new Set([
      ...Object.keys(secretsToEnvironment(newSecrets())),
      ...suiteServices.map(imageVariable),
      ...["DB_NAME", "DB_USER", "MINIO_BUCKET"],
    ]);
    const used = new Set([...text.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1] ?? ""));
    for (const name of used) expect(known).toContain(name);
    for (const line of text.split("\n").filter((line) => /PASSWORD:|SECRET_KEY:|ROOT_USER:/.test(line))) {
      expect(line).toMatch(/: \$\{\w+\}$/);
    }
  });

  it("leaves out what has no image, with its volume, and nothing else", () => {
    const { services, volumes } = read(suiteServices.filter((service) => service !== "grafana"));
    expect(Object.keys(services)).not.toContain(adoptedContainers.grafana);
    expect(Object.keys(volumes)).toEqual(["mysql_data", "redis_data", "minio_data", "prometheus_data"]);
    expect(Object.keys(read(neededServices).services)).toHaveLength(neededServices.length);
  });
});
