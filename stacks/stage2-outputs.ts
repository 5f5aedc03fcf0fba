import * as pulumi from "@pulumi/pulumi";
import type { ControllerSecrets } from "../components/failover/controller.ts";
import type { Host } from "../components/host/host.ts";
import { monthlyCost, witnessCost } from "../config/costs.ts";
import { failoverPorts } from "../config/failover.ts";
import { foundationOf } from "../config/foundation.ts";
import { clientAddress, movedOf, type PairConfiguration } from "../config/pair.ts";
import { pairPorts } from "../config/ports.ts";
import type { Configuration } from "../config/schema.ts";
import { betweenServers } from "../config/server-schema.ts";
import { hostPort } from "../lib/host-port.ts";
import type { StackBelow } from "./stack-below.ts";
import type { StackOutputs } from "./stage1-outputs.ts";
import { version } from "./version.ts";

export interface Stage2OutputsArgs {
  readonly configuration: Configuration;
  readonly pair: PairConfiguration;
  readonly below: StackBelow;
  readonly hosts: { readonly a: Host; readonly b: Host; readonly witness: Host | undefined };
  readonly secrets: ControllerSecrets;
}

export function stage2Outputs(args: Stage2OutputsArgs): StackOutputs {
  const { configuration, pair, below, hosts, secrets } = args;
  const { servers, witness, vip } = pair;
  const { costs } = configuration;
  const virtualIp = vip.mode === "none" ? null : (vip.address ?? null);
  const further = witness.mode === "host" ? witnessCost : {};
  const stage2Cost = monthlyCost(2, costs, further);
  return {
    servers: {
      a: servers.a.address,
      b: servers.b.address,
      ...(witness.mode === "host" ? { witness: witness.address } : {}),
    },
    endpoints: endpoints(configuration, pair),
    credentials: pulumi.secret(
      pulumi
        .all([below.credentials, secrets.mysql, secrets.replication, secrets.token])
        .apply(([stage1, agent, replication, token]) => ({
          ...stage1,
          mysql: { ...stage1.mysql, agent, replication },
          failover: { token },
        })),
    ),
    virtualIp,
    monthlyCost: stage2Cost,
    moveOn: {
      stage2IsDue: false,
      because: [],
      monthlyCosts: { stage1: monthlyCost(1, costs), stage2: stage2Cost, stage3: monthlyCost(3, costs) },
    },
    nextSteps: nextSteps(configuration, pair),
    inventory: Object.fromEntries(
      Object.entries(hosts).flatMap(([alias, host]) =>
        host === undefined ? [] : [[alias, host.inventory.toOutput()]],
      ),
    ),
    rotation: {},
    foundation: foundationOf(configuration),
    version,
  };
}

/** Where clients go: the virtual IP; without one either server, whose HAProxy leads to the leader. */
function endpoints(configuration: Configuration, { servers, vip }: PairConfiguration): Record<string, string> {
  const http = new Set(["backend", "admin", "minio"]);
  const { ports } = configuration.suite;
  const at = vip.mode === "hook" && vip.address !== undefined ? vip.address : clientAddress(vip, servers.a);
  const services = movedOf(configuration).map((service) => {
    const where = hostPort(at, ports[service]);
    return [service, http.has(service) ? `http://${where}` : where] as const;
  });
  return {
    ...Object.fromEntries(services),
    controllerA: `https://${hostPort(betweenServers(servers.a), failoverPorts.controller)}/status`,
    controllerB: `https://${hostPort(betweenServers(servers.b), failoverPorts.controller)}/status`,
    mysqlWrite: `127.0.0.1:${pairPorts.mysqlWrite}`,
    mysqlRead: `127.0.0.1:${pairPorts.mysqlRead}`,
    redisLeader: `127.0.0.1:${pairPorts.redisLeader}`,
  };
}

function nextSteps(configuration: Configuration, { servers, witness, vip }: PairConfiguration): string[] {
  const { address } = servers.a;
  const moved = movedOf(configuration);
  return [
    ...(vip.mode === "keepalived"
      ? [
          `Look at the pair: ssh root@${address} im-ha status. When it says that both servers are in the sync set, point the name that your clients use at ${vip.address}; ${address} goes on answering while the change spreads, as long as server a leads. A failover before that leaves clients of ${address} without service.`,
        ]
      : vip.mode === "hook"
        ? [
            `Look at the pair: ssh root@${address} im-ha status. ${vip.command[0]} is called on each change of role, on both servers: try it with a planned switchover (im-ha switchover) before you rely on it.`,
          ]
        : [
            "im:vip.mode is none: nothing moves your clients. Give them both addresses, or a name that you change after a failover.",
          ]),
    ...(witness.mode === "host"
      ? []
      : [
          witness.policy === "failover"
            ? "There is no third vote (policy failover): server b takes over by itself when a is gone; when b is lost, writes wait until you type on server a: im-ha degrade --peer-is-off."
            : "There is no third vote (policy availability): server a goes on alone when b is lost; a failover is yours to type on server b: im-ha promote --accept-data-loss.",
        ]),
    "Rehearse it while nothing burns: im-ha switchover, and back. Runbook: docs/runbooks/failover.md",
    ...(moved.includes("minio")
      ? [
          "MinIO keeps every version of an object from now on (replication needs it, and MinIO cannot turn it off again): give buckets that change much a rule that removes old versions (mc ilm rule add --noncurrent-expire-days 7).",
        ]
      : []),
    ...(moved.includes("backend")
      ? [
          "After a deploy of yours on server a, bring the images to b: raise im:redundancy.imagesGeneration and pulumi up -s stage2. An alert tells while they differ.",
        ]
      : []),
    `Before a planned stop of a server: im-ha switchover if it leads, then im-ha degrade on it.`,
    "Compare with what was put on the servers at any time: npm run doctor -- -s stage2",
  ];
}
