import type { Decision } from "../action.ts";
import type { Database, View, Votes } from "../view.ts";
import { act, memberOf, peerDatabase, replicaRole, speaking, wait } from "./judge.ts";

/** The other server leads. */
export function follow(view: View, votes: Votes): Decision {
  if (view.database === "down") {
    return votes.maintenance
      ? wait("none", "maintenance: mysqld is down, and whoever stopped it starts it")
      : act({ kind: "start-database" }, "none", "the other server leads, and mysqld is down here");
  }
  const database = speaking(view.database);
  if (database === undefined) return wait("none", "the other server leads, and mysqld does not answer here");
  if (database.writable) {
    return act(
      { kind: "fence", instance: database.instance },
      "none",
      "the other server leads, and mysqld is open here",
    );
  }
  const set = votes.syncSet;
  const leader = peerDatabase(view);
  // Until the leader has recorded its epoch it may still be draining what the last one sent.
  const leaderIsReady =
    set !== undefined && votes.leader !== undefined && set.leaderRevision === votes.leader.createRevision;
  if (!leaderIsReady || leader === undefined) {
    return wait(replicaRole(database), "the other server leads; waiting until it answers and has recorded its epoch");
  }
  if (view.record.cloning) {
    return memberOf(set, view.me) === undefined
      ? act({ kind: "clone", source: view.peer }, "none", "the copy of the leader is not complete")
      : wait("none", "the copy is not complete, and the leader has not taken this server out of the set yet");
  }
  if (database.semiSync.enabled) {
    // Switched off here, it would answer OK to whoever still waits. It also freezes this server's own applier.
    return act(
      { kind: "fence", instance: database.instance },
      "none",
      "semi-sync of a leader is on, and this server does not lead",
    );
  }
  return replicate(view, database, leader, set);
}

function replicate(view: View, database: Database, leader: Database, set: NonNullable<Votes["syncSet"]>): Decision {
  const { instance, replication } = database;
  const role = replicaRole(database);
  if (replication === undefined || replication.source !== view.peer) {
    // Auto-position would connect an old primary without an error, and diverge.
    if (leader.executed.contains(database.executed) && !(database.executed.isEmpty && !leader.executed.isEmpty)) {
      return act({ kind: "follow", instance, source: view.peer }, role, "the leader has everything that is here");
    }
    return memberOf(set, view.me) === undefined
      ? act({ kind: "clone", source: view.peer }, "none", "transactions here that the leader has not, or none at all")
      : wait("none", "transactions here that the leader has not; waiting to be taken out of the set");
  }
  if (replication.applier === "broken") return wait("none", "the applier is broken: im-ha status says why");
  if (replication.applier === "stopped")
    return act({ kind: "start-applier", instance }, role, "the applier is stopped");
  if (replication.receiver === "stopped")
    return act({ kind: "start-receiver", instance }, role, "the receiver is stopped");
  return wait(role, "following");
}
