import type { Decision, RecordSyncSet } from "../action.ts";
import type { Database, Limits, SyncSet, View, Votes } from "../view.ts";
import { act, isEligible, peerIsEligible, wait } from "./judge.ts";
import { movesAfter } from "./moves.ts";

/**
 * From the lease to an open epoch. Each step is seen to be done before the next one: nothing more comes in, what came in is applied, the
 * old source is forgotten, and only then the set is this server alone. The set of the old epoch stands until then: if this
 * server dies half-way, the other is still a member.
 */
export function promote(
  view: View,
  votes: Votes,
  set: SyncSet,
  database: Database,
  leaderRevision: number,
  limits: Limits,
): Decision {
  if (view.record.cloning || !mayBePromoted(view, set, database)) {
    return act({ kind: "release-lease" }, "none", "mysqld was restarted: this server may lack acknowledged writes");
  }
  return drain(view, set, database, limits) ?? beginEpoch(view, votes, set, database, leaderRevision, limits);
}

function mayBePromoted(view: View, set: SyncSet, database: Database): boolean {
  return view.request?.kind === "promote" || isEligible(set, view.me, database, view.record.withdrawn);
}

/** The steps up to a server that owes nothing to its old source. @returns undefined when they are done. */
export function drain(view: View, set: SyncSet, database: Database, limits: Limits): Decision | undefined {
  const { instance, replication } = database;
  if (replication === undefined) return undefined;
  if (replication.receiver !== "stopped") {
    return act({ kind: "stop-receiver", instance }, "none", "promotion: nothing more comes in");
  }
  if (!database.executed.contains(replication.received)) {
    if (view.lease !== undefined && view.promotingFor > limits.drain && peerIsEligible(view, set)) {
      return act(
        { kind: "release-lease" },
        "none",
        "promotion: draining takes too long, and the old leader is healthy",
      );
    }
    if (replication.applier === "stopped") {
      return act({ kind: "start-applier", instance }, "none", "promotion: what came in must be applied");
    }
    return wait("none", "promotion: applying what came in");
  }
  return act({ kind: "forget-source", instance }, "none", "promotion: the old source must not be asked again");
}

function beginEpoch(
  view: View,
  votes: Votes,
  set: SyncSet,
  database: Database,
  leaderRevision: number,
  limits: Limits,
): Decision {
  const isMove = set.lastLeader.server !== view.me;
  const move = isMove ? (votes.handover === view.me ? "planned" : "unplanned") : "none";
  const record: RecordSyncSet = {
    kind: "record-sync-set",
    members: [{ server: view.me, instance: database.instance }],
    epoch: set.epoch + 1,
    lastLeader: { server: view.me, data: database.data },
    leaderRevision,
    ifModRevision: set.modRevision,
    moves: movesAfter(set, view.now, limits, move),
    vouchedFor: set.vouchedFor,
    acceptedLoss: isSureToHaveAll(view, set, database) ? undefined : whatIsMissing(view, database),
  };
  return act(record, "none", `promotion: epoch ${set.epoch + 1} begins with this server alone`);
}

/** With the policy `availability` a leader that did not give the lead up may have gone on alone since this server saw it last. */
function isSureToHaveAll(view: View, set: SyncSet, database: Database): boolean {
  const mayHaveGoneOn = view.pair?.policy === "availability" && view.pair.file.lead !== "released";
  return (
    isEligible(set, view.me, database, view.record.withdrawn) && !(mayHaveGoneOn && set.lastLeader.server !== view.me)
  );
}

/** For the record of a promotion that an operator forced. */
function whatIsMissing(view: View, database: Database): string {
  const { peerLastExecuted } = view;
  if (peerLastExecuted === undefined) return "unknown: the other server was not seen since this controller started";
  const missing = peerLastExecuted.minus(database.executed);
  return missing.isEmpty ? "nothing of what was seen of the other server" : missing.toString();
}
