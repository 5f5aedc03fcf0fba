import * as pulumi from "@pulumi/pulumi";
import type { RotationKind } from "../../config/rotation.ts";
import type { Host } from "./host.ts";
import { HostScript } from "./host-script.ts";

/** How the rotation of one password or key ends. */
export interface RotationEnd {
  readonly kind: RotationKind;
  readonly generation: number;
  /** Promotes the new one and makes the old one refused. Idempotent; names the generation, so that a new one runs it. */
  readonly script: string;
  readonly timeoutSeconds?: number;
  readonly rerunWhen?: readonly pulumi.Input<string>[];
}

export interface RotationEndsArgs {
  readonly host: Host;
  readonly ends: readonly RotationEnd[];
  /** Everything that may use one of the passwords: all must be through with the new one before the old one is refused. */
  readonly after: readonly pulumi.Resource[];
}

/** The last step of every rotation on a server. */
export class RotationEnds extends pulumi.ComponentResource {
  /** Which generation is through: a stack output, by which `npm run rotate` knows what an interrupted run left. */
  readonly generations: Readonly<Partial<Record<RotationKind, pulumi.Output<number>>>>;

  constructor(name: string, args: RotationEndsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:RotationEnds", name, {}, opts);
    this.generations = Object.fromEntries(
      args.ends.map(({ kind, generation, script, timeoutSeconds, rerunWhen }) => {
        const end = new HostScript(
          `${name}-${kind}`,
          {
            host: args.host,
            create: script,
            ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
            rerunWhen: [String(generation), ...(rerunWhen ?? [])],
          },
          { parent: this, dependsOn: [...args.after] },
        );
        return [kind, pulumi.unsecret(end.stdout).apply(() => generation)];
      }),
    );
    this.registerOutputs({});
  }
}

/** A secret that is known only when the engine accepts it: who uses it starts after that. */
export function acceptedSecret(value: pulumi.Output<string>, accepted: HostScript): pulumi.Output<string> {
  return pulumi.secret(pulumi.all([value, accepted.stdout]).apply(([text]) => text));
}
