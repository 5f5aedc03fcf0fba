import * as pulumi from "@pulumi/pulumi";
import { pairPaths, pairUnits } from "../../config/pair-names.ts";
import { renderFirewall } from "../../templates/pair/firewall.ts";
import { renderFirewallUnit } from "../../templates/pair/units.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { SystemdService } from "../host/systemd-service.ts";

export interface PairFirewallArgs {
  readonly host: Host;
  readonly peers: readonly string[];
  readonly ports: readonly number[];
}

/** The allow-list of the ports between the servers, in a table of our own. It is there before anything listens. */
export class PairFirewall extends pulumi.ComponentResource {
  constructor(name: string, args: PairFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:balancer:PairFirewall", name, {}, opts);
    const { host } = args;
    const rules = new HostFile(
      `${name}-rules`,
      {
        host,
        path: pairPaths.firewall,
        content: renderFirewall({ peers: args.peers, ports: args.ports }),
        validate: ["nft", "--check", "--file"],
      },
      { parent: this },
    );
    new SystemdService(
      name,
      {
        host,
        unitName: pairUnits.firewall,
        unit: renderFirewallUnit(),
        rerunWhen: [rules.sha256],
        onChange: "reload",
      },
      { parent: this, dependsOn: rules },
    );
    this.registerOutputs({});
  }
}
