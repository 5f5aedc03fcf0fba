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
  /** Travels on stdin. Readable in the preview's diff unless `secret`. */
  readonly content: pulumi.Input<string>;
  /** The content is marked secret, the default mode becomes 0600, and the inventory keeps no hash of it. */
  readonly secret?: boolean;
  /** Octal. Default 0644, or 0600 when secret. */
  readonly mode?: `0${string}`;
  /** user:group, by name or number. Default root:root. */
  readonly owner?: string;
  /** Octal mode of the file's directory when it is missing; its missing parents get 0755. Default 0755. */
  readonly directoryMode?: `0${string}`;
  /**
   * The directory is another resource's: it stays when this was its last file. For one that a container mounts, which could not be made
   * anew without it.
   */
  readonly keepDirectory?: boolean;
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
  /** SHA-256 of the content, known after it was written: for `rerunWhen` and config hashes. Secret when the content is. */
  readonly sha256: pulumi.Output<string>;
  readonly mode: string;

  constructor(name: string, args: HostFileArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:HostFile", name, {}, opts);
    this.path = args.path;
    this.mode = args.mode ?? (args.secret ? "0600" : "0644");
    const content = args.secret ? pulumi.secret(args.content) : pulumi.output(args.content);
    const file = {
      path: args.path,
      mode: this.mode,
      owner: args.owner ?? "root:root",
      directoryMode: args.directoryMode ?? "0755",
      keepDirectory: args.keepDirectory,
      validate: args.validate,
      reload: args.reload,
    };
    const command = new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create: remoteCommand(renderHostFileCreate(file), 180),
        delete: remoteCommand(renderHostFileDelete(file), 180),
        stdin: content,
        // A new path is a replacement: the old path's delete must run with the old text, before the new file exists.
        triggers: [args.path],
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      { parent: this, deleteBeforeReplace: true, dependsOn: args.host.bootstrapped },
    );
    this.sha256 = pulumi.all([content, command.id]).apply(([text]) => sha256(text));
    args.host.inventory.addFile({
      path: this.path,
      mode: this.mode,
      owner: file.owner,
      ...(args.secret ? {} : { sha256: content.apply(sha256) }),
    });
    this.registerOutputs({});
  }
}
