import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { stageLabel } from "../../config/names.ts";
import { shortHash } from "../../lib/hash.ts";
import { goDuration } from "../../lib/units.ts";
import type { CopiedService } from "../../templates/pair/copied-service.ts";
import type { Host } from "./host.ts";

export interface ContainerHealth {
  /** Words of a command inside the container; exit code 0 is healthy. */
  readonly test: readonly string[];
  readonly intervalSeconds: number;
  readonly retries: number;
  /** Failures in this time after the start do not count. */
  readonly startPeriodSeconds: number;
}

export interface ContainerMount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Every field but `memoryMiB` replaces the container when it changes, which restarts the service. */
export interface ManagedContainerArgs {
  readonly host: Host;
  /** The container's name on the server; a contract, see config/names.ts. */
  readonly containerName: string;
  /** Image reference, best with its digest. */
  readonly image: pulumi.Input<string>;
  readonly stage: number;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** Never a secret: the environment is readable by `docker inspect`. Secrets come as files in a mount. */
  readonly environment?: Readonly<Record<string, pulumi.Input<string>>>;
  /**
   * How server A's container runs, for its copy on server B: a secret, because an adopted image may know no other way than a password in its
   * environment.
   */
  readonly copied?: pulumi.Output<CopiedService>;
  readonly user?: string;
  /** Extra groups, so that any image's user can read a mounted secret. */
  readonly groups?: readonly string[];
  /** host: the container shares the server's network. Otherwise the networks it joins, by name. */
  readonly network: "host" | readonly pulumi.Input<string>[];
  /** Further names of the container in its networks. */
  readonly aliases?: readonly string[];
  readonly hostPid?: boolean;
  /** Published ports; the address is always explicit, because docker publishes past the firewall. */
  readonly ports?: readonly { readonly address: string; readonly host: number; readonly container: number }[];
  readonly mounts?: readonly ContainerMount[];
  readonly memoryMiB: number;
  readonly health?: ContainerHealth;
  /** Seconds between SIGTERM and SIGKILL whenever the container is stopped or replaced. 120 for a database. */
  readonly stopGraceSeconds: number;
  /** Hashes of mounted files that the program reads only at its start: a change replaces the container. */
  readonly configurationHashes?: readonly pulumi.Input<string>[];
  /** A replace or destroy of it is refused. */
  readonly protect?: boolean;
  /**
   * Nothing but its memory limit is changed on a container that runs: a replacement restarts it, and is planned only when this is taken away.
   * Unlike `protect` it does not refuse a destroy.
   */
  readonly keep?: boolean;
  /** Capabilities to add beyond none; all others are dropped. Undefined keeps Docker's default set. */
  readonly capabilities?: readonly string[];
}

/** Inputs whose change replaces a container. */
const replacing = [
  ...["image", "command", "entrypoints", "envs", "user", "groupAdds", "networkMode", "networksAdvanced", "pidMode"],
  ...["ports", "mounts", "healthcheck", "logDriver", "logOpts", "securityOpts", "capabilities", "labels"],
] as const;

/**
 * A container with the opinions that every container of ours has: restarts by itself, stops gracefully, has a memory limit, a
 * rotated log, a label that says whose it is, no new privileges.
 */
export class ManagedContainer extends pulumi.ComponentResource {
  readonly containerId: pulumi.Output<string>;

  constructor(name: string, args: ManagedContainerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:ManagedContainer", name, {}, opts);
    const image = new docker.RemoteImage(
      `${name}-image`,
      // keepLocally: a destroy must not remove an image that the operator's own containers use.
      { name: args.image, keepLocally: true },
      { parent: this, provider: args.host.docker, dependsOn: args.host.bootstrapped },
    );
    const health = args.health;
    const configurationHash = pulumi
      .all([...(args.configurationHashes ?? [])])
      // The provider accepts a changed health check and does not apply it: in the hash it replaces the container instead.
      .apply((hashes) => shortHash(JSON.stringify([hashes, health ?? null])));
    const container = new docker.Container(
      `${name}-container`,
      {
        name: args.containerName,
        image: image.imageId,
        ...(args.command === undefined ? {} : { command: [...args.command] }),
        ...(args.copied === undefined
          ? {}
          : {
              command: args.copied.apply(({ command }) => [...command]),
              entrypoints: args.copied.apply(({ entrypoint }) => [...entrypoint]),
            }),
        ...(args.entrypoint === undefined ? {} : { entrypoints: [...args.entrypoint] }),
        envs: environmentOf(args),
        ...(args.user === undefined ? {} : { user: args.user }),
        ...(args.groups === undefined ? {} : { groupAdds: [...args.groups] }),
        ...(args.network === "host"
          ? { networkMode: "host" }
          : {
              networkMode: "bridge",
              networksAdvanced: args.network.map((one) => ({
                name: one,
                ...(args.aliases === undefined ? {} : { aliases: [...args.aliases] }),
              })),
            }),
        ...(args.hostPid ? { pidMode: "host" } : {}),
        ports: (args.ports ?? []).map((port) => ({ ip: port.address, external: port.host, internal: port.container })),
        // Directories only: a single mounted file keeps its old inode after a rename.
        mounts: (args.mounts ?? []).map((mount) => ({
          type: "bind",
          source: mount.source,
          target: mount.target,
          readOnly: mount.readOnly,
        })),
        memory: args.memoryMiB,
        // Equal to the memory: no swap. Unset, every later preview shows a change, because the engine fills it in.
        memorySwap: args.memoryMiB,
        ...(health === undefined
          ? {}
          : {
              healthcheck: {
                tests: ["CMD", ...health.test],
                interval: goDuration(health.intervalSeconds),
                timeout: "10s",
                retries: health.retries,
                startPeriod: goDuration(health.startPeriodSeconds),
              },
            }),
        restart: "unless-stopped",
        // The delete uses the value in state and its default is SIGKILL at once.
        destroyGraceSeconds: args.stopGraceSeconds,
        stopTimeout: args.stopGraceSeconds,
        logDriver: "json-file",
        logOpts: { "max-size": "20m", "max-file": "5" },
        // The engine adds label=disable to a container in the server's process space: unsaid, a refresh would replace it.
        securityOpts: ["no-new-privileges:true", ...(args.hostPid ? ["label=disable"] : [])],
        ...(args.capabilities === undefined ? {} : { capabilities: { drops: ["ALL"], adds: [...args.capabilities] } }),
        labels: [
          { label: stageLabel, value: String(args.stage) },
          { label: "im-suite.configuration", value: configurationHash },
        ],
      },
      {
        parent: this,
        provider: args.host.docker,
        deleteBeforeReplace: true,
        protect: args.protect ?? false,
        ...(args.keep ? { ignoreChanges: [...replacing] } : {}),
      },
    );
    this.containerId = container.id;
    args.host.inventory.addContainer(args.containerName);
    this.registerOutputs({});
  }
}

function environmentOf(args: ManagedContainerArgs): pulumi.Input<string[]> {
  const own = pulumi
    .all(args.environment ?? {})
    .apply((values) => Object.entries(values).map(([key, value]) => `${key}=${value}`));
  if (args.copied === undefined) return own.apply((lines) => lines.sort());
  return pulumi.all([args.copied, own]).apply(([{ environment }, lines]) => [...environment, ...lines].sort());
}
