import { pairContainer, pairOf } from "../config/pair.ts";
import type { PairServer } from "../config/pair-names.ts";
import type { Configuration } from "../config/schema.ts";
import { betweenServers, type ServerConfiguration } from "../config/server-schema.ts";
import type { PairServerFacts, PairServersFacts } from "./pair-checks.ts";
import { type PairQuestions, parsePairFacts, renderPairQuestions } from "./pair-facts.ts";
import { probe } from "./probe.ts";

/** Looks at both data servers and the witness side by side, each in one bounded session. */
export async function probePair(configuration: Configuration): Promise<PairServersFacts> {
  const { servers, witness } = pairOf(configuration);
  const look = async (
    server: ServerConfiguration,
    path: string,
    questions: PairQuestions,
  ): Promise<PairServerFacts> => {
    const { facts, output } = await probe(server, path, { extra: renderPairQuestions(questions) });
    return { general: facts, pair: parsePairFacts(output) };
  };
  const [a, b, third] = await Promise.all([
    look(servers.a, "im:servers.a", pairQuestions(configuration, "a")),
    look(servers.b, "im:servers.b", pairQuestions(configuration, "b")),
    witness.mode === "host" ? look(witness, "im:witness", noPairQuestions) : undefined,
  ]);
  return { a, b, witness: third };
}

/** The witness is asked nothing about the two. */
export const noPairQuestions: PairQuestions = { peerAddress: undefined, vip: undefined, mysqlContainer: undefined };

/** What one of the data servers is asked beside the general facts. */
export function pairQuestions(configuration: Configuration, name: PairServer): PairQuestions {
  const { servers, vip } = pairOf(configuration);
  return {
    peerAddress: betweenServers(servers[name === "a" ? "b" : "a"]),
    vip:
      vip.mode === "keepalived"
        ? {
            address: vip.address,
            interface: typeof vip.interface === "string" ? vip.interface : vip.interface[name],
          }
        : undefined,
    mysqlContainer: pairContainer(configuration, name, "mysql"),
  };
}
