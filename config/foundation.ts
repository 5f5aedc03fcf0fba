import type { Configuration } from "./schema.ts";

/**
 * What a later stage reads of the stage below it: its configuration as it was parsed, without secrets and without what concerns that stage
 * alone. A stack output, so its keys are a contract.
 */
export const foundationKeys = [
  "suite",
  "images",
  "mirrors",
  "timeServers",
  "healthCheck",
  "monitoring",
  "backup",
  "rotation",
] as const satisfies readonly (keyof Configuration)[];

type FoundationKey = (typeof foundationKeys)[number];

export type Foundation = Pick<Configuration, FoundationKey | "servers">;

/** Keys that a later stage may say differently, each on top of what is below. */
const changeable: readonly FoundationKey[] = ["images", "mirrors", "timeServers"];

export function foundationOf(configuration: Configuration): Foundation {
  const inherited = Object.fromEntries(foundationKeys.map((key) => [key, configuration[key]]));
  return { servers: configuration.servers, ...inherited } as Foundation;
}

export interface OnFoundation {
  /** The configuration of this stage on top of the one below, still to be parsed. */
  readonly raw: Record<string, unknown>;
  /** Keys that this stage repeats, although the one below decides them. */
  readonly repeated: readonly string[];
}

/** Puts a stage's own keys on the foundation of the stage below. */
export function onFoundation(own: Readonly<Record<string, unknown>>, foundation: Foundation): OnFoundation {
  const repeated = foundationKeys.filter((key) => own[key] !== undefined && !changeable.includes(key));
  const raw: Record<string, unknown> = { ...foundation, ...own };
  for (const key of ["images", "mirrors"] as const) {
    if (isGroup(own[key])) raw[key] = { ...foundation[key], ...own[key] };
  }
  if (isGroup(own["servers"])) {
    // Key by key: another path of the private key, or a private address, must not need the whole server again.
    const below: Readonly<Record<string, unknown>> = foundation.servers;
    const merged = Object.entries(own["servers"]).map(([alias, server]) => [
      alias,
      isGroup(server) && isGroup(below[alias]) ? { ...below[alias], ...server } : server,
    ]);
    raw["servers"] = { ...below, ...Object.fromEntries(merged) };
  }
  return { raw, repeated };
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
