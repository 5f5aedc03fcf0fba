import * as pulumi from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";

export interface ControllerProgramArgs {
  readonly host: Host;
  /** Hashes of the files that it reads at its start. */
  readonly rerunWhen: readonly pulumi.Input<string>[];
}

/** The controller's program with its own Node, `im-ha`, and the unit. */
export class ControllerProgram extends pulumi.ComponentResource {
  constructor(name: string, _args: ControllerProgramArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:ControllerProgram", name, {}, opts);
    this.registerOutputs({});
  }
}
