import { dirname } from "node:path/posix";
import * as pulumi from "@pulumi/pulumi";
import { quote, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";
import { HostFile } from "./host-file.ts";
import { HostScript } from "./host-script.ts";

export interface SystemdTimerArgs {
  readonly host: Host;
  /** Without suffix, for example im-health-check. */
  readonly unitName: string;
  readonly service: string;
  readonly timer: string;
  /** Files that the service itself writes: removed with it. Its log stays: it is history, and may be older than us. */
  readonly writes?: readonly string[];
  /** Hashes of the programs and files that the service uses: a change runs the service once. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
}

/** A service with its timer: written, checked by systemd itself, enabled, started. Destroy stops and removes both. */
export class SystemdTimer extends pulumi.ComponentResource {
  constructor(name: string, args: SystemdTimerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:SystemdTimer", name, {}, opts);
    const { host, unitName } = args;
    const directory = "/etc/systemd/system";
    const reload = ["systemctl", "daemon-reload"];
    const service = new HostFile(
      `${name}-service`,
      { host, path: `${directory}/${unitName}.service`, content: args.service, reload },
      { parent: this },
    );
    const timer = new HostFile(
      `${name}-timer`,
      { host, path: `${directory}/${unitName}.timer`, content: args.timer, reload },
      { parent: this, dependsOn: service },
    );
    new HostScript(
      `${name}-enabled`,
      {
        host,
        create: script(
          `unit=${quote(unitName)}`,
          // Written is not applied: systemd says what it makes of the two files. It knows the names only where they lie.
          'timeout 30 systemd-analyze verify "/etc/systemd/system/$unit.service" "/etc/systemd/system/$unit.timer" >&2',
          'timeout 30 systemctl enable --quiet "$unit.timer"',
          // restart: a changed OnCalendar counts only from then on.
          'timeout 30 systemctl restart "$unit.timer"',
          'timeout 30 systemctl is-active --quiet "$unit.timer"',
        ),
        delete: script(
          `unit=${quote(unitName)}`,
          'timeout 60 systemctl disable --quiet --now "$unit.timer" 2>/dev/null || :',
          'timeout 60 systemctl stop "$unit.service" 2>/dev/null || :',
          'timeout 30 systemctl reset-failed "$unit.service" "$unit.timer" 2>/dev/null || :',
          // The timer's stamp, where it keeps one.
          'rm -f -- "/var/lib/systemd/timers/stamp-$unit.timer"',
          ...(args.writes ?? []).flatMap((path) => [
            `rm -f -- ${quote(path)}`,
            `rmdir --parents --ignore-fail-on-non-empty -- ${quote(dirname(path))} 2>/dev/null || :`,
          ]),
        ),
        rerunWhen: [service.sha256, timer.sha256, ...(args.rerunWhen ?? [])],
      },
      { parent: this, dependsOn: [service, timer] },
    );
    host.inventory.addUnit(`${unitName}.timer`);
    this.registerOutputs({});
  }
}
