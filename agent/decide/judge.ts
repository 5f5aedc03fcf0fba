import type { Action, Decision, Role } from "../action.ts";
import type { Database, Member, SyncSet, View, Votes, Withdrawal } from "../view.ts";

/** A decision to do nothing for now. */
export function wait(role: Role, because: string): Decision {
  return { action: { kind: "wait" }, role, because };
}

export function act(action: Action, role: Role, because: string): Decision {
  return { action, role, because };
}

/** The database's own words, when it speaks. */
export function speaking(database: View["database"]): Database | undefined {
  return typeof database === "string" ? undefined : database;
}

export function peerDatabase(view: View): Database | undefined {
  return view.peerAnswer === "silent" ? undefined : view.peerAnswer.database;
}

export function memberOf(set: SyncSet, server: string): Member | undefined {
  return set.members.find((member) => member.server === server);
}

export function ledLast(set: SyncSet, server: string, database: Database): boolean {
  return set.lastLeader.server === server && set.lastLeader.data === database.data;
}

/**
 * Whether a server has every acknowledged transaction: it is a member, in the same run of mysqld, and has not withdrawn; or it led
 * last, with the same data directory. Nobody else is ever promoted by itself.
 */
export function isEligible(
  set: SyncSet,
  server: string,
  database: Database,
  withdrawn: Withdrawal | undefined,
): boolean {
  if (ledLast(set, server, database)) return true;
  const { instance } = database;
  return memberOf(set, server)?.instance === instance && withdrawn?.instance !== instance;
}

export function peerIsEligible(view: View, set: SyncSet): boolean {
  const database = peerDatabase(view);
  if (database === undefined || view.peerAnswer === "silent" || view.peerAnswer.cloning) return false;
  return isEligible(set, view.peer, database, view.peerAnswer.withdrawn);
}

/** Everything that a replica has: applied or still in its relay log. */
export function has(database: Database, wanted: Database["executed"]): boolean {
  const received = database.replication?.received;
  return (received === undefined ? database.executed : database.executed.union(received)).contains(wanted);
}

/** What this server is to others as things are. */
export function presentRole(view: View, votes: Votes): Role {
  const database = speaking(view.database);
  const { leader, syncSet } = votes;
  const leads = leader?.server === view.me && syncSet?.leaderRevision === leader.createRevision;
  return leads && database?.writable ? "leader" : replicaRole(database);
}

/** What a server is to others while it does not lead: readable when it replicates. */
export function replicaRole(database: Database | undefined): Role {
  const replication = database?.replication;
  return replication?.receiver === "connected" && replication.applier === "running" ? "replica" : "none";
}
