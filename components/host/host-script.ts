import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { remoteCommand } from "../../lib/shell.ts";
import type { Host } from "./host.ts";

export interface HostScriptArgs {
  readonly host: Host;
  /** A complete script from `script()`, idempotent: any change of any field runs it again in place. */
  readonly create: pulumi.Input<string>;
  /** Undoes the script. It runs from state, possibly long after: it reads credentials from files on the server. */
  readonly delete?: string;
  /** Reaches the script on stdin, the only way for secrets. Marked secret. */
  readonly stdin?: pulumi.Input<string>;
  /** Values whose change runs the script again: the hash of a file it reads, the id of a container it talks to. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
  /** What it prints is a secret. */
  readonly secretOutput?: boolean;
  /** Bound of the whole script in seconds. */
  readonly timeoutSeconds?: number;
}

/** One idempotent script on one server. */
export class HostScript extends pulumi.ComponentResource {
  /** What the script printed. */
  readonly stdout: pulumi.Output<string>;

  constructor(name: string, args: HostScriptArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:HostScript", name, {}, opts);
    const timeoutSeconds = args.timeoutSeconds ?? 120;
    // A changed comment is a changed input, so `create` runs again in place; `triggers` would replace, which runs `delete`.
    const create = pulumi
      .all([args.create, pulumi.all([...(args.rerunWhen ?? [])])])
      .apply(([text, values]) =>
        remoteCommand(values.length === 0 ? text : `${text}# runs again when: ${values.join(" ")}\n`, timeoutSeconds),
      );
    const command = new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create,
        ...(args.delete === undefined ? {} : { delete: remoteCommand(args.delete, timeoutSeconds) }),
        ...(args.stdin === undefined ? {} : { stdin: pulumi.secret(args.stdin) }),
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      {
        parent: this,
        dependsOn: args.host.bootstrapped,
        // A replacement's default order is new create, old delete: the old undo would take away what the new create just made.
        deleteBeforeReplace: args.delete !== undefined,
        ...(args.secretOutput ? { additionalSecretOutputs: ["stdout", "stderr"] } : {}),
      },
    );
    this.stdout = args.secretOutput ? pulumi.secret(command.stdout) : command.stdout;
    this.registerOutputs({});
  }
}
