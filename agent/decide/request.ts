import type { Decision } from "../action.ts";
import type { Limits, OperatorRequest, View, Votes } from "../view.ts";
import { act, memberOf, peerDatabase, presentRole, speaking } from "./judge.ts";
import { whyPeerIsNotReady } from "./lead.ts";
import { whyTooManyMoves } from "./moves.ts";

/**
 * What an operator asked for, when it can be answered or begun at once. @returns undefined when nothing was asked, or when the usual
 * course of things carries it out (`degrade` and `promote` change what that course is).
 */
export function answerRequest(view: View, votes: Votes, limits: Limits): Decision | undefined {
  const { request } = view;
  if (request === undefined) return undefined;
  const role = presentRole(view, votes);
  const finish = (outcome: "done" | "refused") => (because: string) =>
    act({ kind: "finish-request", id: request.id, outcome }, role, because);
  const done = finish("done");
  const refused = finish("refused");
  const leader = votes.leader?.server;
  const set = votes.syncSet;
  switch (request.kind) {
    case "maintenance":
      return votes.maintenance
        ? done("maintenance: nobody is promoted or demoted until im-ha resume")
        : act({ kind: "set-maintenance", on: true, resumedAt: undefined }, role, "the operator asks for maintenance");
    case "resume": {
      const isHalted =
        votes.maintenance ||
        (set !== undefined && whyTooManyMoves(set, votes.resumedAt, view.now, limits) !== undefined);
      if (isHalted) {
        return act({ kind: "set-maintenance", on: false, resumedAt: view.now }, role, "the operator resumes");
      }
      const { withdrawn } = view.record;
      if (withdrawn === undefined) return done("resumed");
      // Taken back sooner, the leader could still go on alone because of it, while this server believes itself a member.
      return set !== undefined && memberOf(set, view.me)?.instance === withdrawn.instance
        ? undefined
        : act({ kind: "withdraw", withdrawal: undefined }, role, "the operator takes the withdrawal back");
    }
    case "switchover":
      if (leader !== view.me) return refused(`${leader ?? "nobody"} leads: type it there`);
      if (request.to === view.me) return done("this server leads already");
      if (votes.handover === request.to) return done("the switchover begins");
      if (votes.maintenance) return refused("maintenance: im-ha resume first");
      if (set === undefined || memberOf(set, view.peer) === undefined) {
        return refused("the other server lacks acknowledged writes; im-ha status says why");
      }
      return (
        optional(whyPeerIsNotReady(view, set), refused) ??
        act(
          { kind: "request-handover", to: request.to, leaderRevision: set.leaderRevision },
          role,
          "the operator asks for a switchover",
        )
      );
    case "degrade":
      return answerDegrade(view, votes, request, done, refused);
    case "promote":
      return answerPromote(view, votes, done, refused);
    case "reinit":
      return leader === undefined || view.pair !== undefined
        ? reinit(view, votes, request, refused)
        : refused(`${leader} leads: nothing to mend`);
  }
}

type Answer = (because: string) => Decision;

function optional(why: string | undefined, answer: Answer): Decision | undefined {
  return why === undefined ? undefined : answer(why);
}

function answerDegrade(
  view: View,
  votes: Votes,
  request: OperatorRequest & { kind: "degrade" },
  done: Answer,
  refused: Answer,
): Decision | undefined {
  const set = votes.syncSet;
  if (set === undefined) return refused("the pair is not set up yet");
  const database = speaking(view.database);
  if (set.lastLeader.server === view.me) {
    if (memberOf(set, view.peer) === undefined && database?.writable)
      return done("this server goes on without the other");
    if (!request.peerIsOff)
      return refused("this server leads; type it on the other, or, when that one is off, with --peer-is-off");
    return view.peerAnswer === "silent"
      ? undefined
      : refused("the other server answers, so it is not off: im-ha degrade there, then stop it");
  }
  if (request.peerIsOff) return refused("the other server leads: im-ha promote, if it is off for good");
  const member = memberOf(set, view.me);
  if (member === undefined || (database !== undefined && member.instance !== database.instance)) {
    return done("this server is not in the set: it may be stopped");
  }
  return view.record.withdrawn?.instance === member.instance && view.record.withdrawn.planned
    ? undefined
    : act(
        { kind: "withdraw", withdrawal: { instance: member.instance, planned: true } },
        presentRole(view, votes),
        "the operator takes this server out of the set",
      );
}

function answerPromote(view: View, votes: Votes, done: Answer, refused: Answer): Decision | undefined {
  const database = speaking(view.database);
  if (presentRole(view, votes) === "leader") return done("this server leads");
  if (votes.leader?.server === view.peer && view.pair === undefined) return refused("the other server leads");
  if (view.peerAnswer !== "silent" && !isWhatLedGone(view, votes)) {
    return refused("the other server answers, so it is not off");
  }
  if (view.record.cloning || database?.executed.isEmpty) return refused("there is no whole copy of the data here");
  return undefined;
}

/** The server that led is back with another data directory. */
function isWhatLedGone(view: View, votes: Votes): boolean {
  const peer = peerDatabase(view);
  const { syncSet: set } = votes;
  if (peer === undefined || set?.lastLeader.server !== view.peer) return false;
  return peer.data !== set.lastLeader.data && !peer.writable;
}

/** This server has the data, whatever etcd says. Also how a pair begins. */
export function reinit(
  view: View,
  votes: Votes,
  request: OperatorRequest,
  refused: (because: string) => Decision,
): Decision | undefined {
  const database = speaking(view.database);
  if (database === undefined) return refused("mysqld does not answer here");
  if (view.record.cloning) return refused("there is no whole copy of the data here");
  const peer = peerDatabase(view);
  if (peer?.writable) return refused("the other server is open: it leads, or stop it first");
  const { syncSet } = votes;
  const known = view.peerAnswer === "silent" ? 0 : view.peerAnswer.epoch;
  if (known > view.record.epoch) {
    return refused(`the other server knows epoch ${known}, and this one ${view.record.epoch}: the data is there`);
  }
  return act(
    {
      kind: "reinit",
      id: request.id,
      record: {
        members: [{ server: view.me, instance: database.instance }],
        epoch: Math.max(syncSet?.epoch ?? 0, view.record.epoch, known) + 1,
        lastLeader: { server: view.me, data: database.data },
        ifModRevision: syncSet?.modRevision ?? 0,
        moves: [],
        vouchedFor: votes.clusterId,
        acceptedLoss: syncSet?.acceptedLoss,
      },
    },
    "none",
    "the operator says that this server has the data",
  );
}
