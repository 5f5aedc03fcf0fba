import type { Configuration } from "../config/schema.ts";
import { readPrivateKey } from "../lib/ssh.ts";
import { checkStage1, type Finding, formatFinding, requireNoRefusal } from "./checks.ts";
import { probeServers } from "./probe.ts";

/**
 * Looks at every server and judges it, in a preview as in an `up`: remote commands do nothing in a preview, so without this a
 * preview would promise what the `up` then refuses.
 * @returns warnings to print.
 * @throws OperatorError when something refuses.
 */
export async function preflight(configuration: Configuration): Promise<string[]> {
  for (const [alias, server] of Object.entries(configuration.servers)) {
    if (server !== undefined) readPrivateKey(server.privateKeyFile, `im:servers.${alias}.privateKeyFile`);
  }
  const facts = await probeServers(configuration);
  const findings: Finding[] = facts.a === undefined ? [] : checkStage1(configuration, facts.a);
  requireNoRefusal(findings);
  return findings.map(formatFinding);
}
