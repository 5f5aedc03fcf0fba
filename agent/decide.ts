import type { Decision } from "./action.ts";
import { elect } from "./decide/elect.ts";
import { follow } from "./decide/follow.ts";
import { lead } from "./decide/lead.ts";
import { standWithoutVotes } from "./decide/without-votes.ts";
import { type DurableRecord, defaultLimits, type Limits, type View, type Votes } from "./view.ts";

/**
 * The whole controller in one pure function: from what is seen now to the one next thing to do. It keeps no state of its own, so a
 * controller that was killed, paused or restarted in the middle of anything goes on from what it sees. The rules and the accidents that
 * they prevent: docs/failover-protocol.md. Which transactions are safe never depends on a clock; the bounds in `limits` decide only how
 * long people wait.
 */
export function decide(view: View, limits: Limits = defaultLimits): Decision {
  if (view.votes === "away") return standWithoutVotes(view, `etcd does not answer for ${view.votesAwayFor} ms`);
  const halted = whyHalted(view.record, view.votes);
  if (halted !== undefined)
    return standWithoutVotes(view, `HALTED: ${halted}. im-ha reinit --leader tells who has the data`);
  switch (view.votes.leader?.server) {
    case view.me:
      return lead(view, view.votes, limits);
    case view.peer:
      return follow(view, view.votes);
    default:
      return elect(view, view.votes, limits);
  }
}

/**
 * Votes that went backwards were restored from an old copy: they may name a server that has not got everything.
 * @returns undefined when they did not.
 */
export function whyHalted(record: DurableRecord, votes: Votes): string | undefined {
  if (record.clusterId !== undefined && record.clusterId !== votes.clusterId) {
    return `etcd is another cluster (${votes.clusterId}, before ${record.clusterId})`;
  }
  if (votes.revision < record.highestRevision) {
    return `etcd is at revision ${votes.revision} and was at ${record.highestRevision}`;
  }
  const epoch = votes.syncSet?.epoch ?? 0;
  if (epoch < record.epoch) return `etcd says epoch ${epoch}, and it was ${record.epoch}`;
  return undefined;
}

/** What the durable record is to say after these votes were seen. */
export function advanceRecord(record: DurableRecord, votes: Votes): DurableRecord {
  if (whyHalted(record, votes) !== undefined) return record;
  return {
    ...record,
    clusterId: votes.clusterId,
    highestRevision: votes.revision,
    epoch: votes.syncSet?.epoch ?? record.epoch,
  };
}
