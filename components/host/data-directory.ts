import * as pulumi from "@pulumi/pulumi";
import { dataDirectory } from "../../config/names.ts";
import { quote, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";
import { HostScript } from "./host-script.ts";

export interface DataDirectoryArgs {
  readonly host: Host;
  /** Folder under the data directory. */
  readonly service: string;
  /** uid:gid of the image's user. */
  readonly owner: string;
}

/** A service's data on the server. There is no `delete`: no replace and no destroy can remove data. */
export class DataDirectory extends pulumi.ComponentResource {
  readonly path: string;

  constructor(name: string, args: DataDirectoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:DataDirectory", name, {}, opts);
    this.path = `${dataDirectory}/${args.service}`;
    new HostScript(
      `${name}-directory`,
      {
        host: args.host,
        create: script(
          `directory=${quote(this.path)}`,
          'mkdir -p -m 0755 -- "$directory"',
          // Only the directory itself: what is in it belongs to the database.
          `chown -- ${quote(args.owner)} "$directory"`,
          'chmod 0750 -- "$directory"',
        ),
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
