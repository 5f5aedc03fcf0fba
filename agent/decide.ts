import type { Decision, Decisions } from "./action.ts";
import { elect } from "./decide/elect.ts";
import { follow } from "./decide/follow.ts";
import { whyHalted } from "./decide/halt.ts";
import { act } from "./decide/judge.ts";
import { lead } from "./decide/lead.ts";
import { decideWithoutWitness, leaderOfFile } from "./decide/pair.ts";
import { decideRedis } from "./decide/redis.ts";
import { answerRequest, reinit } from "./decide/request.ts";
import { standWithoutVotes } from "./decide/without-votes.ts";
import { defaultLimits, type Limits, type ServerName, type View, type Votes } from "./view.ts";

export { advanceRecord, whyHalted } from "./decide/halt.ts";

/**
 * The whole controller in one pure function: from what is seen now to the one next thing to do. It keeps no state of its own, so a
 * controller that was killed, paused or restarted in the middle of anything goes on from what it sees. The rules and the accidents that
 * they prevent: docs/failover-protocol.md. Which transactions are safe never depends on a clock; the bounds in `limits` decide only how
 * long people wait.
 */
export function decide(view: View, limits: Limits = defaultLimits): Decisions {
  const decision =
    view.pair === undefined ? decideWithVotes(view, view.votes, limits) : decideWithoutWitness(view, view.pair, limits);
  return { ...decision, redis: decideRedis(view, decision.role, knownLeader(view), limits) };
}

function decideWithVotes(view: View, votes: View["votes"], limits: Limits): Decision {
  if (votes === "away") return standWithoutVotes(view, `etcd does not answer for ${view.votesAwayFor} ms`);
  const halted = whyHalted(view.record, votes);
  if (halted !== undefined) return standHalted(view, votes, halted);
  const answer = answerRequest(view, votes, limits);
  if (answer !== undefined) return answer;
  switch (votes.leader?.server) {
    case view.me:
      return lead(view, votes, limits);
    case view.peer:
      return follow(view, votes);
    default:
      return elect(view, votes, limits);
  }
}

/** Only a person who looked at both servers can say who has the data. */
function standHalted(view: View, votes: Votes, why: string): Decision {
  const { request } = view;
  const because = `HALTED: ${why}. im-ha reinit --leader tells who has the data`;
  // It boots closed; and who has the data can only be seen when both answer.
  if (view.database === "down") return act({ kind: "start-database" }, "none", because);
  const stand = standWithoutVotes(view, because);
  if (request === undefined) return stand;
  const refused = (reason: string): Decision =>
    act({ kind: "finish-request", id: request.id, outcome: "refused" }, stand.role, reason);
  if (request.kind !== "reinit") return refused(because);
  // Nobody renews a lease of a cluster that nobody believes: it ends by itself.
  return votes.leader === undefined ? (reinit(view, votes, request, refused) ?? stand) : stand;
}

function knownLeader(view: View): ServerName | undefined {
  if (view.pair !== undefined) return leaderOfFile(view.pair.file);
  return view.votes === "away" ? undefined : view.votes.leader?.server;
}
