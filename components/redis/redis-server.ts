import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { configurationDirectory, createdContainers } from "../../config/names.ts";
import { renderRedisConfig } from "../../templates/redis-config.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface RedisServerArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly network: docker.Network;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  readonly protect: boolean;
}

/** The Redis of a created suite: password, append-only file, data in a host directory. */
export class RedisServer extends pulumi.ComponentResource {
  readonly password: pulumi.Output<string>;

  constructor(name: string, args: RedisServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:redis:RedisServer", name, {}, opts);
    const { host } = args;
    const candidate = new random.RandomPassword(`${name}-candidate`, { length: 32, special: false }, { parent: this });
    const password = new CreateOnceSecret(
      `${name}-password`,
      { host, fileName: "redis-password", candidate: candidate.result },
      { parent: this },
    );
    this.password = password.value;
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${configurationDirectory}/redis/redis.conf`,
        content: password.value.apply((text) => renderRedisConfig({ password: text, memoryMiB: args.memoryMiB })),
        secret: true,
        mode: "0400",
        owner: "999:999",
      },
      { parent: this },
    );
    const data = new DataDirectory(`${name}-data`, { host, service: "redis", owner: "999:999" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.redis,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [{ address: "127.0.0.1", host: args.port, container: 6379 }],
        command: ["redis-server", "/usr/local/etc/redis/redis.conf"],
        mounts: [
          { source: data.path, target: "/data", readOnly: false },
          { source: `${configurationDirectory}/redis`, target: "/usr/local/etc/redis", readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        // NOAUTH is an answer too: the health check needs no password.
        health: {
          test: ["sh", "-c", "redis-cli ping | grep -qE 'PONG|NOAUTH'"],
          intervalSeconds: 10,
          retries: 3,
          startPeriodSeconds: 60,
        },
        stopGraceSeconds: 60,
        configurationHashes: [configuration.sha256],
        protect: args.protect,
      },
      { parent: this, dependsOn: [data, configuration] },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.redis,
        check: `docker exec ${createdContainers.redis} redis-cli ping | grep -qE 'PONG|NOAUTH'`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
