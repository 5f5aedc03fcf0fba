import { healAll } from "./faults.ts";
import { InvariantBroken } from "./invariants.ts";
import { planSchedule } from "./schedules.ts";
import type { Variant } from "./variant.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  /** The first broken invariant; undefined when all held. */
  readonly broken: string | undefined;
  readonly acknowledged: number;
  readonly promotions: number;
  /** What happened, when it was recorded. */
  readonly story: readonly string[];
}

/** Until here the pair comes together, without faults. */
const settled = 6000;
const faultsUntil = 30_000;
const healedAt = 34_000;
const end = 75_000;

/** One schedule: the pair comes together, faults happen, everything heals, and the pair must be whole again. */
export function simulate(seed: number, options: { variant?: Variant; record?: boolean } = {}): Outcome {
  const world = new World(seed, options.variant, options.record);
  let broken: string | undefined;
  try {
    planSchedule(world, settled, faultsUntil);
    world.events.after(healedAt, () => healAll(world));
    world.events.runUntil(end);
    broken = world.invariants.whatIsNotWhole();
  } catch (error) {
    if (!(error instanceof InvariantBroken)) throw error;
    broken = error.message;
  }
  return {
    seed,
    broken,
    acknowledged: world.invariants.acknowledged.length,
    promotions: world.invariants.promotions,
    story: world.story,
  };
}
