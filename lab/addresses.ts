import { isIPv4 } from "node:net";
import { OperatorError } from "../lib/errors.ts";

/**
 * Where the lab lives. 198.18.0.0/24 is set aside for benchmarks (RFC 2544): nobody's office or cloud network uses it, so
 * the lab's addresses collide with nothing, and a script that only ever touches this range cannot reach production.
 */
export const labNetwork = {
  name: "im-lab",
  subnet: "198.18.0.0/24",
  gateway: "198.18.0.1",
  /** Docker may hand out addresses from here only: never the virtual address .100, never a server's. */
  dynamicRange: "198.18.0.192/26",
  virtualAddress: "198.18.0.100",
} as const;

/** Every container, volume, network and image of the lab carries it, and only what carries it is ever removed. */
export const labLabel = "im-suite-ha.lab=true";

export type LabAlias = "a" | "b" | "c";

export interface LabServer {
  readonly alias: LabAlias;
  readonly container: string;
  readonly address: string;
  /** A runs the suite from the start, so it has Docker; B and C start as bare as a rented server. */
  readonly withDocker: boolean;
}

export const labServers: { readonly [Alias in LabAlias]: LabServer } = {
  a: { alias: "a", container: "im-lab-a", address: "198.18.0.11", withDocker: true },
  b: { alias: "b", container: "im-lab-b", address: "198.18.0.12", withDocker: false },
  c: { alias: "c", container: "im-lab-c", address: "198.18.0.13", withDocker: false },
};

export const labAliases = Object.keys(labServers) as LabAlias[];

/**
 * Refuses any address outside the lab's range: the last barrier between a lab script and somebody's real server.
 * @returns the address, so that it can be used in place.
 * @throws OperatorError naming the address.
 */
export function requireLabAddress(address: string): string {
  if (!isIPv4(address) || !address.startsWith("198.18.0.")) {
    throw new OperatorError(
      `The lab refuses the address ${JSON.stringify(address)}: its scripts touch servers in ${labNetwork.subnet} only.`,
    );
  }
  return address;
}

/** Turns what a person typed into a server: `a`, `A` or `im-lab-a`. */
export function parseAlias(text: string | undefined): LabServer {
  const wanted = (text ?? "").toLowerCase().replace(/^im-lab-/, "");
  const server = labAliases.find((alias) => alias === wanted);
  if (server === undefined) {
    throw new OperatorError(`There is no lab server ${JSON.stringify(text ?? "")}. Expected a, b or c.`);
  }
  return labServers[server];
}

/** An IPv4 range as first and last address, both as whole numbers. Accepts `10.0.0.0/8` and a plain address. */
export function parseRange(text: string): { first: number; last: number } | undefined {
  const [address, prefixText] = text.split("/");
  if (address === undefined || !isIPv4(address)) return undefined;
  const prefix = prefixText === undefined ? 32 : Number(prefixText);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > 32) return undefined;
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(value / size) * size;
  return { first, last: first + size - 1 };
}

/**
 * Whether something else on this machine already uses a part of the lab's range. A default route does not count: it leads
 * everywhere and every more exact route wins over it.
 */
export function overlapsLab(range: string): boolean {
  const lab = parseRange(labNetwork.subnet);
  const other = range === "default" ? undefined : parseRange(range);
  if (lab === undefined || other === undefined || range.endsWith("/0")) return false;
  return other.first <= lab.last && lab.first <= other.last;
}
