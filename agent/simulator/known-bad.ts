import type { Action, Decisions } from "../action.ts";
import { GtidSet } from "../gtid-set.ts";
import type { Database, View } from "../view.ts";
import type { Variant } from "./variant.ts";

/** One way or more to break each rule of the protocol. The simulator must catch every one; the tests see to it. */
export const knownBad: readonly Variant[] = [
  {
    rule: 1,
    name: "the set of the old epoch stays after a promotion",
    decide: (view, decide) => {
      const database = speaking(view);
      const { votes } = view;
      if (
        votes === "away" ||
        votes.leader?.server !== view.me ||
        votes.syncSet === undefined ||
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
  { rule: 2, name: "the set is written without comparing", recordsBlindly: true },
  { rule: 3, name: "a fence is a clean shutdown", fencesGracefully: true },
  {
    rule: 3,
    name: "a server that does not lead switches semi-sync off",
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
    rule: 5,
    name: "a member is a server, whatever became of its mysqld",
    decide: (view, decide) => {
      const withoutRun = (instance: string) => instance.replace(/\/.*/, "");
      const plain = (database: Database): Database => ({ ...database, instance: withoutRun(database.instance) });
      const { database, votes, peerAnswer } = view;
      const decision = decide({
        ...view,
        database: typeof database === "string" ? database : plain(database),
        votes:
          votes === "away" || votes.syncSet === undefined
            ? votes
            : {
                ...votes,
                syncSet: {
                  ...votes.syncSet,
                  members: votes.syncSet.members.map((one) => ({ ...one, instance: withoutRun(one.instance) })),
                },
              },
        peerAnswer:
          peerAnswer === "silent" || peerAnswer.database === undefined
            ? peerAnswer
            : { ...peerAnswer, database: plain(peerAnswer.database) },
      });
      const real = speaking(view)?.instance;
      const { action } = decision;
      return real !== undefined && "instance" in action ? replaced(decision, { ...action, instance: real }) : decision;
    },
  },
  {
    rule: 7,
    name: "mysqld boots with replication started, and the source is forgotten last",
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
    opensUnchecked: true,
    decide: (view, decide) => {
      const database = speaking(view);
      if (database === undefined) return decide(view);
      return decide({
        ...view,
        database: { ...database, semiSync: { ...database.semiSync, enabled: true, active: true } },
      });
    },
  },
  {
    rule: 9,
    name: "cloned before the leader has recorded its epoch, and not remembered",
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
    decide: (view, decide) =>
      decide({ ...view, record: { ...view.record, clusterId: undefined, highestRevision: 0, epoch: 0 } }),
  },
  {
    rule: 11,
    name: "a leader without etcd goes on whatever the peer says",
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
    decide: (view, decide) => {
      const database = speaking(view);
      if (database === undefined || database.semiSync.clients <= 1) return decide(view);
      return decide({ ...view, database: { ...database, semiSync: { ...database.semiSync, clients: 1 } } });
    },
  },
  {
    rule: 13,
    name: "opened undrained",
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
    rule: 14,
    name: "a cooldown that also holds a dead leader's successor",
    decide: (view, decide) => {
      const decision = decide(view);
      return decision.action.kind === "take-lease" && view.leaderlessFor < 45_000 && speaking(view)?.writable === false
        ? { ...decision, action: { kind: "wait" }, role: "none" }
        : decision;
    },
  },
  { rule: 15, name: "a restarted controller does not know its lease", forgetsLease: true },
  { rule: 16, name: "the published role stays for ever", roleNeverExpires: true },
  {
    rule: 17,
    name: "promoted by itself when nobody with the data is left",
    decide: (view, decide) => {
      const database = speaking(view);
      const { votes } = view;
      if (votes === "away" || votes.syncSet === undefined || database === undefined) return decide(view);
      const lastLeader = { server: view.me, data: database.data };
      return decide({ ...view, votes: { ...votes, syncSet: { ...votes.syncSet, lastLeader } } });
    },
  },
];

function speaking(view: View): Database | undefined {
  return typeof view.database === "string" ? undefined : view.database;
}

function replaced(decision: Decisions, action: Action): Decisions {
  return { ...decision, action };
}
