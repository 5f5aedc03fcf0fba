import { type SuiteService, suiteServices } from "../config/names.ts";
import type { AdoptedSuite } from "../config/schema.ts";
import type { ContainerFacts, ServerFacts } from "./facts.ts";

/** Services that nobody outside the server has business with. */
const databases: readonly SuiteService[] = ["mysql", "redis", "minio"];

/**
 * What was found of an adopted suite, for the operator to read in the preview: a line a container, and what it exposes. It is
 * reported, not changed.
 */
export function reportAdopted(suite: AdoptedSuite, facts: ServerFacts): string[] {
  const found = suiteServices
    .filter((service) => !suite.without.includes(service))
    .flatMap((service) => {
      const container = facts.containers.find((one) => one.name === suite.containers[service]);
      return container === undefined ? [] : [{ service, container }];
    });
  const width = Math.max(0, ...found.map(({ container }) => container.name.length));
  return [
    "The suite as it runs; stage 1 leaves these containers alone:",
    ...found.map(
      ({ container }) =>
        `  ${container.name.padEnd(width)}  ${container.image}, since ${container.startedAt.slice(0, 19)}Z`,
    ),
    ...found.filter(({ service }) => databases.includes(service)).flatMap(({ container }) => exposure(container)),
    ...(suite.without.length === 0 ? [] : [`  left out by im:suite.without: ${suite.without.join(", ")}`]),
  ];
}

function exposure(container: ContainerFacts): string[] {
  const open = container.published.filter((port) => port.address === "0.0.0.0" || port.address === "::");
  const ports = [...new Set(open.map((port) => port.port))];
  if (ports.length === 0) return [];
  return [
    `  ${container.name} listens on every address (port ${ports.join(", ")}), past the firewall: your compose file decides that.`,
  ];
}
