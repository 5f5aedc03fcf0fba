import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { mysqlAccounts } from "../../config/names.ts";
import { renderDropAccounts, renderMonitoringAccounts } from "../../templates/mysql-accounts.ts";
import type { Host } from "../host/host.ts";
import type { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";

export interface MysqlAccountsArgs {
  readonly host: Host;
  /** The MySQL container. */
  readonly container: string;
  /** The option file with root's credentials, already on the server: `delete` needs it long after. */
  readonly rootOptionFile: HostFile;
  /** Runs again when the container changes. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
}

/** The accounts that monitoring needs, with the least privileges, each with a generated password. */
export class MysqlAccounts extends pulumi.ComponentResource {
  readonly exporterPassword: pulumi.Output<string>;
  readonly healthPassword: pulumi.Output<string>;

  constructor(name: string, args: MysqlAccountsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:mysql:MysqlAccounts", name, {}, opts);
    const password = (account: string) =>
      new random.RandomPassword(`${name}-${account}-password`, { length: 32, special: false }, { parent: this }).result;
    const exporter = password("exporter");
    const health = password("health");
    const accounts = new HostScript(
      `${name}-accounts`,
      {
        host: args.host,
        create: renderMonitoringAccounts(args.container, args.rootOptionFile.path),
        delete: renderDropAccounts(args.container, args.rootOptionFile.path, monitoringAccounts),
        // Two lines, read one by one: passwords reach the script only here.
        stdin: pulumi.interpolate`${exporter}\n${health}\n`,
        rerunWhen: args.rerunWhen ?? [],
      },
      { parent: this, dependsOn: args.rootOptionFile },
    );
    for (const account of monitoringAccounts) args.host.inventory.addMysqlAccount(account);
    // Known only once the account exists: who uses the password starts after it.
    const afterwards = (value: pulumi.Output<string>) => pulumi.all([value, accounts.stdout]).apply(([text]) => text);
    this.exporterPassword = pulumi.secret(afterwards(exporter));
    this.healthPassword = pulumi.secret(afterwards(health));
    this.registerOutputs({});
  }
}

const monitoringAccounts = [`${mysqlAccounts.exporter}@%`, `${mysqlAccounts.health}@localhost`];
