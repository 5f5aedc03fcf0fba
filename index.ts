import * as pulumi from "@pulumi/pulumi";
import { loadConfiguration, readConfiguration } from "./config/load.ts";
import { OperatorError } from "./lib/errors.ts";
import { preflight } from "./preflight/preflight.ts";
import { stackBelow } from "./stacks/stack-below.ts";
import { stage1 } from "./stacks/stage1.ts";
import type { StackOutputs } from "./stacks/stage1-outputs.ts";
import { stage2 } from "./stacks/stage2.ts";

/** The whole program: configuration, a look at the servers, the stage. Its result becomes the stack's outputs. */
export default async function program(): Promise<StackOutputs> {
  try {
    const flat = pulumi.runtime.allConfig();
    const below = await stackBelow(readConfiguration(flat));
    const configuration = loadConfiguration(flat, below?.foundation);
    const report = await preflight(configuration);
    if (report.information.length > 0) await pulumi.log.info(report.information.join("\n"));
    for (const line of report.warnings) await pulumi.log.warn(line);
    if (configuration.stage === 1) return stage1(configuration, report.growth);
    if (configuration.stage === 2 && below !== undefined) return stage2(configuration, below);
    throw new OperatorError(`im:stage = ${configuration.stage}: this version has stages 1 and 2. Expected 1 or 2.`);
  } catch (error) {
    // What the operator can mend is shown as its sentence alone, without a stack trace.
    if (error instanceof OperatorError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
