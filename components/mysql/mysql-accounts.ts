import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { mysqlAccounts } from "../../config/names.ts";
import { shortHash } from "../../lib/hash.ts";
import {
  renderDropAccounts,
  renderEndMonitoringRotation,
  renderMonitoringAccounts,
} from "../../templates/mysql-accounts.ts";
import type { Host } from "../host/host.ts";
import type { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";

export interface MysqlAccountsArgs {
  readonly host: Host;
  /** The MySQL container. */
  readonly container: string;
  /** The option file with root's credentials, already on the server: `delete` needs it long after. */
  readonly rootOptionFile: HostFile;
  /** Runs again when the container changes. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
  /** im:rotation.monitoring. Raised, both accounts get new passwords. */
  readonly generation: number;
}

/** The accounts that monitoring needs, with the least privileges, each with a generated password. */
export class MysqlAccounts extends pulumi.ComponentResource {
  readonly exporterPassword: pulumi.Output<string>;
  readonly healthPassword: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: MysqlAccountsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:mysql:MysqlAccounts", name, {}, opts);
    const { generation } = args;
    // The first generation without keepers: a stack from before there were rotations must not change.
    const keepers = generation === 1 ? {} : { keepers: { generation: String(generation) } };
    const password = (account: string) =>
      new random.RandomPassword(
        `${name}-${account}-password`,
        { length: 32, special: false, ...keepers },
        { parent: this },
      ).result;
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
    this.exporterPassword = acceptedSecret(exporter, accounts);
    this.healthPassword = acceptedSecret(health, accounts);
    this.rotationEnd = {
      kind: "monitoring",
      generation,
      script: renderEndMonitoringRotation(args.container, args.rootOptionFile.path),
      // The script says when a password was changed last: also by a repair, which leaves an old one beside the new one.
      rerunWhen: [pulumi.unsecret(accounts.stdout).apply(shortHash)],
    };
    this.registerOutputs({});
  }
}

const monitoringAccounts = [`${mysqlAccounts.exporter}@%`, `${mysqlAccounts.health}@localhost`];
