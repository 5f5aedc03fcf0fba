import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { createOnceDirectory } from "../../config/names.ts";
import { quote, remoteCommand, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";

export interface CreateOnceSecretArgs {
  readonly host: Host;
  /** File name in the create-once directory. */
  readonly fileName: string;
  /** Used only when the server has no such file yet. */
  readonly candidate: pulumi.Input<string>;
}

/**
 * A secret that opens data which outlives the stack: written once to a 0400 file on the server and read back from there.
 * So a lost Pulumi state, or a RandomPassword made anew, can never lock us out of the data that an earlier run made. There is
 * no `delete`: a destroy leaves the file behind on purpose.
 */
export class CreateOnceSecret extends pulumi.ComponentResource {
  /** The secret that counts: the one on the server. */
  readonly value: pulumi.Output<string>;
  readonly path: string;

  constructor(name: string, args: CreateOnceSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:CreateOnceSecret", name, {}, opts);
    this.path = `${createOnceDirectory}/${args.fileName}`;
    const command = new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create: remoteCommand(
          script(
            `file=${quote(this.path)}`,
            `mkdir -p -m 0700 -- ${quote(createOnceDirectory)}`,
            // Stdin is read in any case: a script that ends with input unread fails in ssh's copy, now and then.
            'cat >"$file.partial"',
            'if [ -s "$file" ]; then',
            '  rm -f -- "$file.partial"',
            "else",
            '  chmod 0400 -- "$file.partial"',
            '  sync -- "$file.partial"',
            '  mv -n -- "$file.partial" "$file"',
            "fi",
            'cat -- "$file"',
          ),
          60,
        ),
        stdin: pulumi.secret(args.candidate),
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
