import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { remoteCommand, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";

export interface HealthGateArgs {
  readonly host: Host;
  /** One line of shell that exits 0 when the thing is healthy. It is tried until then. Bounded by 10 s a try. */
  readonly check: string;
  /** What is waited for, in words: named in the error. Without quotes. */
  readonly what: string;
  /** Longest wait in seconds. */
  readonly timeoutSeconds: number;
  /** The gate is passed again when one of these changes: container ids, hashes. */
  readonly triggers: readonly pulumi.Input<string>[];
}

/**
 * Health as a resource: what depends on it starts only when the thing really answers. Never a sleep, and not docker's
 * own `wait`, which checks once and turns green at the next `up` without a look.
 */
export class HealthGate extends pulumi.ComponentResource {
  constructor(name: string, args: HealthGateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:HealthGate", name, {}, opts);
    const text = script(
      `check() {\n${args.check}\n}`,
      "export -f check",
      `deadline=$((SECONDS + ${args.timeoutSeconds}))`,
      "until answer=$(timeout 10 bash -c check 2>&1); do",
      '  if [ "$SECONDS" -ge "$deadline" ]; then',
      `    echo ${JSON.stringify(`${args.what}: not healthy after ${args.timeoutSeconds} s. Last answer:`)} >&2`,
      '    printf "%s\\n" "$answer" | tail -n 3 >&2',
      "    exit 1",
      "  fi",
      "  sleep 0.5",
      "done",
    );
    new remote.Command(
      `${name}-command`,
      {
        connection: args.host.connection,
        create: remoteCommand(text, args.timeoutSeconds + 30),
        triggers: [...args.triggers],
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      { parent: this, dependsOn: args.host.bootstrapped },
    );
    this.registerOutputs({});
  }
}
