import type { Redis, ServerName, SyncSet } from "../view.ts";
import { defaultLimits } from "../view.ts";
import type { SimulatedRedis } from "./simulated-redis.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import type { World } from "./world.ts";

/** Raised at the first broken invariant. */
export class InvariantBroken extends Error {}

/** A lease and a few timeouts of a request: within this a living controller must have fenced. */
const supersededBound = 9000;
/** The longest time between a decision and its effect, when controllers hesitate. */
const longestHesitation = 9000;
/** A published role lasts 3 s; more than that after the controller's death is a virtual IP that points at nobody. */
const publishedBound = 5000;
/** With nothing wrong any more for so long (a clone, an operator who looks first), writes are acknowledged. */
const livenessBound = 32_000;

/** What must hold after every step, and what a person would complain of; and the tally of what happened. */
export class Invariants {
  readonly #world: World;
  /** Ids of every write that a client was told is done. */
  acknowledged: number[] = [];
  openedBy: { epoch: number; server: ServerName } = { epoch: 1, server: "a" };
  lastAcknowledgedAt = 0;
  promotions = 0;
  /** Unplanned moves since an operator looked. */
  unplannedMoves = 0;
  #moves = 0;
  /** Nothing happens in this schedule that may cost a failover. */
  mayNotFailOver = false;
  /** Writes may not stand still for longer, from a moment on. */
  stall: { readonly bound: number; readonly from: number; readonly to: number; readonly why: string } | undefined;
  /** The leader must be another than this one by then. */
  mustHaveMoved: { readonly from: ServerName; readonly by: number } | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#watch();
  }

  break(what: string): never {
    throw new InvariantBroken(`at ${this.#world.events.now} ms: ${what}`);
  }

  // --- every step ----------------------------------------------------------------------------------------------------------------

  onOpened(server: SimulatedServer, epoch: number): void {
    server.openedEpoch = epoch;
    if (epoch === this.openedBy.epoch && server.name !== this.openedBy.server) {
      this.break(`both servers are open in epoch ${epoch}`);
    }
    if (epoch > this.openedBy.epoch) this.openedBy = { epoch, server: server.name };
    // Without a witness an old leader of two may open again and only waits: the current epoch must have everything.
    if (this.#world.witness !== "etcd" && epoch < this.openedBy.epoch) return;
    const missing = this.acknowledged.find((id) => !server.database.contents.has(id));
    if (missing !== undefined) this.break(`${server.name} was opened without the acknowledged write ${missing}`);
  }

  onAcknowledged(server: SimulatedServer, id: number): void {
    this.acknowledged.push(id);
    this.#checkStall(this.#world.events.now);
    this.lastAcknowledgedAt = this.#world.events.now;
    // An acknowledgement that was on its way when the server froze may come late: then the new leader has the write.
    const { servers } = this.#world;
    if (server.openedEpoch < this.openedBy.epoch && !servers[this.openedBy.server].database.contents.has(id)) {
      this.break(
        `${server.name} acknowledges in epoch ${server.openedEpoch} after ${this.openedBy.server} was opened in ${this.openedBy.epoch}`,
      );
    }
    this.#checkHolds(id);
  }

  /** @param before the record that was in force. @param isReleased whether the old leader had given the lead up (without a witness). */
  onRecorded(server: SimulatedServer, before: SyncSet | undefined, after: SyncSet, isReleased: boolean): void {
    if (before !== undefined && after.epoch > before.epoch) this.#onPromoted(server, before, after, isReleased);
    for (const id of this.acknowledged) this.#checkHolds(id);
  }

  #onPromoted(server: SimulatedServer, before: SyncSet, after: SyncSet, isReleased: boolean): void {
    const world = this.#world;
    const { database } = server;
    this.promotions += 1;
    if (this.mayNotFailOver) this.break("a failover although nothing happened that needs one");
    // The run that drained: a restart since then boots with all that it had executed.
    const promoted = after.members.find((one) => one.server === server.name)?.instance;
    const wasMember = before.members.some((one) => one.server === server.name && one.instance === promoted);
    const ledLast = before.lastLeader.server === server.name && before.lastLeader.data === database.data;
    if (after.acceptedLoss !== undefined) {
      if (!world.operator.hasConfirmedPromotionOf(server.name))
        this.break(`${server.name} accepts a loss that nobody accepted`);
      // A person has said that these are lost.
      this.acknowledged = this.acknowledged.filter((id) => database.holds(id));
    } else if (!wasMember && !ledLast) {
      this.break(`${server.name} was promoted outside the sync set`);
    }
    if (ledLast) return;
    const isPlanned = after.moves.at(-1)?.planned === true;
    const isForced = after.acceptedLoss !== undefined || world.operator.hasConfirmedPromotionOf(server.name);
    this.#moves += 1;
    if (isForced) return;
    if (world.isMaintenance()) this.break(`${server.name} was promoted during maintenance`);
    if (world.witness === "availability" && !isReleased) {
      this.break(`${server.name} took over by itself, and the other may have gone on alone`);
    }
    if (isPlanned) return;
    this.unplannedMoves += 1;
    if (this.unplannedMoves > defaultLimits.moves && !world.hadClockFaults) {
      this.break(`the lead moved ${this.unplannedMoves} times without anybody looking`);
    }
  }

  /** A switchover that no operator asked for. */
  onElectiveMove(): void {
    if (this.#moves > 0 && !this.#world.hadClockFaults)
      this.break("an elective move within the cooldown of another move");
  }

  /** Every acknowledged write is on every member. */
  #checkHolds(id: number): void {
    const world = this.#world;
    // What an old copy says of the members means nothing until an operator has looked.
    if (world.wasRestored) return;
    for (const member of world.syncSet()?.members ?? []) {
      const { database } = world.servers[member.server];
      if (database.instance === member.instance && !database.holds(id)) {
        this.break(`the acknowledged write ${id} is not on the member ${member.server}`);
      }
    }
  }

  // --- Redis ---------------------------------------------------------------------------------------------------------------------

  onRedisServes(server: SimulatedServer): void {
    const { redis } = server;
    if (redis.assigned === undefined) this.break(`clients are sent to ${server.name}'s Redis before it has a role`);
    if (!redis.complete) this.break(`clients are sent to ${server.name}'s Redis, whose copy was cut off in the middle`);
  }

  onRedisCopied(server: SimulatedServer, before: SimulatedRedis["onDisk"], source: SimulatedRedis): void {
    if (before.newest > 0 && source.oldest > before.oldest && !source.ledEmpty) {
      this.break(`${server.name}'s Redis replaced what it had by a set that began empty`);
    }
  }

  // --- from time to time ---------------------------------------------------------------------------------------------------------

  #watch(): void {
    const world = this.#world;
    const { now } = world.events;
    for (const server of [world.servers.a, world.servers.b]) {
      this.#watchSuperseded(server, now);
      this.#watchPublished(server, now);
      this.#watchMember(server, now);
    }
    this.#checkStall(now);
    const { mustHaveMoved } = this;
    if (mustHaveMoved !== undefined && now > mustHaveMoved.by) {
      if (this.openedBy.server === mustHaveMoved.from)
        this.break(`the lead stayed with ${mustHaveMoved.from}, whose backend is down`);
      this.mustHaveMoved = undefined;
    }
    if (world.calmFor() > livenessBound && now - this.lastAcknowledgedAt > 5000) {
      this.break(`no write is acknowledged, and nothing is wrong since ${world.calmFor()} ms`);
    }
    world.events.after(500, () => this.#watch());
  }

  /** A server that goes on although another leads. */
  #watchSuperseded(server: SimulatedServer, now: number): void {
    const isSuperseded = server.database.writable && server.openedEpoch < this.openedBy.epoch;
    const controls = server.isUp && !server.isPaused && server.controller?.isRunning && !server.database.isHung;
    server.supersededSince = isSuperseded && controls ? (server.supersededSince ?? now) : undefined;
    const bound = supersededBound + (this.#world.wasHesitating ? longestHesitation : 0);
    if (server.supersededSince !== undefined && now - server.supersededSince > bound) {
      this.break(`${server.name} stays open although ${this.openedBy.server} leads`);
    }
  }

  /** A virtual IP that points at a dead or frozen controller. */
  #watchPublished(server: SimulatedServer, now: number): void {
    const controls = server.controller?.isRunning === true;
    server.uncontrolledSince = controls ? undefined : (server.uncontrolledSince ?? now);
    const since = server.uncontrolledSince;
    if (!server.isUp || since === undefined || now - since < publishedBound) return;
    const { role } = server.published;
    if (role !== "none" && this.#world.isPublished(server)) {
      this.break(`${server.name} is still published as ${role}, and its controller is dead`);
    }
  }

  /** A member that is far behind, or cannot apply at all: the next failover would take as long. */
  #watchMember(server: SimulatedServer, now: number): void {
    const world = this.#world;
    const { database } = server;
    const isMember = world
      .syncSet()
      ?.members.some((one) => one.server === server.name && one.instance === database.instance);
    const isBad = database.lag(now) > defaultLimits.lag || database.applier === "broken";
    const leader = world.servers[this.openedBy.server];
    const isLed = leader !== server && leader.database.writable && leader.controller?.isRunning === true;
    const isWatched = isMember && isBad && isLed && world.calmFor() > 0;
    server.laggingSince = isWatched ? (server.laggingSince ?? now) : undefined;
    if (server.laggingSince !== undefined && now - server.laggingSince > 6000) {
      this.break(`${server.name} stays a member, and a failover would wait long for it`);
    }
  }

  #checkStall(now: number): void {
    const { stall } = this;
    if (stall === undefined || now < stall.from || now > stall.to + stall.bound) return;
    const since = Math.max(stall.from, this.lastAcknowledgedAt);
    if (now - since > stall.bound) this.break(`no write for ${now - since} ms: ${stall.why}`);
  }

  // --- in the end ----------------------------------------------------------------------------------------------------------------

  /** After everything healed: one open leader, both in the set, nothing lost, writes go on, Redis beside it. */
  whatIsNotWhole(): string | undefined {
    const world = this.#world;
    const { a, b } = world.servers;
    const open = [a, b].filter((server) => server.database.writable);
    if (open.length !== 1) return `in the end ${open.length} servers are open`;
    const lead = open[0] as SimulatedServer;
    const leader = world.leader();
    if (leader !== lead.name) return `in the end ${lead.name} is open and ${leader ?? "nobody"} leads`;
    for (const server of [a, b]) {
      const member = world.syncSet()?.members.find((one) => one.server === server.name);
      if (member?.instance !== server.database.instance) return `in the end ${server.name} is not a member`;
      const lost = this.acknowledged.find((id) => !server.database.holds(id));
      if (lost !== undefined) return `in the end the acknowledged write ${lost} is not on ${server.name}`;
    }
    if (world.events.now - this.lastAcknowledgedAt > 3000) return "in the end no write is acknowledged";
    const redis = lead.redis.observe();
    const copy = world.other(lead).redis.observe();
    if (redis?.assigned !== "leader" || !redis.complete) return `in the end Redis does not lead on ${lead.name}`;
    return isFollowing(copy, lead.name) ? undefined : `in the end Redis does not follow ${lead.name}`;
  }
}

function isFollowing(copy: Redis | undefined, source: ServerName): boolean {
  return copy?.assigned === "replica" && copy.source === source && copy.link === "up" && copy.complete;
}
