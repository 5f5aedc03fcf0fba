import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { failoverPaths, failoverUnit } from "../../config/failover.ts";
import { programDirectory } from "../../config/names.ts";
import type { NodeArchitecture } from "../../config/node-runtime.ts";
import { quote, script } from "../../lib/shell.ts";
import {
  controllerFiles,
  renderCommand,
  renderControllerUnit,
  renderInstallController,
  renderRemoveController,
  renderStartController,
  renderStopController,
} from "../../templates/failover/controller-program.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { bundleController, fetchNode } from "./program-files.ts";

export interface ControllerProgramArgs {
  readonly host: Host;
  /** Hashes of the files that it reads at its start. */
  readonly rerunWhen: readonly pulumi.Input<string>[];
  /** Of the server. Default x64. */
  readonly architecture?: NodeArchitecture;
}

/** The controller's program with its own Node, `im-ha`, and the unit. A change restarts it; the lease outlives that. */
export class ControllerProgram extends pulumi.ComponentResource {
  constructor(name: string, args: ControllerProgramArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:ControllerProgram", name, {}, opts);
    const { host } = args;
    const program = pulumi.output(bundleController());
    const node = pulumi.output(fetchNode(args.architecture ?? "x64"));
    const files = program.apply((file) => controllerFiles(file.sha256));
    const folder = new HostScript(
      `${name}-folder`,
      { host, create: script(`mkdir -p -m 0755 -- ${quote(programDirectory)}`) },
      { parent: this },
    );
    // Assets: a state that held the texts of both would be a hundred times its size.
    const copy = (part: string, file: pulumi.Output<{ path: string }>, remotePath: pulumi.Output<string>) =>
      new remote.CopyToRemote(
        `${name}-${part}`,
        {
          connection: host.connection,
          source: file.apply(({ path }) => new pulumi.asset.FileAsset(path)),
          remotePath,
        },
        { parent: this, dependsOn: folder },
      );
    const copies = [copy("node", node, files.archive), copy("program", program, files.program)];
    const installed = new HostScript(
      `${name}-installed`,
      {
        host,
        create: pulumi
          .all([node, program])
          .apply(([archive, main]) => renderInstallController({ archive: archive.sha256, program: main.sha256 })),
        delete: renderRemoveController(),
      },
      { parent: this, dependsOn: copies },
    );
    const command = new HostFile(
      `${name}-command`,
      { host, path: failoverPaths.command, content: program.apply((file) => renderCommand(file.sha256)), mode: "0755" },
      { parent: this, dependsOn: installed },
    );
    const unit = new HostFile(
      `${name}-unit`,
      {
        host,
        path: `/etc/systemd/system/${failoverUnit}`,
        content: program.apply((file) => renderControllerUnit(file.sha256)),
        reload: ["systemctl", "daemon-reload"],
      },
      { parent: this, dependsOn: installed },
    );
    new HostScript(
      `${name}-runs`,
      {
        host,
        create: renderStartController(),
        delete: renderStopController(),
        rerunWhen: [unit.sha256, command.sha256, ...args.rerunWhen],
      },
      { parent: this, dependsOn: [unit, command] },
    );
    host.inventory.addUnit(failoverUnit);
    this.registerOutputs({});
  }
}
