import type { Decision } from "../action.ts";
import type { Limits, View, Votes } from "../view.ts";
import { act, isEligible, memberOf, peerDatabase, peerIsEligible, replicaRole, speaking, wait } from "./judge.ts";

/** Nobody leads. */
export function elect(view: View, votes: Votes, limits: Limits): Decision {
  const set = votes.syncSet;
  if (view.database === "down") {
    return act({ kind: "start-database" }, "none", "nobody leads, and mysqld is down here");
  }
  const database = speaking(view.database);
  if (database === undefined) return wait("none", "nobody leads, and mysqld does not answer here");
  const role = replicaRole(database);
  if (set === undefined) return wait(role, "the pair is not set up yet: im-ha reinit --leader");
  if (view.record.cloning) return wait("none", "nobody leads, and this server's copy is not complete");
  if (!isEligible(set, view.me, database)) {
    return wait(role, "nobody leads, and this server may lack acknowledged writes");
  }
  if (votes.maintenance && !database.writable) return wait(role, "maintenance: nobody is promoted");

  const better = whoIsBetter(view, votes, set, database);
  if (better !== undefined && view.leaderlessFor < limits.yieldFor) return wait(role, better);
  return act({ kind: "take-lease" }, role, "nobody leads, and this server has every acknowledged write");
}

/** Why the other server should lead, if it should. It gets a moment; then this one goes. */
function whoIsBetter(
  view: View,
  votes: Votes,
  set: NonNullable<Votes["syncSet"]>,
  database: NonNullable<ReturnType<typeof speaking>>,
): string | undefined {
  if (votes.handover === view.peer) return "a switchover to the other server is planned";
  if (!peerIsEligible(view, set)) return undefined;
  if (memberOf(set, view.me)?.instance !== database.instance) return "mysqld was restarted here, the other's was not";
  if (peerDatabase(view)?.writable && !database.writable) return "the other server is still open";
  return undefined;
}
