import * as pulumi from "@pulumi/pulumi";
import { script } from "../../lib/shell.ts";
import { renderGuardDelete } from "../../templates/pair/controller-commands.ts";
import type { Host } from "../host/host.ts";
import { HostScript } from "../host/host-script.ts";

export interface PairGuardArgs {
  /** Server A: what is left after a destroy. */
  readonly host: Host;
  /** Files that a later stage puts on server A. */
  readonly laterStage: readonly string[];
  /** Everything else of the stack. */
  readonly guards: readonly pulumi.Resource[];
}

/** Refuses a destroy while server B leads or a later stage exists. It depends on all others, so it is deleted before anything is touched. */
export class PairGuard extends pulumi.ComponentResource {
  constructor(name: string, args: PairGuardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:PairGuard", name, {}, opts);
    new HostScript(
      name,
      { host: args.host, create: script(":"), delete: renderGuardDelete(args.laterStage) },
      { parent: this, dependsOn: [...args.guards] },
    );
    this.registerOutputs({});
  }
}
