import * as pulumi from "@pulumi/pulumi";
import { quote, script } from "../../lib/shell.ts";
import type { Host } from "./host.ts";
import { HostFile } from "./host-file.ts";
import { HostScript } from "./host-script.ts";

export interface SystemdServiceArgs {
  readonly host: Host;
  /** With its suffix, for example im-haproxy.service. */
  readonly unitName: string;
  readonly unit: string;
  /** Hashes of the files that it reads. A change reloads it, or restarts it where it cannot reload. */
  readonly rerunWhen?: readonly pulumi.Input<string>[];
  readonly onChange: "reload" | "restart";
}

/** A systemd service of ours that always runs: written, enabled, started, and running a moment later. Destroy stops and removes it. */
export class SystemdService extends pulumi.ComponentResource {
  constructor(name: string, args: SystemdServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:SystemdService", name, {}, opts);
    const { host, unitName } = args;
    const unit = new HostFile(
      `${name}-unit`,
      {
        host,
        path: `/etc/systemd/system/${unitName}`,
        content: args.unit,
        reload: ["systemctl", "daemon-reload"],
      },
      { parent: this },
    );
    new HostScript(
      `${name}-runs`,
      {
        host,
        create: script(
          `unit=${quote(unitName)}`,
          'timeout 30 systemd-analyze verify "/etc/systemd/system/$unit" >&2',
          'timeout 30 systemctl enable --quiet "$unit"',
          // A unit that does not run is started; `reload` alone would fail then.
          `timeout 90 systemctl ${args.onChange === "reload" ? "reload-or-restart" : "restart"} "$unit"`,
          // One that dies at once is restarted by systemd and looks active in between.
          "sleep 2",
          'if ! timeout 30 systemctl is-active --quiet "$unit"; then timeout 30 journalctl --unit "$unit" --lines 10 --no-pager >&2; exit 1; fi',
        ),
        delete: script(
          `unit=${quote(unitName)}`,
          'timeout 90 systemctl disable --quiet --now "$unit" 2>/dev/null || :',
          'timeout 30 systemctl reset-failed "$unit" 2>/dev/null || :',
        ),
        rerunWhen: [unit.sha256, ...(args.rerunWhen ?? [])],
      },
      { parent: this, dependsOn: unit },
    );
    host.inventory.addUnit(unitName);
    this.registerOutputs({});
  }
}
