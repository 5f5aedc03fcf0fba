import * as pulumi from "@pulumi/pulumi";
import { credentialsDirectory } from "../../config/names.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";

export interface MysqlRootLoginArgs {
  readonly host: Host;
  readonly password: pulumi.Input<string>;
}

/**
 * root's login on the server, in a 0600 file. `delete` scripts run long after, from state, and must not carry a
 * password in their text: they read this file.
 */
export class MysqlRootLogin extends pulumi.ComponentResource {
  readonly optionFile: HostFile;

  constructor(name: string, args: MysqlRootLoginArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:mysql:MysqlRootLogin", name, {}, opts);
    this.optionFile = new HostFile(
      `${name}-file`,
      {
        host: args.host,
        path: `${credentialsDirectory}/mysql-root.cnf`,
        content: pulumi.output(args.password).apply((password) => renderMysqlOptionFile({ user: "root", password })),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
