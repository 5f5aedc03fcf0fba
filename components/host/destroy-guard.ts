import * as pulumi from "@pulumi/pulumi";
import { quote, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";
import { HostScript } from "./host-script.ts";

export interface DestroyGuardArgs {
  readonly host: Host;
  /** Why a destroy is refused and what to type; undefined lets it pass. */
  readonly refusal: string | undefined;
  /** Everything else of the stack. */
  readonly guards: readonly pulumi.Resource[];
}

/**
 * Refuses a destroy before anything is touched. A destroy runs no program, only `delete` scripts, and `protect` alone stops it in the
 * middle: by then everything that is not protected is gone. This resource depends on all others, so its `delete` runs first.
 */
export class DestroyGuard extends pulumi.ComponentResource {
  constructor(name: string, args: DestroyGuardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:DestroyGuard", name, {}, opts);
    new HostScript(
      name,
      {
        host: args.host,
        create: script(":"),
        ...(args.refusal === undefined
          ? {}
          : { delete: script(`printf '%s\\n' ${quote(args.refusal)} >&2`, "exit 1") }),
      },
      { parent: this, dependsOn: [...args.guards] },
    );
    this.registerOutputs({});
  }
}
