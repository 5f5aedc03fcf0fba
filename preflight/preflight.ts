import type { MeasuredGrowth } from "../config/growth.ts";
import type { Configuration } from "../config/schema.ts";
import { readPrivateKey } from "../lib/ssh.ts";
import { checkStage1, type Finding, formatFinding, requireNoRefusal } from "./checks.ts";
import { checkStage2 } from "./pair-checks.ts";
import { probePair } from "./pair-probe.ts";
import { probeServers } from "./probe.ts";
import { reportAdopted } from "./report.ts";
import { reportPair } from "./report-pair.ts";

export interface PreflightReport {
  /** What was found, to be read once. */
  readonly information: readonly string[];
  readonly warnings: readonly string[];
  /** For the outputs: whether stage 2 is due. */
  readonly growth: MeasuredGrowth;
}

/**
 * Looks at every server and judges it, in a preview as in an `up`: remote commands do nothing in a preview, so without this a
 * preview would promise what the `up` then refuses.
 * @throws OperatorError when something refuses.
 */
export async function preflight(configuration: Configuration): Promise<PreflightReport> {
  for (const [alias, server] of Object.entries(configuration.servers)) {
    if (server !== undefined) readPrivateKey(server.privateKeyFile, `im:servers.${alias}.privateKeyFile`);
  }
  if (configuration.stage === 2) return await preflightPair(configuration);
  const facts = await probeServers(configuration);
  const findings: Finding[] = facts.a === undefined ? [] : checkStage1(configuration, facts.a);
  requireNoRefusal(findings);
  const { suite } = configuration;
  return {
    information: suite.mode === "adopt" && facts.a !== undefined ? reportAdopted(suite, facts.a) : [],
    warnings: findings.map(formatFinding),
    growth: facts.a?.growth ?? {},
  };
}

/** Stage 2: both servers and the witness side by side. Their private keys too: one that is missing would be found in the middle. */
async function preflightPair(configuration: Configuration): Promise<PreflightReport> {
  const { witness } = configuration;
  if (witness?.mode === "host") readPrivateKey(witness.privateKeyFile, "im:witness.privateKeyFile");
  const findings = checkStage2(configuration, await probePair(configuration));
  requireNoRefusal(findings);
  return { information: reportPair(configuration), warnings: findings.map(formatFinding), growth: {} };
}
