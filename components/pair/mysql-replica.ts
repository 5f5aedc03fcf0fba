import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers } from "../../config/names.ts";
import { renderMysqlReplicaConfig } from "../../templates/pair/mysql-replica-config.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface MysqlReplicaArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  /** The name that the suite's other containers know it by on server A. */
  readonly alias: string;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  /** root's password on A: what a clone brings is the same. */
  readonly rootPassword: pulumi.Input<string>;
  /** Lines of an option file: what must be as on A. */
  readonly settings: pulumi.Input<string>;
  /** Its container is not replaced by a change of the configuration. */
  readonly keep: boolean;
}

/** The MySQL of server B: empty and read-only until its controller clones the leader. */
export class MysqlReplica extends pulumi.ComponentResource {
  readonly containerId: pulumi.Output<string>;

  constructor(name: string, args: MysqlReplicaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:MysqlReplica", name, {}, opts);
    const { host } = args;
    const secrets = `${configurationDirectory}/mysql-secrets`;
    const password = new HostFile(
      `${name}-root-password-file`,
      { host, path: `${secrets}/root-password`, content: args.rootPassword, secret: true, directoryMode: "0700" },
      { parent: this },
    );
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${configurationDirectory}/mysql/im-suite.cnf`,
        content: pulumi
          .output(args.settings)
          .apply((settings) => renderMysqlReplicaConfig({ memoryMiB: args.memoryMiB, settings })),
      },
      { parent: this },
    );
    const data = new DataDirectory(`${name}-data`, { host, service: "mysql", owner: "999:999" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.mysql,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        aliases: [args.alias],
        ports: [{ address: "127.0.0.1", host: args.port, container: 3306 }],
        environment: {
          MYSQL_ROOT_PASSWORD_FILE: "/run/im-suite/root-password",
          MYSQL_ROOT_HOST: "localhost",
          // mysqld is PID 1: with this it knows that somebody starts it again after a clone.
          MYSQLD_PARENT_PID: "0",
        },
        mounts: [
          { source: data.path, target: "/var/lib/mysql", readOnly: false },
          { source: `${configurationDirectory}/mysql`, target: "/etc/mysql/conf.d", readOnly: true },
          { source: secrets, target: "/run/im-suite", readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        health: {
          test: ["mysqladmin", "ping", "--host=127.0.0.1", "--silent"],
          intervalSeconds: 10,
          retries: 3,
          // A clone takes as long as the data is large, and a restart belongs to it.
          startPeriodSeconds: 120,
        },
        stopGraceSeconds: 120,
        // Neither the password nor the settings of A: a member of the pair is not replaced because A was tuned.
        keep: args.keep,
      },
      { parent: this, dependsOn: [data, configuration, password] },
    );
    this.containerId = container.containerId;
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.mysql,
        check: `docker exec ${createdContainers.mysql} mysqladmin ping --host=127.0.0.1 --protocol=tcp --silent`,
        timeoutSeconds: 180,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
