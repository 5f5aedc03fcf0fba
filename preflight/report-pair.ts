import { movedOf, pairContainer, pairOf } from "../config/pair.ts";
import type { Configuration } from "../config/schema.ts";

/** What stage 2 means, for the operator to read in the preview before it is done. */
export function reportPair(configuration: Configuration): string[] {
  const { servers, witness, vip } = pairOf(configuration);
  const moved = movedOf(configuration);
  return [
    `Stage 2 makes ${servers.b.address} the replica of ${servers.a.address}. No container of stage 1 is restarted: ${moved.map((service) => pairContainer(configuration, "a", service)).join(", ")}.`,
    "  MySQL on server a is changed online: GTIDs, semi-sync, accounts im_agent and im_replication. pulumi destroy -s stage2 puts it back.",
    witness.mode === "host"
      ? `  Votes: server a, server b and ${witness.address}. Any one of the three may fail.`
      : witness.policy === "failover"
        ? "  No third vote, policy failover: server b takes over by itself; when b is lost, writes wait until a person says that it is off."
        : "  No third vote, policy availability: server a goes on alone when b is lost; a failover is done by a person.",
    ...(vip.mode === "keepalived"
      ? [`  Virtual IP: ${vip.address}, VRRP ${vip.vrrpVersion}, router ${vip.virtualRouterId}.`]
      : []),
    ...(moved.includes("minio")
      ? [
          "  MinIO turns versioning on in every bucket, for good: its replication needs it, and a destroy does not turn it off.",
        ]
      : []),
  ];
}
