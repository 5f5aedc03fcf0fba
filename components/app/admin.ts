import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createdContainers } from "../../config/names.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { loopbackOf } from "./backend.ts";

export interface AdminArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: pulumi.Input<string>;
  readonly network: docker.Network;
  readonly publicAddress: string;
  readonly port: number;
  readonly memoryMiB: number;
}

/** The admin page of a created suite: an image that serves HTTP on port 80. Any field changed restarts it. */
export class Admin extends pulumi.ComponentResource {
  constructor(name: string, args: AdminArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:app:Admin", name, {}, opts);
    const container = new ManagedContainer(
      name,
      {
        host: args.host,
        containerName: createdContainers.admin,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [{ address: args.publicAddress, host: args.port, container: 80 }],
        environment: { BACKEND_URL: `http://${createdContainers.backend}:8080` },
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 10,
      },
      { parent: this },
    );
    new HealthGate(
      `${name}-answers`,
      {
        host: args.host,
        what: createdContainers.admin,
        check: `curl --silent --fail --max-time 5 --output /dev/null http://${loopbackOf(args.publicAddress)}:${args.port}/`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    this.registerOutputs({});
  }
}
