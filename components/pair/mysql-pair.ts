import * as pulumi from "@pulumi/pulumi";
import { failoverAccounts } from "../../config/failover.ts";
import { script } from "../../lib/shell.ts";
import {
  type MysqlOnServer,
  renderBootAsBefore,
  renderBootReadOnly,
  renderMysqlSettings,
  renderPairAccounts,
  renderPreparePrimary,
  renderPrepareReplica,
  renderUndoPrimary,
} from "../../templates/pair/mysql-preparation.ts";
import type { Host } from "../host/host.ts";
import { HostScript } from "../host/host-script.ts";

const pairAccounts = [`${failoverAccounts.mysql}@%`, `${failoverAccounts.replication}@%`];

export interface PreparedPrimaryArgs {
  readonly host: Host;
  readonly mysql: MysqlOnServer;
  /** Hashes of the files with the accounts' passwords. */
  readonly rerunWhen: readonly pulumi.Input<string>[];
}

/** Server A's MySQL made ready to have a replica, online; destroy puts it back as it was. */
export class PreparedPrimary extends pulumi.ComponentResource {
  /** What server B's MySQL must have as A has it: lines of an option file. */
  readonly settings: pulumi.Output<string>;

  constructor(name: string, args: PreparedPrimaryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:PreparedPrimary", name, {}, opts);
    const { host, mysql } = args;
    const prepared = new HostScript(
      `${name}-variables`,
      { host, create: renderPreparePrimary(mysql), delete: renderUndoPrimary(mysql), timeoutSeconds: 240 },
      { parent: this },
    );
    new HostScript(
      `${name}-accounts`,
      { host, create: renderPairAccounts(mysql), rerunWhen: args.rerunWhen },
      { parent: this, dependsOn: prepared },
    );
    for (const account of pairAccounts) host.inventory.addMysqlAccount(account);
    this.settings = new HostScript(
      `${name}-settings`,
      { host, create: renderMysqlSettings(mysql) },
      { parent: this, dependsOn: prepared },
    ).stdout;
    this.registerOutputs({});
  }
}

export interface PreparedReplicaArgs {
  readonly host: Host;
  readonly mysql: MysqlOnServer;
  readonly rerunWhen: readonly pulumi.Input<string>[];
}

/** Server B's empty MySQL made ready to be cloned into. */
export class PreparedReplica extends pulumi.ComponentResource {
  constructor(name: string, args: PreparedReplicaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:PreparedReplica", name, {}, opts);
    new HostScript(
      `${name}-empty`,
      {
        host: args.host,
        create: renderPrepareReplica(args.mysql),
        rerunWhen: args.rerunWhen,
        timeoutSeconds: 180,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

export interface PairAccountsArgs {
  readonly host: Host;
  readonly mysql: MysqlOnServer;
  readonly rerunWhen: readonly pulumi.Input<string>[];
}

/** The pair's accounts as server B sees to them: it writes them while it leads. */
export class PairAccounts extends pulumi.ComponentResource {
  constructor(name: string, args: PairAccountsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:PairAccounts", name, {}, opts);
    new HostScript(
      `${name}-arrived`,
      { host: args.host, create: renderPairAccounts(args.mysql), rerunWhen: args.rerunWhen },
      { parent: this },
    );
    for (const account of pairAccounts) args.host.inventory.addMysqlAccount(account);
    this.registerOutputs({});
  }
}

export interface BootsReadOnlyArgs {
  readonly host: Host;
  readonly mysql: MysqlOnServer;
}

/** From here on this MySQL boots closed and the controller opens it; in a destroy this is taken back before the controller goes. */
export class BootsReadOnly extends pulumi.ComponentResource {
  constructor(name: string, args: BootsReadOnlyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:BootsReadOnly", name, {}, opts);
    new HostScript(
      `${name}-persisted`,
      { host: args.host, create: renderBootReadOnly(args.mysql), delete: renderBootAsBefore(args.mysql) },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

export interface PairEndArgs {
  readonly host: Host;
  readonly leave: string;
}

/** Runs only in a destroy, before the controller of this server stops. */
export class PairEnd extends pulumi.ComponentResource {
  constructor(name: string, args: PairEndArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:PairEnd", name, {}, opts);
    new HostScript(`${name}-leaves`, { host: args.host, create: script(":"), delete: args.leave }, { parent: this });
    this.registerOutputs({});
  }
}
