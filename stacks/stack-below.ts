import * as pulumi from "@pulumi/pulumi";
import type { Foundation } from "../config/foundation.ts";
import type { Credentials } from "../config/stage-credentials.ts";
import { OperatorError } from "../lib/errors.ts";

/** What a stage reads of the one below it. */
export interface StackBelow {
  readonly name: string;
  readonly foundation: Foundation;
  /** The output `credentials`: passwords of the suite, secret. */
  readonly credentials: pulumi.Output<Credentials>;
  /** Whether the suite's Redis asks for a password: no secret, and it decides what the controllers are told. */
  readonly redisHasPassword: boolean;
}

/**
 * Reads the stack below. Its plain outputs are known in a preview too, so they may shape resources.
 * @param own this stage's own configuration, not yet judged.
 * @returns undefined for stage 1, and for a stage that does not exist: the configuration's judgement names it.
 * @throws OperatorError when that stack was never brought up, or by a version that had no pair.
 */
export async function stackBelow(own: Readonly<Record<string, unknown>>): Promise<StackBelow | undefined> {
  const stage = own["stage"];
  if (stage !== 2 && stage !== 3) return undefined;
  const given = own["previousStack"];
  const name = typeof given === "string" ? given : `organization/${pulumi.getProject()}/stage${stage - 1}`;
  const reference = new pulumi.StackReference("below", { name });
  const foundation = (await reference.getOutputDetails("foundation")).value as Foundation | undefined;
  const secrets = (await reference.getOutputDetails("credentials")).secretValue as Credentials | undefined;
  if (foundation === undefined || secrets === undefined) {
    throw new OperatorError(
      `im:previousStack = ${JSON.stringify(name)}: this stack has no output "foundation". Bring it up with this version first: pulumi up -s ${name.split("/").at(-1)}`,
    );
  }
  return {
    name,
    foundation,
    credentials: pulumi.secret(reference.requireOutput("credentials")) as pulumi.Output<Credentials>,
    redisHasPassword: secrets.redis.password !== "",
  };
}
