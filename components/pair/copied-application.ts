import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createdContainers } from "../../config/names.ts";
import { parseService, renderReadService } from "../../templates/pair/copied-service.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";

export interface CopiedApplicationArgs {
  /** Server A, where the operator's container runs. */
  readonly from: Host;
  readonly fromContainer: string;
  readonly host: Host;
  readonly stage: number;
  readonly service: "backend" | "admin";
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  /** Port inside the container. */
  readonly containerPort: number;
  readonly memoryMiB: number;
  /** im:redundancy.imagesGeneration: with the images, the environment is read again. */
  readonly generation: number;
}

/**
 * The backend or the admin page of an adopted suite on server B: the same image, environment and names. It answers on 127.0.0.1; HAProxy offers
 * it on the virtual IP while this server leads. Until then it may say that it cannot serve: its MySQL is a replica.
 */
export class CopiedApplication extends pulumi.ComponentResource {
  constructor(name: string, args: CopiedApplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:CopiedApplication", name, {}, opts);
    const read = new HostScript(
      `${name}-settings`,
      {
        host: args.from,
        create: renderReadService(args.fromContainer),
        secretOutput: true,
        rerunWhen: [String(args.generation)],
      },
      { parent: this },
    );
    const copied = read.stdout.apply(parseService);
    const containerName = createdContainers[args.service];
    const container = new ManagedContainer(
      name,
      {
        host: args.host,
        containerName,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        aliases: [args.fromContainer],
        ports: [{ address: "127.0.0.1", host: args.port, container: args.containerPort }],
        copied,
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 15,
      },
      { parent: this },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host: args.host,
        what: containerName,
        check: `curl --silent --max-time 5 --output /dev/null http://127.0.0.1:${args.port}/`,
        timeoutSeconds: 120,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
