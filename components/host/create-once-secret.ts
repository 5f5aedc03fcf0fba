import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { createOnceDirectory } from "../../config/names.ts";
import { remoteCommand } from "../../lib/shell.ts";
import { renderCreateOnceSecret } from "../../templates/rotation/create-once-files.ts";
import type { Host } from "./host.ts";

export interface CreateOnceSecretArgs {
  readonly host: Host;
  /** File name in the create-once directory. */
  readonly fileName: string;
  /** Letters and digits. */
  readonly length: number;
  /** im:rotation: raised, it makes the server draw a new one. */
  readonly generation: number;
}

/**
 * A secret that opens data which outlives the stack: written once to a 0400 file on the server and read back from there.
 * So a lost Pulumi state, or a RandomPassword made anew, can never lock us out of the data that an earlier run made. There is
 * no `delete`: a destroy leaves the file behind on purpose.
 */
export class CreateOnceSecret extends pulumi.ComponentResource {
  /**
   * The secret that counts: the one on the server. During a rotation the new one, which the engine does not know yet: who uses it must
   * wait until the engine accepts it.
   */
  readonly value: pulumi.Output<string>;
  readonly path: string;

  constructor(name: string, args: CreateOnceSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:CreateOnceSecret", name, {}, opts);
    const { fileName, length, generation } = args;
    this.path = `${createOnceDirectory}/${fileName}`;
    // Only for a server that has no such file; all later ones are drawn there.
    const candidate = new random.RandomPassword(`${name}-candidate`, { length, special: false }, { parent: this });
    const command = new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create: remoteCommand(renderCreateOnceSecret({ fileName, length, generation }), 120),
        stdin: pulumi.secret(candidate.result),
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      {
        parent: this,
        dependsOn: args.host.bootstrapped,
        additionalSecretOutputs: ["stdout", "stderr"],
        // The candidate matters only for the first run: a new one must not make every later preview show a change.
        ignoreChanges: ["stdin"],
      },
    );
    this.value = pulumi.secret(command.stdout);
    this.registerOutputs({});
  }
}
