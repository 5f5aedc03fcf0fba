import type { ServerConfiguration } from "../../config/server-schema.ts";
import { type InterfaceAddress, parsePairFacts, renderPairQuestions } from "../../preflight/pair-facts.ts";
import { noPairQuestions } from "../../preflight/pair-probe.ts";
import { probe } from "../../preflight/probe.ts";

/** The IPv4 addresses of a server, by interface. */
export async function lookAtAddresses(
  server: ServerConfiguration,
  configPath: string,
): Promise<readonly InterfaceAddress[]> {
  const { output } = await probe(server, configPath, { extra: renderPairQuestions(noPairQuestions) });
  return parsePairFacts(output).addresses;
}
