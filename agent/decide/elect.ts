import type { Decision } from "../action.ts";
import type { Database, Limits, SyncSet, View, Votes } from "../view.ts";
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
import { whyTooManyMoves } from "./moves.ts";

/** Nobody leads. */
export function elect(view: View, votes: Votes, limits: Limits): Decision {
  const set = votes.syncSet;
  if (view.database === "down") {
    return votes.maintenance
      ? wait("none", "maintenance: mysqld is down, and whoever stopped it starts it")
      : act({ kind: "start-database" }, "none", "nobody leads, and mysqld is down here");
  }
  const database = speaking(view.database);
  if (database === undefined) return wait("none", "nobody leads, and mysqld does not answer here");
  const role = replicaRole(database);
  if (set === undefined) return wait(role, "the pair is not set up yet: im-ha reinit --leader");
  if (view.record.cloning) return wait("none", "nobody leads, and this server's copy is not complete");
  const why = whyNotPromoted(view, votes, set, database, limits);
  if (why !== undefined) return wait(role, why);

  const better = whoIsBetter(view, votes, set, database);
  if (better !== undefined && view.leaderlessFor < limits.yieldFor) return wait(role, better);
  return act({ kind: "take-lease" }, role, "nobody leads, and this server has every acknowledged write");
}

/** What stands between a free lead and this server. */
export function whyNotPromoted(
  view: View,
  votes: Votes,
  set: SyncSet,
  database: Database,
  limits: Limits,
): string | undefined {
  // The command has asked a person to confirm what no program can know: that the other server is off and stays so.
  if (view.request?.kind === "promote") return undefined;
  if (!isEligible(set, view.me, database, view.record.withdrawn)) {
    return "nobody leads, and this server may lack acknowledged writes; if the other will not come back: im-ha promote --accept-data-loss";
  }
  if (ledLast(set, view.me, database)) return undefined;
  if (votes.maintenance && !database.writable) return "maintenance: nobody is promoted";
  return whyTooManyMoves(set, votes.resumedAt, view.now, limits);
}

/** Why the other server should lead, if it should. It gets a moment; then this one goes. */
function whoIsBetter(view: View, votes: Votes, set: SyncSet, database: Database): string | undefined {
  if (votes.handover === view.peer) return "a switchover to the other server is planned";
  if (!peerIsEligible(view, set) || votes.maintenance) return undefined;
  if (memberOf(set, view.me)?.instance !== database.instance) return "mysqld was restarted here, the other's was not";
  if (peerDatabase(view)?.writable && !database.writable) return "the other server is still open";
  return undefined;
}
