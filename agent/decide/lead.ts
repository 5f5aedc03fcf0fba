import type { Decision } from "../action.ts";
import type { Database, Limits, Member, SyncSet, View, Votes } from "../view.ts";
import { act, has, memberOf, peerDatabase, peerIsEligible, speaking, wait } from "./judge.ts";
import { isCoolingDown, whyTooManyMoves } from "./moves.ts";
import { promote } from "./promote.ts";
import { isRedisLevel } from "./redis.ts";

/** This server has the lease. */
export function lead(view: View, votes: Votes, limits: Limits): Decision {
  const { leader, syncSet: set } = votes;
  if (leader === undefined || view.lease?.id !== leader.leaseId) {
    return wait("none", "the leader key is of an earlier run of this controller, and ends by itself");
  }
  if (set === undefined) return act({ kind: "release-lease" }, "none", "the pair is not set up yet");
  const database = speaking(view.database);
  if (database === undefined) return leadWithoutDatabase(view, votes, set, limits);
  const isOpenEpoch = set.leaderRevision === leader.createRevision;
  const member = memberOf(set, view.me);
  if (!isOpenEpoch || member?.instance !== database.instance) {
    return promote(view, votes, set, database, leader.createRevision, limits);
  }
  return leadOpen(view, votes, set, database, member, limits, "by itself");
}

/**
 * What may take the other server out of the set. Only where something outside of this server arbitrates, or where the other is never
 * promoted by itself, may the leader decide that on its own.
 */
export type Removal = "by itself" | "when the other confirms";

/** The epoch is recorded, and this run of mysqld is a member. */
export function leadOpen(
  view: View,
  votes: Votes,
  set: SyncSet,
  database: Database,
  me: Member,
  limits: Limits,
  removal: Removal,
): Decision {
  return memberOf(set, view.peer) === undefined
    ? leadAlone(view, votes, set, database, me, limits)
    : leadPair(view, votes, set, database, me, limits, removal);
}

/** A dead mysqld: whoever has every acknowledged write and answers is faster than a restart. */
export function leadWithoutDatabase(view: View, votes: Votes, set: SyncSet, limits: Limits): Decision {
  const isDead = view.database === "down" || view.databaseAwayFor > limits.databaseSilent;
  if (votes.maintenance) return wait("none", "maintenance: mysqld does not answer, and whoever stopped it starts it");
  const halted = whyTooManyMoves(set, votes.resumedAt, view.now, limits);
  if (isDead && halted === undefined && peerIsEligible(view, set)) {
    return act(
      { kind: "release-lease" },
      "none",
      "mysqld is dead here, and the other server has every acknowledged write",
    );
  }
  if (view.database === "down")
    return act({ kind: "start-database" }, "none", halted ?? "mysqld is down, and nobody else can lead");
  return wait("none", "mysqld does not answer");
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
function leadAlone(view: View, votes: Votes, set: SyncSet, database: Database, me: Member, limits: Limits): Decision {
  const { instance, semiSync, writable } = database;
  const role = writable ? "leader" : "none";
  const { joinSample } = view.memory;
  const candidate = joinable(view, database, limits);
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
    if (votes.handover !== undefined) return endHandover(view, votes.handover, role);
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
function joinable(view: View, database: Database, limits: Limits): Database | undefined {
  const peer = peerDatabase(view);
  if (peer === undefined || view.peerAnswer === "silent" || view.peerAnswer.cloning || peer.writable) return undefined;
  if (view.peerAnswer.withdrawn?.instance === peer.instance) return undefined;
  const { replication } = peer;
  if (replication?.source !== view.me || replication.receiver !== "connected" || replication.applier !== "running") {
    return undefined;
  }
  // Half of what makes it leave, so that it does not come and go.
  if (replication.lagMilliseconds > limits.lag / 2) return undefined;
  // A second receiver that acknowledges would release commits that the peer has not got.
  return database.semiSync.clients > 1 ? undefined : peer;
}

/** Both have everything. */
function leadPair(
  view: View,
  votes: Votes,
  set: SyncSet,
  database: Database,
  me: Member,
  limits: Limits,
  removal: Removal,
): Decision {
  const { instance, semiSync, writable } = database;
  const role = writable ? "leader" : "none";
  const why =
    whyPeerIsOut(view, set) ?? (removal === "by itself" ? whyToRemovePeer(view, set, database, limits) : undefined);
  if (why !== undefined) return record(set, [me], why, writable);
  if (votes.handover === view.peer) return handOver(view, votes, database, limits);
  if (votes.handover === view.me) return endHandover(view, votes.handover, role);
  if (!semiSync.enabled) {
    return act({ kind: "set-semi-sync", instance, enabled: true }, role, "closed: semi-sync first, then open");
  }
  if (!writable) return act({ kind: "open", instance, semiSync: true }, "none", "semi-sync agrees with the set: open");
  if (isBetterServedThere(view, votes, set, limits)) {
    return act(
      { kind: "request-handover", to: view.peer, leaderRevision: set.leaderRevision },
      "leader",
      `the backend has been down here for ${Math.round(view.backendDownFor / 1000)} s, and is healthy on the other server`,
    );
  }
  return wait("leader", "leading, and the other server has everything");
}

function endHandover(view: View, handover: Votes["handover"], role: Decision["role"]): Decision {
  return act(
    { kind: "clear-handover" },
    role,
    handover === view.me ? "the switchover is done" : "switchover given up: the other server lacks writes",
  );
}

/** The other server itself says that it is no longer the member that it was; or a person does who has looked. */
export function whyPeerIsOut(view: View, set: SyncSet): string | undefined {
  const member = memberOf(set, view.peer);
  if (view.request?.kind === "degrade" && view.request.peerIsOff && view.peerAnswer === "silent") {
    return "the operator says that the other server is off";
  }
  if (view.peerAnswer === "silent") return undefined;
  if (view.peerAnswer.withdrawn !== undefined && view.peerAnswer.withdrawn.instance === member?.instance) {
    return "the other server withdrew from the set";
  }
  if (view.peerAnswer.cloning) return "the other server is being cloned";
  return undefined;
}

function whyToRemovePeer(view: View, set: SyncSet, database: Database, limits: Limits): string | undefined {
  const { semiSync, writable } = database;
  const peer = peerDatabase(view);
  if (peer !== undefined && peer.instance !== memberOf(set, view.peer)?.instance) {
    return "the other server's mysqld was restarted: it may have lost what it acknowledged";
  }
  const replication = peer?.replication;
  if (semiSync.clients > 1)
    return `${semiSync.clients} receivers acknowledge: an acknowledgement may be somebody else's`;
  if (writable && !(semiSync.enabled && semiSync.active)) return "commits did not wait: the other server may lack some";
  if (replication?.applier === "broken") return "the other server's applier is broken";
  if (replication !== undefined && replication.lagMilliseconds > limits.lag) {
    return `the other server is ${Math.round(replication.lagMilliseconds / 1000)} s behind: a failover would take as long`;
  }
  if (database.oldestWaitMilliseconds > limits.degradeAfter) return "the other server does not acknowledge";
  if (semiSync.clients === 0 && view.peerSilentFor > limits.degradeAfter) return "the other server is away";
  return undefined;
}

/** The other server would take over at once, and nothing of Redis is lost by it. */
export function whyPeerIsNotReady(view: View, set: SyncSet): string | undefined {
  const replication = peerDatabase(view)?.replication;
  if (replication?.receiver !== "connected" || replication.applier !== "running" || !peerIsEligible(view, set)) {
    return "the other server is not ready";
  }
  if (replication.lagMilliseconds > 1000) return "the other server is behind";
  if (!isRedisLevel(view)) return "the other server's Redis is not level";
  return undefined;
}

/** Only the backend is down, and only here. */
function isBetterServedThere(view: View, votes: Votes, set: SyncSet, limits: Limits): boolean {
  return (
    view.backend === "down" &&
    view.backendDownFor >= limits.backendDown &&
    view.peerAnswer !== "silent" &&
    view.peerAnswer.backend === "healthy" &&
    !votes.maintenance &&
    !isCoolingDown(set, view.now, limits) &&
    whyPeerIsNotReady(view, set) === undefined
  );
}

/** A planned switchover: close, let the other come level, give the lease back. */
function handOver(view: View, votes: Votes, database: Database, limits: Limits): Decision {
  const { instance, semiSync, writable } = database;
  const role = writable ? "leader" : "none";
  const giveUp = (because: string) => act({ kind: "clear-handover" }, role, `switchover given up: ${because}`);
  if (votes.maintenance) return giveUp("maintenance");
  const peer = peerDatabase(view);
  if (writable) {
    const why = votes.syncSet === undefined ? undefined : whyPeerIsNotReady(view, votes.syncSet);
    return why === undefined ? act({ kind: "close", instance }, "none", "switchover: no new writes") : giveUp(why);
  }
  if (view.promotingFor > limits.handover) return giveUp("the other server does not come level");
  if (peer?.replication?.receiver !== "connected" || peer.replication.applier !== "running") {
    return giveUp("the other server is not ready");
  }
  if (!peer.executed.contains(database.executed))
    return wait("none", "switchover: the other server applies the last writes");
  // Closed, nobody waits and nobody can write: only here may it go off while the peer is a member.
  if (semiSync.enabled)
    return act({ kind: "set-semi-sync", instance, enabled: false }, "none", "switchover: nothing waits");
  return act({ kind: "release-lease" }, "none", "switchover: the other server is level");
}
