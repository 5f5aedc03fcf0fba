import { adoptedContainers, type SuiteService, suiteServices } from "../../config/names.ts";
import { suitePorts } from "../../config/ports.ts";
import type { ContainerFacts, ServerFacts } from "../../preflight/facts.ts";

/** A container of the server and the port on which the server reaches it. */
export interface ProposedService {
  readonly container: string;
  readonly port: number;
}

export type SuiteProposal = Partial<Record<SuiteService, ProposedService>>;

/** What is configured now, as far as it says something about the suite. */
export interface KnownSuite {
  readonly containers: Partial<Record<SuiteService, string>>;
  readonly ports: Partial<Record<SuiteService, number>>;
  readonly without: readonly SuiteService[];
}

/** The ports on which the official images listen inside their containers. */
const insidePorts: Readonly<Record<SuiteService, number>> = {
  mysql: 3306,
  redis: 6379,
  minio: 9000,
  backend: 8080,
  admin: 80,
  prometheus: 9090,
  grafana: 3000,
};

/**
 * Which running container is which service: what was configured before, else the roadmap's names, else an image that says so. A
 * service without a container is left out.
 */
export function proposeSuite(facts: ServerFacts, known: KnownSuite): SuiteProposal {
  const running = facts.containers.filter((one) => one.status === "running" && one.stage === "");
  const proposal: SuiteProposal = {};
  for (const service of suiteServices) {
    if (known.without.includes(service)) continue;
    const byName = (name: string | undefined) => running.find((one) => one.name === name);
    const container =
      byName(known.containers[service]) ?? byName(adoptedContainers[service]) ?? byImage(running, service);
    if (container === undefined) continue;
    proposal[service] = {
      container: container.name,
      port: proposePort(service, container, facts, known.ports[service]),
    };
  }
  return proposal;
}

/** `mysql:8.0`, `registry/bitnami/mysql@sha256:…`: the last part of the image's name is the service's. */
function byImage(containers: readonly ContainerFacts[], service: SuiteService): ContainerFacts | undefined {
  if (service === "backend" || service === "admin") return undefined;
  const matching = containers.filter(
    (one) =>
      one.image
        .replace(/@.*$/, "")
        .replace(/:[^/]*$/, "")
        .split("/")
        .at(-1) === service,
  );
  // Two of a kind: a guess would be a coin toss.
  return matching.length === 1 ? matching[0] : undefined;
}

/** The port on the server: the configured one while it is true, else the one published for the service's own, else any. */
export function proposePort(
  service: SuiteService,
  container: ContainerFacts,
  facts: ServerFacts,
  known: number | undefined,
): number {
  const { published } = container;
  if (known !== undefined && reachable(known, container, facts)) return known;
  const inside = published.find((one) => one.containerPort === insidePorts[service]);
  const standard = published.find((one) => one.port === suitePorts[service]);
  return (standard ?? inside ?? published[0])?.port ?? suitePorts[service];
}

/** Whether the server reaches something on a port: published by the container, or listened to by whoever. */
export function reachable(port: number, container: ContainerFacts, facts: ServerFacts): boolean {
  return container.published.some((one) => one.port === port) || facts.listeners.some((one) => one.port === port);
}
