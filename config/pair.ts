import { createdContainers, type SuiteService } from "./names.ts";
import type { PairServer } from "./pair-names.ts";
import { type MovedService, movedServices, type VipConfiguration, type WitnessConfiguration } from "./pair-schema.ts";
import type { Configuration } from "./schema.ts";
import { betweenServers, type ServerConfiguration } from "./server-schema.ts";

/** A configuration of stage 2 with everything that it must have: the schema has refused anything else. */
export interface PairConfiguration {
  readonly servers: Readonly<Record<PairServer, ServerConfiguration>>;
  readonly witness: WitnessConfiguration;
  readonly vip: VipConfiguration;
}

export function pairOf({ servers, witness, vip }: Configuration): PairConfiguration {
  if (servers.a === undefined || servers.b === undefined || witness === undefined || vip === undefined) {
    throw new Error("the schema lets no stage 2 pass without servers, witness and vip");
  }
  return { servers: { a: servers.a, b: servers.b }, witness, vip };
}

/** Services of the suite that move with the leader. */
export function movedOf({ suite }: Configuration): MovedService[] {
  return movedServices.filter((service) => !suite.without.includes(service));
}

/**
 * Services that the suite on server A itself answers on every address, the virtual IP included. HAProxy must not listen there: the port is
 * taken.
 */
export function servedBySuite(configuration: Configuration): MovedService[] {
  const { suite, vip } = configuration;
  const moved = movedOf(configuration);
  const given = vip?.mode === "keepalived" ? vip.servedBySuite : undefined;
  if (given !== undefined) return moved.filter((service) => given.includes(service));
  if (suite.mode === "adopt") return moved;
  return suite.publicAddress === "0.0.0.0" ? moved.filter((one) => one === "backend" || one === "admin") : [];
}

/** Where clients find a service while this server leads: the virtual IP, or without one the server's own address. */
export function clientAddress(vip: VipConfiguration, server: ServerConfiguration): string {
  return vip.mode === "keepalived" ? vip.address : betweenServers(server);
}

/** The container of a service on one of the two servers. */
export function pairContainer({ suite }: Configuration, server: PairServer, service: SuiteService): string {
  return server === "a" && suite.mode === "adopt" ? suite.containers[service] : createdContainers[service];
}

/** Everybody that may reach the ports between the servers. */
export function peersOf({ servers, witness }: PairConfiguration, allowed: readonly string[]): string[] {
  return [
    betweenServers(servers.a),
    betweenServers(servers.b),
    ...(witness.mode === "host" ? [betweenServers(witness)] : []),
    ...allowed,
  ];
}
