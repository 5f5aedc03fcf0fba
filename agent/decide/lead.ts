import type { Decision } from "../action.ts";
import type { Database, Limits, Member, SyncSet, View, Votes } from "../view.ts";
import { act, has, isEligible, memberOf, peerDatabase, peerIsEligible, speaking, wait } from "./judge.ts";

/** This server has the lease. */
export function lead(view: View, votes: Votes, limits: Limits): Decision {
  const { leader, syncSet: set } = votes;
  if (leader === undefined || view.lease?.id !== leader.leaseId) {
    return wait("none", "the leader key is of an earlier run of this controller, and ends by itself");
  }
  if (set === undefined) return act({ kind: "release-lease" }, "none", "the pair is not set up yet");
  const database = speaking(view.database);
  if (database === undefined) return leadWithoutDatabase(view, set, limits);
  const isOpenEpoch = set.leaderRevision === leader.createRevision;
  const member = memberOf(set, view.me);
  if (!isOpenEpoch || member?.instance !== database.instance) {
    return promote(view, set, database, leader.createRevision, limits);
  }
  return memberOf(set, view.peer) === undefined
    ? leadAlone(view, set, database, member, limits)
    : leadPair(view, votes, set, database, member, limits);
}

/** A dead mysqld: whoever has every acknowledged write and answers is faster than a restart. */
function leadWithoutDatabase(view: View, set: SyncSet, limits: Limits): Decision {
  const isDead = view.database === "down" || view.databaseAwayFor > limits.databaseSilent;
  if (isDead && peerIsEligible(view, set)) {
    return act(
      { kind: "release-lease" },
      "none",
      "mysqld is dead here, and the other server has every acknowledged write",
    );
  }
  if (view.database === "down")
    return act({ kind: "start-database" }, "none", "mysqld is down, and nobody else can lead");
  return wait("none", "mysqld does not answer");
}

/**
 * From the lease to an open epoch. Each step is seen to be done before the next one: nothing more comes in, what came in is applied, the
 * old source is forgotten, and only then the set is this server alone. The set of the old epoch stands until then: if this
 * server dies half-way, the other is still a member.
 */
function promote(view: View, set: SyncSet, database: Database, leaderRevision: number, limits: Limits): Decision {
  const { instance, replication } = database;
  if (view.record.cloning || !isEligible(set, view.me, database)) {
    return act({ kind: "release-lease" }, "none", "mysqld was restarted: this server may lack acknowledged writes");
  }
  if (replication !== undefined) {
    if (replication.receiver !== "stopped") {
      return act({ kind: "stop-receiver", instance }, "none", "promotion: nothing more comes in");
    }
    if (!database.executed.contains(replication.received)) {
      if (view.promotingFor > limits.drain && peerIsEligible(view, set)) {
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
  return act(
    {
      kind: "record-sync-set",
      members: [{ server: view.me, instance }],
      epoch: set.epoch + 1,
      lastLeader: { server: view.me, data: database.data },
      leaderRevision,
      ifModRevision: set.modRevision,
      moves: set.moves,
      vouchedFor: set.vouchedFor,
      acceptedLoss: undefined,
    },
    "none",
    `promotion: epoch ${set.epoch + 1} begins with this server alone`,
  );
}

/** The same epoch, with other members. */
function record(set: SyncSet, members: readonly Member[], because: string, isOpen: boolean): Decision {
  const { epoch, lastLeader, leaderRevision, modRevision, moves, vouchedFor, acceptedLoss } = set;
  return act(
    {
      kind: "record-sync-set",
      members,
      epoch,
      lastLeader,
      leaderRevision,
      ifModRevision: modRevision,
      moves,
      vouchedFor,
      acceptedLoss,
    },
    isOpen ? "leader" : "none",
    because,
  );
}

/** This server alone has everything. It serves, and takes the other in when that one has caught up. */
function leadAlone(view: View, set: SyncSet, database: Database, me: Member, limits: Limits): Decision {
  const { instance, semiSync, writable } = database;
  const role = writable ? "leader" : "none";
  const { joinSample } = view.memory;
  const candidate = joinable(view, database);
  const isReached =
    candidate !== undefined &&
    joinSample?.ownInstance === instance &&
    joinSample.peerInstance === candidate.instance &&
    joinSample.protected === semiSync.enabled &&
    has(candidate, joinSample.executed);
  const sample = () =>
    act(
      {
        kind: "sample",
        sample: {
          executed: database.executed,
          ownInstance: instance,
          peerInstance: candidate?.instance ?? "",
          protected: semiSync.enabled,
        },
      },
      role,
      "the other server must come as far as this",
    );
  const isSampled = joinSample?.peerInstance === candidate?.instance && joinSample?.protected === semiSync.enabled;

  if (!semiSync.enabled) {
    if (!writable) return act({ kind: "open", instance, semiSync: false }, "none", "alone in the set: open");
    if (candidate === undefined) return wait(role, "leading alone");
    if (!isSampled || joinSample?.ownInstance !== instance) return sample();
    if (!isReached) return wait(role, "leading alone; the other server catches up");
    return act({ kind: "set-semi-sync", instance, enabled: true }, role, "the other server has caught up");
  }

  const isProtected =
    semiSync.active && semiSync.clients === 1 && database.oldestWaitMilliseconds <= limits.degradeAfter;
  if (candidate !== undefined && isProtected && writable) {
    if (!isSampled || joinSample?.ownInstance !== instance) return sample();
    if (!isReached) return wait(role, "every commit waits for the other server; it must reach the sample");
    const members = [me, { server: view.peer, instance: candidate.instance }];
    return record(set, members, "the other server has everything, and every commit waits for it", writable);
  }
  // An earlier request to add the peer may still be on its way: a new revision makes it void.
  if (view.memory.aloneAt !== set.modRevision) {
    return record(set, [me], "the other server is not to be added after all", writable);
  }
  return act({ kind: "set-semi-sync", instance, enabled: false }, role, "alone in the set: no commit may wait");
}

/** The peer's mysqld when it replicates from here, whole. */
function joinable(view: View, database: Database): Database | undefined {
  const peer = peerDatabase(view);
  if (peer === undefined || view.peerAnswer === "silent" || view.peerAnswer.cloning || peer.writable) return undefined;
  const { replication } = peer;
  if (replication?.source !== view.me || replication.receiver !== "connected" || replication.applier !== "running") {
    return undefined;
  }
  // A second receiver that acknowledges would release commits that the peer has not got.
  return database.semiSync.clients > 1 ? undefined : peer;
}

/** Both have everything. */
function leadPair(view: View, votes: Votes, set: SyncSet, database: Database, me: Member, limits: Limits): Decision {
  const { instance, semiSync, writable } = database;
  const role = writable ? "leader" : "none";
  const why = whyToRemovePeer(view, set, database, limits);
  if (why !== undefined) return record(set, [me], why, writable);
  if (votes.handover === view.peer) return handOver(view, database);
  if (votes.handover === view.me) return act({ kind: "clear-handover" }, role, "the switchover is done");
  if (!semiSync.enabled) {
    return act({ kind: "set-semi-sync", instance, enabled: true }, role, "closed: semi-sync first, then open");
  }
  if (!writable) return act({ kind: "open", instance, semiSync: true }, "none", "semi-sync agrees with the set: open");
  return wait("leader", "leading, and the other server has everything");
}

function whyToRemovePeer(view: View, set: SyncSet, database: Database, limits: Limits): string | undefined {
  const { semiSync, writable } = database;
  const peer = peerDatabase(view);
  if (peer !== undefined && peer.instance !== memberOf(set, view.peer)?.instance) {
    return "the other server's mysqld was restarted: it may have lost what it acknowledged";
  }
  if (view.peerAnswer !== "silent" && view.peerAnswer.cloning) return "the other server is being cloned";
  if (semiSync.clients > 1)
    return `${semiSync.clients} receivers acknowledge: an acknowledgement may be somebody else's`;
  if (writable && !(semiSync.enabled && semiSync.active)) return "commits did not wait: the other server may lack some";
  if (peer?.replication?.applier === "broken") return "the other server's applier is broken";
  if (database.oldestWaitMilliseconds > limits.degradeAfter) return "the other server does not acknowledge";
  if (semiSync.clients === 0 && view.peerSilentFor > limits.degradeAfter) return "the other server is away";
  return undefined;
}

/** A planned switchover: close, let the other come level, give the lease back. */
function handOver(view: View, database: Database): Decision {
  const { instance, semiSync, writable } = database;
  const peer = peerDatabase(view);
  if (peer?.replication?.receiver !== "connected" || peer.replication.applier !== "running") {
    return act(
      { kind: "clear-handover" },
      writable ? "leader" : "none",
      "switchover given up: the other server is not ready",
    );
  }
  if (writable) return act({ kind: "close", instance }, "none", "switchover: no new writes");
  if (!peer.executed.contains(database.executed))
    return wait("none", "switchover: the other server applies the last writes");
  // Closed, nobody waits and nobody can write: only here may it go off while the peer is a member.
  if (semiSync.enabled)
    return act({ kind: "set-semi-sync", instance, enabled: false }, "none", "switchover: nothing waits");
  return act({ kind: "release-lease" }, "none", "switchover: the other server is level");
}
