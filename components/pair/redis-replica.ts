import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers } from "../../config/names.ts";
import { renderRedisReplicaConfig, renderRedisReplicaPassword } from "../../templates/pair/redis-replica-config.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface RedisReplicaArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  readonly alias: string;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  readonly password: pulumi.Input<string>;
  /** Its container is not replaced by a change of the configuration. */
  readonly keep: boolean;
}

const user = "999:999";
const folderInContainer = "/usr/local/etc/redis";

/** The Redis of server B. Whose replica it is, or that it leads, is said by the controller at every start. */
export class RedisReplica extends pulumi.ComponentResource {
  constructor(name: string, args: RedisReplicaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:RedisReplica", name, {}, opts);
    const { host } = args;
    const folder = `${configurationDirectory}/redis`;
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${folder}/redis.conf`,
        content: renderRedisReplicaConfig({
          passwordFile: `${folderInContainer}/password.conf`,
          memoryMiB: args.memoryMiB,
        }),
      },
      { parent: this },
    );
    const password = new HostFile(
      `${name}-password-file`,
      {
        host,
        path: `${folder}/password.conf`,
        content: pulumi.output(args.password).apply(renderRedisReplicaPassword),
        secret: true,
        mode: "0400",
        owner: user,
      },
      { parent: this },
    );
    const data = new DataDirectory(`${name}-data`, { host, service: "redis", owner: user }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.redis,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        aliases: [args.alias],
        ports: [{ address: "127.0.0.1", host: args.port, container: 6379 }],
        command: ["redis-server", `${folderInContainer}/redis.conf`],
        mounts: [
          { source: data.path, target: "/data", readOnly: false },
          { source: folder, target: folderInContainer, readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        // "Ask my leader" is an answer too: a replica that has none yet runs well.
        health: {
          test: ["sh", "-c", "redis-cli ping | grep -qE 'PONG|NOAUTH|MASTERDOWN'"],
          intervalSeconds: 10,
          retries: 3,
          startPeriodSeconds: 60,
        },
        stopGraceSeconds: 60,
        configurationHashes: [configuration.sha256],
        keep: args.keep,
      },
      { parent: this, dependsOn: [data, configuration, password] },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.redis,
        check: `docker exec ${createdContainers.redis} redis-cli ping | grep -qE 'PONG|NOAUTH|MASTERDOWN'`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
