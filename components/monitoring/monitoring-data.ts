import * as pulumi from "@pulumi/pulumi";
import { monitoringDirectory } from "../../config/names.ts";
import { quote, script } from "../../lib/shell.ts";
import type { Host } from "../host/host.ts";
import { HostScript } from "../host/host-script.ts";

export interface MonitoringDataArgs {
  readonly host: Host;
  readonly service: "prometheus" | "alertmanager";
  /** uid:gid of the service inside its container. */
  readonly owner: string;
}

/** A directory for measurements of ours: removed on destroy, when its container is gone. Data of the suite never lies here. */
export class MonitoringData extends pulumi.ComponentResource {
  readonly path: string;

  constructor(name: string, args: MonitoringDataArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:MonitoringData", name, {}, opts);
    this.path = `${monitoringDirectory}/${args.service}`;
    new HostScript(
      `${name}-measurements`,
      {
        host: args.host,
        create: script(
          `directory=${quote(this.path)}`,
          'mkdir -p -m 0755 -- "$directory"',
          `chmod 0755 -- ${quote(monitoringDirectory)}`,
          `chown -- ${quote(args.owner)} "$directory"`,
          'chmod 0750 -- "$directory"',
        ),
        delete: script(
          `rm -rf -- ${quote(this.path)}`,
          `rmdir --parents --ignore-fail-on-non-empty -- ${quote(monitoringDirectory)} 2>/dev/null || :`,
        ),
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
