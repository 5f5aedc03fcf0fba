import type { Action, Decisions } from "../action.ts";
import { GtidSet } from "../gtid-set.ts";
import type { Database, Move, SyncSet, View } from "../view.ts";
import type { Variant } from "./variant.ts";

/** One way or more to break each rule of the protocol. The simulator must catch every one; the tests see to it. */
export const knownBad: readonly Variant[] = [
  {
    rule: 1,
    name: "the set of the old epoch stays after a promotion",
    accident: /is not on the member|both servers are open in epoch/,
    decide: (view, decide) => {
      const database = speaking(view);
      const { votes } = view;
      if (
        votes === "away" ||
        votes.leader?.server !== view.me ||
        votes.syncSet?.lastLeader.server !== view.peer ||
        database === undefined
      ) {
        return decide(view);
      }
      if (database.replication !== undefined || votes.syncSet.leaderRevision === votes.leader.createRevision)
        return decide(view);
      const members = [{ server: view.me, instance: database.instance }];
      const syncSet = { ...votes.syncSet, members, leaderRevision: votes.leader.createRevision };
      return decide({ ...view, votes: { ...votes, syncSet } });
    },
  },
  {
    rule: 1,
    name: "the set is rewritten with the lease, before draining",
    accident: /without the acknowledged write|is not on the member/,
    decide: (view, decide) => {
      const database = speaking(view);
      const { votes } = view;
      const isNew =
        votes !== "away" &&
        votes.leader?.server === view.me &&
        votes.syncSet !== undefined &&
        votes.syncSet.leaderRevision !== votes.leader.createRevision;
      return isNew && database !== undefined
        ? decide({ ...view, database: { ...database, replication: undefined } })
        : decide(view);
    },
  },
  {
    rule: 2,
    name: "the set is written without comparing",
    accident: /is not on the member|without the acknowledged write|acknowledges in epoch/,
    recordsBlindly: true,
  },
  {
    rule: 3,
    name: "a fence is a clean shutdown",
    accident: /is not on the member|acknowledges in epoch/,
    fencesGracefully: true,
  },
  {
    rule: 3,
    name: "the next effect does not wait for the result of the last",
    accident: /both servers are open in epoch|acknowledges in epoch/,
    opensAfterAnyRecord: true,
  },
  {
    rule: 3,
    name: "a server that does not lead switches semi-sync off",
    accident: /is not on the member|acknowledges in epoch/,
    decide: (view, decide) => {
      const decision = decide(view);
      const database = speaking(view);
      return decision.action.kind === "fence" && database?.semiSync.enabled
        ? replaced(decision, { kind: "set-semi-sync", instance: database.instance, enabled: false })
        : decision;
    },
  },
  {
    rule: 4,
    name: "a peer becomes a member without having reached a sample",
    accident: /is not on the member/,
    decide: (view, decide) => {
      const sample = view.memory.joinSample;
      return decide(
        sample === undefined
          ? view
          : { ...view, memory: { ...view.memory, joinSample: { ...sample, executed: GtidSet.empty } } },
      );
    },
  },
  {
    rule: 4,
    name: "a sample counts although commits did not wait yet",
    accident: /is not on the member/,
    decide: (view, decide) => {
      const sample = view.memory.joinSample;
      return decide(
        sample === undefined
          ? view
          : {
              ...view,
              memory: {
                ...view.memory,
                joinSample: { ...sample, protected: speaking(view)?.semiSync.enabled ?? false },
              },
            },
      );
    },
  },
  {
    rule: 4,
    name: "a restart of the other server's mysqld after the sample does not matter",
    accident: /is not on the member/,
    decide: (view, decide) => {
      const sample = view.memory.joinSample;
      const peer = view.peerAnswer === "silent" ? undefined : view.peerAnswer.database;
      if (sample === undefined || peer === undefined) return decide(view);
      return decide({ ...view, memory: { ...view.memory, joinSample: { ...sample, peerInstance: peer.instance } } });
    },
  },
  {
    rule: 5,
    name: "a member is a server, whatever became of its mysqld",
    accident: /is not on the member|without the acknowledged write/,
    decide: (view, decide) => {
      const peer = view.peerAnswer === "silent" ? undefined : view.peerAnswer.database;
      const runs = { [view.me]: speaking(view)?.instance, [view.peer]: peer?.instance };
      return decide(
        withSet(view, (set) => ({
          ...set,
          members: set.members.map((one) => ({ ...one, instance: runs[one.server] ?? one.instance })),
        })),
      );
    },
  },
  {
    rule: 6,
    name: "both policies at once: the replica takes over, and the leader goes on alone",
    accident: /outside the sync set|acknowledges in epoch/,
    decide: (view, decide) => {
      const { pair } = view;
      if (pair === undefined) return decide(view);
      const leads = pair.file.syncSet?.lastLeader.server === view.me;
      return decide({ ...view, pair: { ...pair, policy: leads ? "availability" : "failover" } });
    },
  },
  {
    rule: 6,
    name: "a replica that withdrew takes over all the same",
    accident: /outside the sync set|acknowledges in epoch/,
    decide: (view, decide) =>
      decide(
        view.peerAnswer === "silent"
          ? { ...view, request: undefined, record: { ...view.record, withdrawn: undefined } }
          : view,
      ),
  },
  {
    rule: 6,
    name: "a restart of the replica's mysqld counts as its word",
    accident: /outside the sync set|acknowledges in epoch/,
    decide: (view, decide) => {
      const { peerAnswer, pair } = view;
      if (pair === undefined || peerAnswer === "silent" || peerAnswer.database === undefined) return decide(view);
      const member = pair.file.syncSet?.members.find((one) => one.server === view.peer);
      if (member === undefined || member.instance === peerAnswer.database.instance) return decide(view);
      return decide({
        ...view,
        peerAnswer: { ...peerAnswer, withdrawn: { instance: member.instance, planned: false } },
      });
    },
  },
  {
    rule: 6,
    name: "the lead is taken back, and the other's confirmation is not waited for",
    accident: /outside the sync set|acknowledges in epoch/,
    decide: (view, decide) => {
      const { pair } = view;
      if (pair?.file.lead !== "taken back") return decide(view);
      return decide({ ...view, pair: { ...pair, file: { ...pair.file, lead: "held" } } });
    },
  },
  {
    rule: 6,
    name: "the file is not fsynced",
    accident: /is not on the member|acknowledges in epoch|outside the sync set/,
    losesFile: true,
  },
  {
    rule: 6,
    name: "the other's newer record is not copied",
    accident: /stays open although/,
    decide: (view, decide) => {
      const { peerAnswer } = view;
      const isLeader = view.pair?.file.syncSet?.lastLeader.server === view.me;
      if (peerAnswer === "silent" || !isLeader) return decide(view);
      return decide({ ...view, peerAnswer: { ...peerAnswer, pairFile: undefined } });
    },
  },
  {
    rule: 7,
    name: "mysqld boots with replication started, and the source is forgotten last",
    accident: /is not on the member|without the acknowledged write|acknowledges in epoch/,
    bootsReplicating: true,
    decide: (view, decide) => {
      const database = speaking(view);
      const leads = view.votes !== "away" && view.votes.leader?.server === view.me;
      const replication = database?.replication;
      if (!leads || database === undefined || replication?.receiver !== "stopped") return decide(view);
      return database.executed.contains(replication.received)
        ? decide({ ...view, database: { ...database, replication: undefined } })
        : decide(view);
    },
  },
  {
    rule: 8,
    name: "semi-sync is believed to be as it was left",
    accident: /is not on the member|acknowledges in epoch/,
    opensUnchecked: true,
    decide: (view, decide) => {
      const database = speaking(view);
      const set = view.votes === "away" ? view.pair?.file.syncSet : view.votes.syncSet;
      if (database === undefined || set?.members.length !== 2 || set.lastLeader.server !== view.me) return decide(view);
      return decide({
        ...view,
        database: { ...database, semiSync: { ...database.semiSync, enabled: true, active: true } },
      });
    },
  },
  {
    rule: 9,
    name: "cloned before the leader has recorded its epoch, and not remembered",
    accident: /is not on the member|without the acknowledged write/,
    forgetsCloning: true,
    decide: (view, decide) => {
      const { votes } = view;
      if (votes === "away" || votes.leader?.server !== view.peer || votes.syncSet === undefined) return decide(view);
      const members = votes.syncSet.members.filter((member) => member.server !== view.me);
      const syncSet = { ...votes.syncSet, members, leaderRevision: votes.leader.createRevision };
      return decide({ ...view, votes: { ...votes, syncSet } });
    },
  },
  {
    rule: 10,
    name: "votes that went backwards are believed",
    accident: /stays open although|without the acknowledged write/,
    decide: (view, decide) =>
      decide({ ...view, record: { ...view.record, clusterId: undefined, highestRevision: 0, epoch: 0 } }),
  },
  {
    rule: 10,
    name: "another cluster is believed",
    accident: /stays open although|without the acknowledged write/,
    decide: (view, decide) => {
      const { votes, record } = view;
      if (votes === "away" || record.clusterId === votes.clusterId) return decide(view);
      return decide({
        ...view,
        record: { ...record, clusterId: undefined, highestRevision: 0, setRevision: 0, epoch: 0 },
      });
    },
  },
  {
    rule: 10,
    name: "how far etcd was is not kept",
    accident: /stays open although|without the acknowledged write/,
    decide: (view, decide) =>
      decide({ ...view, record: { ...view.record, highestRevision: 0, setRevision: 0, epoch: 0 } }),
  },
  {
    rule: 10,
    name: "a server that is halted believes nobody, not even the operator",
    accident: /in the end/,
    decide: (view, decide) => {
      const { votes } = view;
      if (votes === "away" || votes.syncSet === undefined) return decide(view);
      return decide({ ...view, votes: { ...votes, syncSet: { ...votes.syncSet, vouchedFor: undefined } } });
    },
  },
  {
    rule: 11,
    name: "a leader without etcd goes on whatever the peer says",
    accident: /stays open although/,
    decide: (view, decide) => {
      const decision = decide(view);
      return view.votes === "away" && decision.action.kind === "fence"
        ? { ...decision, action: { kind: "wait" }, role: "leader" }
        : decision;
    },
  },
  {
    rule: 12,
    name: "any acknowledgement is taken for the peer's",
    accident: /is not on the member/,
    decide: (view, decide) => {
      const database = speaking(view);
      if (database === undefined || database.semiSync.clients <= 1) return decide(view);
      return decide({ ...view, database: { ...database, semiSync: { ...database.semiSync, clients: 1 } } });
    },
  },
  {
    rule: 13,
    name: "opened undrained",
    accident: /without the acknowledged write|is not on the member/,
    decide: (view, decide) => {
      const database = speaking(view);
      const leads = view.votes !== "away" && view.votes.leader?.server === view.me;
      if (!leads || database?.replication === undefined) return decide(view);
      return decide({
        ...view,
        database: { ...database, replication: { ...database.replication, received: GtidSet.empty } },
      });
    },
  },
  {
    rule: 13,
    name: "a member may be as far behind as it likes",
    accident: /stays a member/,
    decide: (view, decide) => decide({ ...withLag(view, 0), peerAnswer: answerWithLag(view) }),
  },
  {
    rule: 13,
    name: "a broken applier is taken for a running one",
    accident: /stays a member/,
    decide: (view, decide) => {
      const mended = (database: Database | undefined): Database | undefined =>
        database?.replication?.applier === "broken"
          ? { ...database, replication: { ...database.replication, applier: "running" } }
          : database;
      const { peerAnswer } = view;
      const database = mended(speaking(view));
      return decide({
        ...view,
        database: database ?? view.database,
        peerAnswer: peerAnswer === "silent" ? peerAnswer : { ...peerAnswer, database: mended(peerAnswer.database) },
      });
    },
  },
  {
    rule: 14,
    name: "the lead moves as often as it likes",
    accident: /without anybody looking/,
    decide: (view, decide) => decide(withoutMoves(view, (move) => move.planned)),
  },
  {
    rule: 14,
    name: "elective moves know no cooldown",
    accident: /within the cooldown/,
    decide: (view, decide) => decide(withoutMoves(view, (move) => !move.planned)),
  },
  {
    rule: 14,
    name: "maintenance does not stop a promotion",
    accident: /promoted during maintenance/,
    decide: (view, decide) => {
      const { votes, pair, peerAnswer } = view;
      if (view.request !== undefined) return decide(view);
      const off = <T extends { maintenance: boolean }>(one: T): T => ({ ...one, maintenance: false });
      const isHeard = peerAnswer !== "silent" && peerAnswer.pairFile !== undefined;
      return decide({
        ...view,
        votes: votes === "away" ? votes : off(votes),
        pair: pair === undefined ? pair : { ...pair, file: off(pair.file) },
        peerAnswer: isHeard ? { ...peerAnswer, pairFile: off(peerAnswer.pairFile) } : peerAnswer,
      });
    },
  },
  {
    rule: 14,
    name: "maintenance also stops degrading",
    accident: /no write for .* maintenance: replica/,
    decide: (view, decide) => {
      const decision = decide(view);
      const { action } = decision;
      const isOn = view.votes === "away" ? view.pair?.file.maintenance === true : view.votes.maintenance;
      const record =
        action.kind === "record-sync-set"
          ? action
          : action.kind === "write-pair-file"
            ? action.file.syncSet
            : undefined;
      return isOn && record?.members.length === 1 ? replaced(decision, { kind: "wait" }) : decision;
    },
  },
  {
    rule: 14,
    name: "a cooldown that also holds a dead leader's successor",
    accident: /no write/,
    decide: (view, decide) => {
      const decision = decide(view);
      return decision.action.kind === "take-lease" && view.leaderlessFor < 45_000 && speaking(view)?.writable === false
        ? { ...decision, action: { kind: "wait" }, role: "none" }
        : decision;
    },
  },
  {
    rule: 15,
    name: "a restarted controller does not know its lease",
    accident: /a failover although nothing/,
    forgetsLease: true,
  },
  { rule: 16, name: "the published role stays for ever", accident: /still published/, roleNeverExpires: true },
  {
    rule: 16,
    name: "the published role ends by the wall clock",
    accident: /still published/,
    deadlineByWallClock: true,
  },
  {
    rule: 17,
    name: "promoted by itself when nobody with the data is left",
    accident: /outside the sync set|without the acknowledged write/,
    decide: (view, decide) => {
      const database = speaking(view);
      const { votes } = view;
      if (votes === "away" || votes.syncSet === undefined || database === undefined) return decide(view);
      const lastLeader = { server: view.me, data: database.data };
      return decide({ ...view, votes: { ...votes, syncSet: { ...votes.syncSet, lastLeader } } });
    },
  },
  {
    rule: 17,
    name: "a person's word does not count when the leader is burnt",
    accident: /no write is acknowledged, and nothing is wrong/,
    decide: (view, decide) => decide(view.request?.kind === "promote" ? { ...view, request: undefined } : view),
  },
  {
    rule: "backend",
    name: "a backend that is down on the leader is nobody's business",
    accident: /whose backend is down/,
    decide: (view, decide) => decide({ ...view, backend: "healthy" }),
  },
  {
    rule: "Redis",
    name: "a promotion waits for Redis",
    accident: /no write for .* has no Redis/,
    decide: (view, decide) => {
      const decision = decide(view);
      const isReady = typeof view.redis !== "string" && view.redis.complete;
      const begins = decision.action.kind === "take-lease" || decision.action.kind === "stop-receiver";
      return begins && !isReady ? replaced(decision, { kind: "wait" }) : decision;
    },
  },
  {
    rule: "Redis",
    name: "a copy that was cut off in the middle is published",
    accident: /cut off in the middle/,
    decide: (view, decide) => {
      const { redis } = view;
      const decision = decide(typeof redis === "string" ? view : { ...view, redis: { ...redis, complete: true } });
      return decision;
    },
    redisLeadsUnchecked: true,
  },
  {
    rule: "Redis",
    name: "an empty Redis leads at once",
    accident: /by a set that began empty/,
    decide: (view, decide) => decide({ ...view, redisNotLeadingFor: Number.POSITIVE_INFINITY }),
  },
  {
    rule: "Redis",
    name: "replicas are let in before the controller has looked",
    accident: /by a set that began empty/,
    redisAdmitsAtBoot: true,
  },
  {
    rule: "Redis",
    name: "clients are sent to a Redis that was restarted since",
    accident: /before it has a role/,
    redisRoleOutlivesRun: true,
  },
];

function withLag(view: View, lagMilliseconds: number): View {
  const database = speaking(view);
  if (database?.replication === undefined) return view;
  return { ...view, database: { ...database, replication: { ...database.replication, lagMilliseconds } } };
}

function answerWithLag(view: View): View["peerAnswer"] {
  const { peerAnswer } = view;
  if (peerAnswer === "silent" || peerAnswer.database?.replication === undefined) return peerAnswer;
  const replication = { ...peerAnswer.database.replication, lagMilliseconds: 0 };
  return { ...peerAnswer, database: { ...peerAnswer.database, replication } };
}

/** @param isKept which moves are still seen. */
function withoutMoves(view: View, isKept: (move: Move) => boolean): View {
  return withSet(view, (set) => ({ ...set, moves: set.moves.filter(isKept) }));
}

function withSet(view: View, change: (set: SyncSet) => SyncSet): View {
  const { votes, pair } = view;
  if (votes !== "away" && votes.syncSet !== undefined)
    return { ...view, votes: { ...votes, syncSet: change(votes.syncSet) } };
  if (pair?.file.syncSet === undefined) return view;
  return { ...view, pair: { ...pair, file: { ...pair.file, syncSet: change(pair.file.syncSet) } } };
}

function speaking(view: View): Database | undefined {
  return typeof view.database === "string" ? undefined : view.database;
}

function replaced(decision: Decisions, action: Action): Decisions {
  return { ...decision, action };
}
