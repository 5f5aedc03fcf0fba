import type { Decision } from "../action.ts";
import type { View } from "../view.ts";
import { act, peerDatabase, replicaRole, speaking, wait } from "./judge.ts";

/**
 * etcd is away, or cannot be believed. Nobody is promoted. A leader stays when nobody else can have been: it is alone in the set, its
 * lease is still in force, or the peer itself says that it follows. Else it is fenced, so that no client waits for a commit
 * that nobody acknowledges and nobody reads what may be old.
 */
export function standWithoutVotes(view: View, why: string): Decision {
  const database = speaking(view.database);
  if (database === undefined || !database.writable) return wait(replicaRole(database), why);
  // A suite that is being taken over: it runs as it always ran, and nobody else can have been promoted.
  if (view.record.epoch === 0) return wait("none", `${why}; the pair was never set up here, mysqld is left alone`);
  const set = view.lastSyncSet;
  const alone = set?.members.every((member) => member.server === view.me) === true;
  // With semi-sync off nobody can have been added: adding begins with switching it on.
  if (set !== undefined && alone && (!database.semiSync.enabled || view.memory.aloneAt === set.modRevision)) {
    return wait("leader", `${why}; nobody else has the data, this server goes on`);
  }
  if ((view.lease?.remaining ?? 0) > 0) return wait("leader", `${why}; the lease is still in force`);
  if (
    set !== undefined &&
    view.peerAnswer !== "silent" &&
    view.peerAnswer.leader === view.me &&
    view.peerAnswer.epoch === set.epoch &&
    peerDatabase(view)?.replication?.source === view.me
  ) {
    return wait("leader", `${why}; the other server answers and follows`);
  }
  return act({ kind: "fence", instance: database.instance }, "none", `${why}; the other server may have been promoted`);
}
