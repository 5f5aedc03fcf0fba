import { type AgentConfigurationFile, agentConfiguration } from "../../agent/configuration.ts";
import { failoverCredentials } from "../../config/failover.ts";
import type { PairServer } from "../../config/pair-names.ts";
import type { RedundancyConfiguration, VipConfiguration, WitnessConfiguration } from "../../config/pair-schema.ts";

export interface AgentFileOptions {
  readonly server: { readonly name: PairServer; readonly address: string };
  readonly peer: { readonly name: PairServer; readonly address: string };
  readonly mysql: { readonly container: string; readonly port: number };
  readonly redis: { readonly container: string; readonly port: number; readonly password: boolean } | undefined;
  readonly backendUrl: string | undefined;
  readonly witness: WitnessConfiguration;
  /** Of every member, the own one first. */
  readonly etcdEndpoints: readonly string[];
  readonly vip: VipConfiguration;
  readonly limits: RedundancyConfiguration["limits"];
}

/** The controller's configuration file. Parsed by its own schema before it is written: a mistake of ours ends here, not in a failover. */
export function renderAgentFile(options: AgentFileOptions): string {
  const file: AgentConfigurationFile = {
    server: options.server,
    peer: options.peer,
    http: { tokenFile: failoverCredentials.token },
    mysql: { ...options.mysql, peer: { address: options.peer.address } },
    ...(options.redis === undefined
      ? {}
      : {
          redis: {
            container: options.redis.container,
            port: options.redis.port,
            ...(options.redis.password ? { passwordFile: failoverCredentials.redis } : {}),
            peer: { address: options.peer.address },
          },
        }),
    votes:
      options.witness.mode === "host"
        ? { witness: "etcd", endpoints: [...options.etcdEndpoints], account: {} }
        : { witness: "none", policy: options.witness.policy },
    vip: vipOf(options.vip),
    ...(options.backendUrl === undefined ? {} : { backend: { healthUrl: options.backendUrl } }),
    limits: options.limits,
  };
  agentConfiguration.parse(file);
  return `${JSON.stringify(file, null, 2)}\n`;
}

function vipOf(vip: VipConfiguration): AgentConfigurationFile["vip"] {
  switch (vip.mode) {
    case "keepalived":
      return { mode: "keepalived", address: vip.address };
    case "hook":
      return {
        mode: "hook",
        command: [...vip.command],
        ...(vip.address === undefined ? {} : { address: vip.address }),
      };
    default:
      return { mode: "none" };
  }
}
