import { hostPort } from "../lib/host-port.ts";
import { ownPorts } from "./ports.ts";
import type { Configuration } from "./schema.ts";

/** Port of the Prometheus that evaluates our rules: a created suite's own, or ours beside an adopted suite's. */
export function prometheusPort({ suite }: Configuration): number {
  return suite.mode === "create" ? suite.ports.prometheus : ownPorts.prometheus;
}

/** Whether there is a Prometheus of ours: a created suite may leave it out, and alerts with it. */
export function hasPrometheus({ suite }: Configuration): boolean {
  return suite.mode === "adopt" || !suite.without.includes("prometheus");
}

/** Its address on its own server; undefined when there is none. */
export function ownPrometheusUrl(configuration: Configuration): string | undefined {
  if (!hasPrometheus(configuration)) return undefined;
  return `http://${hostPort(configuration.monitoring.listenAddress, prometheusPort(configuration))}`;
}
