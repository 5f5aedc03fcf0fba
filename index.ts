import * as pulumi from "@pulumi/pulumi";
import { loadConfiguration } from "./config/load.ts";
import { OperatorError } from "./lib/errors.ts";
import { preflight } from "./preflight/preflight.ts";
import { stage1 } from "./stacks/stage1.ts";
import type { StackOutputs } from "./stacks/stage1-outputs.ts";

/** The whole program: configuration, a look at the servers, the stage. Its result becomes the stack's outputs. */
export default async function program(): Promise<StackOutputs> {
  try {
    const configuration = loadConfiguration(pulumi.runtime.allConfig());
    const report = await preflight(configuration);
    if (report.information.length > 0) await pulumi.log.info(report.information.join("\n"));
    for (const line of report.warnings) await pulumi.log.warn(line);
    switch (configuration.stage) {
      case 1:
        return stage1(configuration, report.growth);
      default:
        throw new OperatorError(`im:stage = ${configuration.stage}: this version has stage 1 only. Expected 1.`);
    }
  } catch (error) {
    // What the operator can mend is shown as its sentence alone, without a stack trace.
    if (error instanceof OperatorError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
