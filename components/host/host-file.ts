import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { sha256 } from "../../lib/hash.ts";
import { remoteCommand } from "../../lib/shell.ts";
import { renderHostFileCreate, renderHostFileDelete } from "../../templates/host-file-script.ts";
import type { Host } from "./host.ts";

export interface HostFileArgs {
  readonly host: Host;
  /** Absolute path. Changing it removes the old file and writes the new one. */
  readonly path: string;
  /** Travels on stdin. A secret Output stays secret; anything else is readable in the preview's diff. */
  readonly content: pulumi.Input<string>;
  /** Octal, default 0644; 0600 for anything secret. */
  readonly mode?: `0${string}`;
  /** user:group, by name or number. Default root:root. */
  readonly owner?: string;
  /** Octal mode of the directories that are missing. Default 0755. */
  readonly directoryMode?: `0${string}`;
  /** Command that gets the candidate's path appended; a non-zero exit leaves the old file in place and fails the `up`. */
  readonly validate?: readonly string[];
  /** Command that runs only when the file really changed. */
  readonly reload?: readonly string[];
}

/**
 * One file on one server, owned by Pulumi: written atomically, validated before and reloaded after, put back on destroy.
 * A changed content is an update in place.
 */
export class HostFile extends pulumi.ComponentResource {
  readonly path: string;
  /** SHA-256 of the content: for `rerunWhen` and the inventory. Not secret, so only for content that cannot be guessed. */
  readonly sha256: pulumi.Output<string>;
  readonly mode: string;

  constructor(name: string, args: HostFileArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:HostFile", name, {}, opts);
    this.path = args.path;
    this.mode = args.mode ?? "0644";
    const file = {
      path: args.path,
      mode: this.mode,
      owner: args.owner ?? "root:root",
      directoryMode: args.directoryMode ?? "0755",
      validate: args.validate,
      reload: args.reload,
    };
    const command = new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create: remoteCommand(renderHostFileCreate(file), 180),
        delete: remoteCommand(renderHostFileDelete(file), 180),
        stdin: args.content,
        // A new path is a replacement: the old path's delete must run with the old text, before the new file exists.
        triggers: [args.path],
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      { parent: this, deleteBeforeReplace: true, dependsOn: args.host.bootstrapped },
    );
    this.sha256 = pulumi.all([args.content, command.id]).apply(([content]) => sha256(content));
    args.host.inventory.addFile({
      path: this.path,
      mode: this.mode,
      sha256: pulumi.unsecret(pulumi.output(args.content).apply(sha256)),
    });
    this.registerOutputs({});
  }
}
