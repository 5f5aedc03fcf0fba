import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers, createOnceFiles } from "../../config/names.ts";
import { renderRedisConfig } from "../../templates/redis-config.ts";
import {
  renderAcceptRedisPassword,
  renderEndRedisRotation,
  renderRedisPasswordFile,
  renderRemoveRedisPasswordFile,
} from "../../templates/rotation/redis-password.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";

export interface RedisServerArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly network: docker.Network;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  readonly protect: boolean;
  /** im:rotation.redis. Raised, Redis gets a new password without a restart. */
  readonly generation: number;
}

const user = "999:999";
/** As the container sees the folder of its configuration. */
const folderInContainer = "/usr/local/etc/redis";

/** The Redis of a created suite: password, append-only file, data in a host directory. */
export class RedisServer extends pulumi.ComponentResource {
  readonly password: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: RedisServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:redis:RedisServer", name, {}, opts);
    const { host, generation } = args;
    const fileName = createOnceFiles.redis.password;
    const password = new CreateOnceSecret(
      `${name}-password`,
      { host, fileName, length: 32, generation },
      { parent: this },
    );
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${configurationDirectory}/redis/redis.conf`,
        content: renderRedisConfig({ passwordFile: `${folderInContainer}/password.conf`, memoryMiB: args.memoryMiB }),
      },
      { parent: this },
    );
    const redis = {
      container: createdContainers.redis,
      fileName,
      passwordFile: `${configurationDirectory}/redis/password.conf`,
      owner: user,
    };
    // Not a HostFile: in a rotation its content goes through three states within one `up`.
    const passwordFile = new HostScript(
      `${name}-password-file`,
      {
        host,
        create: renderRedisPasswordFile(redis),
        delete: renderRemoveRedisPasswordFile(redis),
        rerunWhen: [String(generation)],
      },
      { parent: this, dependsOn: [configuration, password] },
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
        ports: [{ address: "127.0.0.1", host: args.port, container: 6379 }],
        command: ["redis-server", `${folderInContainer}/redis.conf`],
        mounts: [
          { source: data.path, target: "/data", readOnly: false },
          { source: `${configurationDirectory}/redis`, target: folderInContainer, readOnly: true },
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
      { parent: this, dependsOn: [data, configuration, passwordFile] },
    );
    const answers = new HealthGate(
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
    const accepted = new HostScript(
      `${name}-accepts-password`,
      { host, create: renderAcceptRedisPassword(redis), rerunWhen: [container.containerId, String(generation)] },
      { parent: this, dependsOn: answers },
    );
    this.password = acceptedSecret(password.value, accepted);
    this.rotationEnd = { kind: "redis", generation, script: renderEndRedisRotation(redis, generation) };
    this.registerOutputs({});
  }
}
