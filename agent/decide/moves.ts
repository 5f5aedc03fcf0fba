import type { Limits, SyncSet } from "../view.ts";

/**
 * Rule 14. A pair whose lead goes to and fro has a fault that a move does not mend. Wall clocks count here: they decide how often we
 * move, never what is safe. A stamp from the future counts like one from the past, or a clock set back would hide it.
 */
function movesWithin(set: SyncSet, now: number, span: number) {
  return set.moves.filter((move) => Math.abs(now - move.at) < span);
}

/** Why nobody may be promoted by itself any more. */
export function whyTooManyMoves(
  set: SyncSet,
  resumedAt: number | undefined,
  now: number,
  limits: Limits,
): string | undefined {
  const counted = movesWithin(set, now, limits.movesWindow).filter(
    (move) => !move.planned && (resumedAt === undefined || move.at > resumedAt),
  );
  return counted.length < limits.moves
    ? undefined
    : `HALTED: the lead moved ${counted.length} times within an hour. Find out why, then type: im-ha resume`;
}

/** Whether a move that nobody needs must wait. */
export function isCoolingDown(set: SyncSet, now: number, limits: Limits): boolean {
  return movesWithin(set, now, limits.cooldown).length > 0;
}

/** The moves to record with a promotion: those that can still count, and this one when it is one. */
export function movesAfter(set: SyncSet, now: number, limits: Limits, move: "planned" | "unplanned" | "none") {
  const kept = movesWithin(set, now, limits.movesWindow);
  return move === "none" ? kept : [...kept, { at: now, planned: move === "planned" }];
}
