import * as pulumi from "@pulumi/pulumi";
import { pairPaths, pairUnits } from "../../config/pair-names.ts";
import { type KeepalivedOptions, renderKeepalivedConfig, renderLeaderCheck } from "../../templates/pair/keepalived.ts";
import { renderKeepalivedUnit } from "../../templates/pair/units.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { SystemdService } from "../host/systemd-service.ts";

export interface VirtualIpArgs extends KeepalivedOptions {
  readonly host: Host;
}

/** The virtual IP on one data server: keepalived, which follows the controller's deadline. */
export class VirtualIp extends pulumi.ComponentResource {
  constructor(name: string, args: VirtualIpArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:VirtualIp", name, {}, opts);
    const { host, ...options } = args;
    const check = new HostFile(
      `${name}-leader-check`,
      { host, path: pairPaths.leaderCheck, mode: "0755", content: renderLeaderCheck(), validate: ["bash", "-n"] },
      { parent: this },
    );
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: pairPaths.keepalived,
        content: renderKeepalivedConfig(options),
        // With the check in place: keepalived refuses a script that is not there.
        validate: ["keepalived", "--config-test", "--use-file"],
      },
      { parent: this, dependsOn: check },
    );
    new SystemdService(
      name,
      {
        host,
        unitName: pairUnits.keepalived,
        unit: renderKeepalivedUnit(),
        rerunWhen: [configuration.sha256, check.sha256],
        onChange: "reload",
      },
      { parent: this, dependsOn: configuration },
    );
    this.registerOutputs({});
  }
}
