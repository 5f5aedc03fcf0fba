import { OperatorError } from "../../lib/errors.ts";
import { type RunResult, run } from "../../lib/process.ts";
import { buildSampleProgram } from "../programs.ts";

/** The path of im-traffic, compiled when its source has changed. */
export async function trafficProgram(): Promise<string> {
  return await buildSampleProgram("im-traffic");
}

/** Ends with 1 when a write is lost or different: an answer, not a failure. */
const judged = new Set([0, 1]);

/**
 * Runs im-traffic to its end. @returns its result with exit code 0 or 1.
 * @throws OperatorError with its last words when it could not do its work (exit code 2).
 */
export async function runTrafficProgram(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  onLine?: (line: string) => void,
): Promise<RunResult> {
  const result = await run(await trafficProgram(), args, {
    environment,
    timeoutSeconds: 900,
    ...(onLine === undefined ? {} : { onLine }),
  });
  if (!judged.has(result.exitCode)) {
    throw new OperatorError(
      `im-traffic could not do its work: ${result.stderr.trim().split("\n").slice(-5).join("\n")}`,
    );
  }
  return result;
}
