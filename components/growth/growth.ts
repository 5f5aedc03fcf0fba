import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { credentialsDirectory, mysqlAccounts, programDirectory } from "../../config/names.ts";
import type { GrowthConfiguration } from "../../config/schema.ts";
import { script } from "../../lib/shell.ts";
import {
  growthMetrics,
  renderGrowthAccount,
  renderGrowthProgram,
  renderGrowthService,
  renderGrowthTimer,
} from "../../templates/growth.ts";
import { renderDropAccounts } from "../../templates/mysql-accounts.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { SystemdTimer } from "../host/systemd-timer.ts";

export interface GrowthArgs {
  readonly host: Host;
  /** The MySQL container. */
  readonly container: string;
  /** root's login, already on the server: `delete` needs it long after. */
  readonly rootOptionFile: HostFile;
  /** Schema with the tables. */
  readonly database: string;
  readonly growth: GrowthConfiguration;
  /** Runs again when the container changes. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
  /** im:rotation.monitoring. Raised, the account gets a new password; the old one is refused at once, the next count uses the new one. */
  readonly generation: number;
}

const account = `${mysqlAccounts.growth}@localhost`;

/** Counts users and messages every hour, by an account of its own that may read the named tables only. */
export class Growth extends pulumi.ComponentResource {
  /** Password of im_growth. */
  readonly password: pulumi.Output<string>;

  constructor(name: string, args: GrowthArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:growth:Growth", name, {}, opts);
    const { host, container, rootOptionFile, database, growth, generation } = args;
    // The first generation without keepers, as the other monitoring accounts.
    const keepers = generation === 1 ? {} : { keepers: { generation: String(generation) } };
    const generated = new random.RandomPassword(
      `${name}-password`,
      { length: 32, special: false, ...keepers },
      { parent: this },
    );
    this.password = generated.result;
    const created = new HostScript(
      `${name}-account`,
      {
        host,
        create: renderGrowthAccount(container, rootOptionFile.path, database, growth.tables),
        delete: renderDropAccounts(container, rootOptionFile.path, [account]),
        stdin: pulumi.interpolate`${generated.result}\n`,
        rerunWhen: args.rerunWhen ?? [],
      },
      { parent: this, dependsOn: rootOptionFile },
    );
    host.inventory.addMysqlAccount(account);
    const credentials = new HostFile(
      `${name}-credentials`,
      {
        host,
        path: `${credentialsDirectory}/growth-mysql.cnf`,
        content: generated.result.apply((password) => renderMysqlOptionFile({ user: mysqlAccounts.growth, password })),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this, dependsOn: created },
    );
    const program = new HostFile(
      `${name}-program`,
      {
        host,
        path: `${programDirectory}/im-growth`,
        mode: "0755",
        content: renderGrowthProgram({
          container,
          optionFile: credentials.path,
          database,
          queries: growth.queries,
        }),
        validate: ["bash", "-n"],
      },
      { parent: this, dependsOn: credentials },
    );
    const timer = new SystemdTimer(
      name,
      {
        host,
        unitName: "im-growth",
        service: renderGrowthService(program.path),
        timer: renderGrowthTimer(),
        writes: [growthMetrics, `${growthMetrics}.partial`],
      },
      { parent: this, dependsOn: program },
    );
    new HostScript(
      `${name}-first-count`,
      {
        host,
        // At once, not within the hour: whoever changed a query wants to see whether it is right.
        create: script("timeout 250 systemctl start im-growth.service"),
        timeoutSeconds: 260,
        rerunWhen: [program.sha256, credentials.sha256],
      },
      { parent: this, dependsOn: timer },
    );
    this.registerOutputs({});
  }
}
