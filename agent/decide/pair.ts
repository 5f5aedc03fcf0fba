import type { Action, Decision } from "../action.ts";
import type { Database, Limits, PairFile, PairPolicy, PeerAnswer, ServerName, SyncSet, View, Votes } from "../view.ts";
import { whyNotPromoted } from "./elect.ts";
import { follow } from "./follow.ts";
import {
  act,
  isEligible,
  ledLast,
  memberOf,
  peerDatabase,
  peerIsEligible,
  replicaRole,
  speaking,
  wait,
} from "./judge.ts";
import { leadOpen, leadWithoutDatabase, whyPeerIsOut } from "./lead.ts";
import { promote } from "./promote.ts";
import { answerRequest } from "./request.ts";

/** What stands in the file in place of a lease: it does not end. */
const fileLease = "file";

interface Pair {
  readonly policy: PairPolicy;
  readonly file: PairFile;
}

/**
 * Rule 6: two servers and nothing else. Each has a file: the leader's is the record, the other's a copy of what it has seen of it. Nothing
 * compares the two at one moment, as etcd does; so whatever one of them may do without the other must be safe whatever the other does
 * meanwhile:
 * - The leader of a set of two may be open at any time: nothing is acknowledged before the other has it, and who takes over has stopped
 *   its receiver first.
 * - The replica takes over by itself only with the policy `failover`; so there the leader goes on alone only after the replica itself has
 *   said that it is no member any more, which it does not take back before it has seen the leader's record without it.
 * - With the policy `availability` it is the other way round.
 */
export function decideWithoutWitness(view: View, pair: Pair, limits: Limits): Decision {
  const { file } = pair;
  const theirs = fileOf(view.peerAnswer);
  if (theirs?.syncSet !== undefined && isNewer(theirs.syncSet, file.syncSet)) {
    const because = `the other server's record is newer (epoch ${theirs.syncSet.epoch})`;
    const { maintenance } = file;
    const resumedAt = Math.max(file.resumedAt ?? 0, theirs.resumedAt ?? 0) || undefined;
    const copy: PairFile = { ...theirs, maintenance, resumedAt };
    return act(writeFile(file, copy), roleWithoutLead(view), because);
  }
  const votes = asVotes(view, file, theirs);
  const seen: View = { ...view, votes, lease: { id: fileLease, remaining: Number.POSITIVE_INFINITY } };
  return translated(file, decideAsOne(seen, votes, pair, limits));
}

/** The server that leads as far as this file says. */
export function leaderOfFile(file: PairFile): ServerName | undefined {
  return file.lead === "released" ? undefined : file.syncSet?.lastLeader.server;
}

function decideAsOne(view: View, votes: Votes, pair: Pair, limits: Limits): Decision {
  const answer = answerRequest(view, votes, limits);
  if (answer !== undefined) return answer;
  const set = votes.syncSet;
  if (set === undefined) return wait(roleWithoutLead(view), "the pair is not set up yet: im-ha reinit --leader");
  return set.lastLeader.server === view.me
    ? leadByFile(view, votes, set, pair, limits)
    : followByFile(view, votes, set, pair, limits);
}

function fileOf(answer: PeerAnswer | "silent"): PairFile | undefined {
  return answer === "silent" ? undefined : answer.pairFile;
}

function isNewer(one: SyncSet, other: SyncSet | undefined): boolean {
  if (other === undefined || one.epoch !== other.epoch) return one.epoch > (other?.epoch ?? 0);
  return one.modRevision > other.modRevision;
}

function roleWithoutLead(view: View): Decision["role"] {
  return replicaRole(speaking(view.database));
}

/** The file in the words of etcd: what leads and follows there does so here. */
function asVotes(view: View, file: PairFile, theirs: PairFile | undefined): Votes {
  const { syncSet, handover, resumedAt } = file;
  const server = leaderOfFile(file);
  return {
    clusterId: fileLease,
    revision: syncSet?.modRevision ?? 0,
    leader:
      server === undefined || syncSet === undefined
        ? undefined
        : { server, createRevision: syncSet.leaderRevision, leaseId: server === view.me ? fileLease : "" },
    syncSet,
    handover,
    maintenance: file.maintenance || theirs?.maintenance === true,
    resumedAt,
  };
}

function writeFile(before: PairFile, file: PairFile, finishes?: string): Action {
  return { kind: "write-pair-file", file, ifModRevision: before.syncSet?.modRevision ?? 0, finishes };
}

/** Every change by the leader makes a newer record: the other copies only what is newer. */
function changed(file: PairFile, changes: Partial<PairFile>, set: Partial<SyncSet> = {}): PairFile {
  const { syncSet } = file;
  if (syncSet === undefined) return { ...file, ...changes };
  return { ...file, ...changes, syncSet: { ...syncSet, ...set, modRevision: syncSet.modRevision + 1 } };
}

/** What would be a transaction in etcd is a new file here. */
function translated(file: PairFile, decision: Decision): Decision {
  const { action } = decision;
  const write = (next: PairFile): Decision => ({ ...decision, action: writeFile(file, next) });
  switch (action.kind) {
    case "record-sync-set": {
      const { kind: _kind, ifModRevision, ...record } = action;
      const isNewEpoch = record.epoch !== file.syncSet?.epoch;
      const leaderRevision = isNewEpoch ? ifModRevision + 1 : record.leaderRevision;
      const syncSet: SyncSet = { ...record, leaderRevision, modRevision: ifModRevision + 1 };
      return write(isNewEpoch ? { ...file, syncSet, lead: "held", handover: undefined } : { ...file, syncSet });
    }
    case "reinit": {
      const { ifModRevision, ...record } = action.record;
      const syncSet: SyncSet = { ...record, leaderRevision: ifModRevision + 1, modRevision: ifModRevision + 1 };
      const next: PairFile = { ...file, syncSet, lead: "held", handover: undefined };
      return { ...decision, action: writeFile(file, next, action.id) };
    }
    case "release-lease":
      return write(changed(file, { lead: "released" }));
    case "clear-handover":
      return write(changed(file, { handover: undefined }));
    case "request-handover":
      return write(changed(file, { handover: action.to }));
    case "set-maintenance":
      // Each server has a flag of its own, and one is enough: no newer record.
      return write({ ...file, maintenance: action.on, resumedAt: action.resumedAt ?? file.resumedAt });
    default:
      return decision;
  }
}

// --- the server that led last --------------------------------------------------------------------------------------------------

function leadByFile(view: View, votes: Votes, set: SyncSet, pair: Pair, limits: Limits): Decision {
  const { file, policy } = pair;
  const database = speaking(view.database);
  if (file.lead === "released") return afterRelease(view, votes, set, file, database, limits);
  if (database === undefined) {
    // Nobody is there who could take it: then it is kept, so that nothing has to be taken back.
    return policy === "failover" || view.database !== "down"
      ? leadWithoutDatabase(view, votes, set, limits)
      : startUnlessMaintenance(votes, "mysqld is down, and failover is the operator's");
  }
  if (!ledLast(set, view.me, database)) {
    return act({ kind: "release-lease" }, "none", "the data directory here is not the one that led");
  }
  if (file.lead === "taken back" && confirms(view, set)) {
    return act(writeFile(file, changed(file, { lead: "held" })), "none", "the other server knows that this one leads");
  }
  const me = memberOf(set, view.me);
  if (me?.instance !== database.instance) return resume(view, set, database, pair);
  const peerIsMember = memberOf(set, view.peer) !== undefined;
  // During maintenance the other does not take over, and whoever works on it wants this server to be left alone.
  if (policy === "failover" && peerIsMember && !votes.maintenance && isUnheard(view, database, limits)) {
    const because =
      "the other server is not heard of, and may have taken over. If it is off: im-ha degrade --peer-is-off";
    if (view.request?.kind !== "degrade") {
      return database.writable
        ? act({ kind: "fence", instance: database.instance }, "none", because)
        : wait("none", because);
    }
  }
  const removal = policy === "availability" && file.lead === "held" ? "by itself" : "when the other confirms";
  const known: View = { ...view, memory: { ...view.memory, aloneAt: peerIsMember ? undefined : set.modRevision } };
  return leadOpen(known, votes, set, database, me, limits, removal);
}

/** The other server has copied what this one wrote when it took the lead back: it is not on its way any more. */
function confirms(view: View, set: SyncSet): boolean {
  const theirs = fileOf(view.peerAnswer)?.syncSet;
  return theirs !== undefined && theirs.epoch === set.epoch && theirs.modRevision >= set.leaderRevision;
}

function isUnheard(view: View, database: Database, limits: Limits): boolean {
  const { semiSync, oldestWaitMilliseconds } = database;
  const isAcknowledged = semiSync.clients > 0 && oldestWaitMilliseconds <= limits.degradeAfter;
  return view.peerSilentFor > limits.unheard && !isAcknowledged;
}

function startUnlessMaintenance(votes: Votes, because: string): Decision {
  return votes.maintenance
    ? wait("none", "maintenance: mysqld is down, and whoever stopped it starts it")
    : act({ kind: "start-database" }, "none", because);
}

/** mysqld was restarted on the leader. It boots closed, and is a new member of the same epoch. */
function resume(view: View, set: SyncSet, database: Database, pair: Pair): Decision {
  const { epoch, lastLeader, leaderRevision, modRevision, moves, vouchedFor, acceptedLoss } = set;
  const peer = memberOf(set, view.peer);
  const mustAsk = peer !== undefined && pair.policy === "failover";
  if (mustAsk && view.peerAnswer === "silent" && whyPeerIsOut(view, set) === undefined) {
    return wait(
      "none",
      "closed until the other server answers: it may have taken over. If it is off: im-ha degrade --peer-is-off",
    );
  }
  const me = { server: view.me, instance: database.instance };
  return act(
    {
      kind: "record-sync-set",
      members: peer === undefined ? [me] : [me, peer],
      epoch,
      lastLeader,
      leaderRevision,
      ifModRevision: modRevision,
      moves,
      vouchedFor,
      acceptedLoss,
    },
    "none",
    "mysqld was restarted here, and this server led last",
  );
}

/** Given up, and the other has not taken it yet. */
function afterRelease(
  view: View,
  votes: Votes,
  set: SyncSet,
  file: PairFile,
  database: Database | undefined,
  limits: Limits,
): Decision {
  if (view.database === "down") return startUnlessMaintenance(votes, "the lead is free, and mysqld is down here");
  if (database === undefined || !ledLast(set, view.me, database)) {
    return wait("none", "the lead is free, and this server cannot take it");
  }
  const isAwaited = view.leaderlessFor < limits.yieldFor && peerIsEligible(view, set);
  if (isAwaited) return wait("none", "the other server is to take the lead");
  const taken = changed(file, { lead: "taken back", handover: undefined }, { leaderRevision: set.modRevision + 1 });
  return act(writeFile(file, taken), "none", "the other server did not take the lead");
}

// --- the other -----------------------------------------------------------------------------------------------------------------

function followByFile(view: View, votes: Votes, set: SyncSet, pair: Pair, limits: Limits): Decision {
  const database = speaking(view.database);
  const member = memberOf(set, view.me);
  const { withdrawn } = view.record;
  const withdraw = (because: string) =>
    act(
      { kind: "withdraw", withdrawal: { instance: member?.instance ?? "", planned: false } },
      roleWithoutLead(view),
      because,
    );
  const isMember = member !== undefined && withdrawn?.instance !== member.instance;
  if (database === undefined) {
    if (isMember && view.databaseAwayFor > limits.withdrawAfter && view.database === "down") {
      return withdraw("mysqld does not start here: the leader need not wait for it");
    }
    return view.database === "down"
      ? startUnlessMaintenance(votes, "the other server leads, and mysqld is down here")
      : wait("none", "mysqld does not answer here");
  }
  if (isTakenOver(view, votes, set, pair, database, limits)) {
    return promote({ ...view, lease: undefined }, votes, set, database, set.modRevision + 1, limits);
  }
  // Said by this controller, between two of its steps: the new run of mysqld alone does not say that no promotion of the old one is under way.
  if (isMember && member.instance !== database.instance) return withdraw("mysqld was restarted here");
  const why = isMember ? whyToWithdraw(view, database, limits) : undefined;
  if (why !== undefined) return withdraw(why);
  if (withdrawn !== undefined && !withdrawn.planned && member?.instance !== withdrawn.instance) {
    return act(
      { kind: "withdraw", withdrawal: undefined },
      roleWithoutLead(view),
      "the leader has taken this server out",
    );
  }
  return votes.leader === undefined
    ? wait(roleWithoutLead(view), "the leader gave the lead up, and this server cannot take it")
    : follow(view, votes);
}

/** Whether this server may take the lead now, and should. */
function isTakenOver(view: View, votes: Votes, set: SyncSet, pair: Pair, database: Database, limits: Limits): boolean {
  if (database.writable || view.record.cloning) return false;
  if (view.request?.kind === "promote") return true;
  if (!isEligible(set, view.me, database, view.record.withdrawn)) return false;
  const isReleased = pair.file.lead === "released";
  const isGone =
    pair.policy === "failover" &&
    view.peerSilentFor > limits.peerGone &&
    database.replication?.receiver !== "connected";
  return (isReleased || isGone) && whyNotPromoted(view, votes, set, database, limits) === undefined;
}

/** Only while the leader leads: without it, this server may be all that is left. */
function whyToWithdraw(view: View, database: Database, limits: Limits): string | undefined {
  const leader = peerDatabase(view);
  if (leader?.writable !== true) return undefined;
  if (leader.semiSync.clients > 1) return "somebody else acknowledges to the leader: this server may lack writes";
  const { replication } = database;
  if (replication?.applier === "broken") return "the applier is broken here";
  if (replication !== undefined && replication.lagMilliseconds > limits.lag) return "this server is too far behind";
  if (view.record.cloning || (replication === undefined && !leader.executed.contains(database.executed))) {
    return "this server cannot follow as it is";
  }
  return undefined;
}
