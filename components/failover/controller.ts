import * as pulumi from "@pulumi/pulumi";
import { failoverCredentials, failoverPaths } from "../../config/failover.ts";
import type { NodeArchitecture } from "../../config/node-runtime.ts";
import { type AgentFileOptions, renderAgentFile } from "../../templates/pair/agent-file.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import type { Certificate } from "./certificates.ts";
import { ControllerProgram } from "./controller-program.ts";

/** Secrets of the controllers; the same on both servers. */
export interface ControllerSecrets {
  readonly mysql: pulumi.Input<string>;
  readonly replication: pulumi.Input<string>;
  readonly redis: pulumi.Input<string> | undefined;
  readonly token: pulumi.Input<string>;
}

export interface ControllerFilesArgs {
  readonly host: Host;
  readonly certificate: Certificate;
  readonly secrets: ControllerSecrets;
}

/** What the controller and the scripts that prepare MySQL read: certificates and passwords, one secret a file. */
export class ControllerFiles extends pulumi.ComponentResource {
  readonly hashes: readonly pulumi.Output<string>[];

  constructor(name: string, args: ControllerFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:ControllerFiles", name, {}, opts);
    const { host, certificate, secrets } = args;
    const file = (part: string, path: string, content: pulumi.Input<string>, secret: boolean) =>
      new HostFile(
        `${name}-${part}`,
        { host, path, content, secret, ...(secret ? { mode: "0400", directoryMode: "0700" } : {}) },
        { parent: this },
      );
    const files = [
      file("authority", failoverPaths.certificateAuthority, certificate.authority, false),
      file("certificate", failoverPaths.certificate, certificate.certificate, false),
      // Beside the certificates, whose folder others may enter.
      new HostFile(
        `${name}-key`,
        { host, path: failoverPaths.key, content: certificate.key, secret: true, mode: "0400" },
        { parent: this },
      ),
      file("mysql-password", failoverCredentials.mysql, secrets.mysql, true),
      file("replication-password", failoverCredentials.replication, secrets.replication, true),
      ...(secrets.redis === undefined ? [] : [file("redis-password", failoverCredentials.redis, secrets.redis, true)]),
      file("token", failoverCredentials.token, secrets.token, true),
    ];
    this.hashes = files.map((one) => one.sha256);
    this.registerOutputs({});
  }
}

export interface ControllerArgs {
  readonly host: Host;
  readonly files: ControllerFiles;
  readonly agent: AgentFileOptions;
  readonly architecture: NodeArchitecture;
}

/** The failover controller of one data server: its configuration, its program and its unit. */
export class Controller extends pulumi.ComponentResource {
  constructor(name: string, args: ControllerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:Controller", name, {}, opts);
    const configuration = new HostFile(
      `${name}-configuration`,
      { host: args.host, path: failoverPaths.configuration, content: renderAgentFile(args.agent) },
      { parent: this, dependsOn: args.files },
    );
    new ControllerProgram(
      `${name}-program`,
      {
        host: args.host,
        rerunWhen: [configuration.sha256, ...args.files.hashes],
        architecture: args.architecture,
      },
      { parent: this, dependsOn: configuration },
    );
    this.registerOutputs({});
  }
}
