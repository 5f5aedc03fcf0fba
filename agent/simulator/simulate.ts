import { healAll, planFaults } from "./faults.ts";
import type { Variant } from "./variant.ts";
import { InvariantBroken, World } from "./world.ts";

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
    planFaults(world, settled, faultsUntil);
    world.events.after(healedAt, () => healAll(world));
    world.events.runUntil(end);
    broken = whatIsNotWhole(world);
  } catch (error) {
    if (!(error instanceof InvariantBroken)) throw error;
    broken = error.message;
  }
  return {
    seed,
    broken,
    acknowledged: world.acknowledged.length,
    promotions: world.promotions,
    story: world.story,
  };
}

/** After everything healed: one open leader, both in the set, nothing lost, writes go on. */
function whatIsNotWhole(world: World): string | undefined {
  const { syncSet, leader } = world.votes.read(world.events.now);
  const { a, b } = world.servers;
  const open = [a, b].filter((server) => server.database.writable);
  if (open.length !== 1) return `in the end ${open.length} servers are open`;
  const lead = open[0] as typeof a;
  if (leader?.server !== lead.name) return `in the end ${lead.name} is open and ${leader?.server ?? "nobody"} leads`;
  for (const server of [a, b]) {
    const member = syncSet?.members.find((one) => one.server === server.name);
    if (member?.instance !== server.database.instance) return `in the end ${server.name} is not a member`;
    const lost = world.acknowledged.find((id) => !server.database.holds(id));
    if (lost !== undefined) return `in the end the acknowledged write ${lost} is not on ${server.name}`;
  }
  if (world.events.now - world.lastAcknowledgedAt > 3000) return "in the end no write is acknowledged";
  return undefined;
}
