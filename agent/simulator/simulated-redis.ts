import type { RedisAction } from "../action.ts";
import type { Redis, ServerName } from "../view.ts";

/**
 * Redis as far as a failover can see it: a data set (its newest write), a file on disk or none, full copies that take their time and can
 * be cut off in the middle, and a master that restarts empty.
 */
export class SimulatedRedis {
  readonly server: ServerName;
  isUp = true;
  runs = 1;
  source: ServerName | undefined;
  link: Redis["link"] = "down";
  complete = true;
  /** Newest write in memory; 0 is the empty set. */
  newest = 0;
  /** Oldest write in memory: what came before was lost with an earlier run. */
  oldest = Number.POSITIVE_INFINITY;
  /** What is in the file, when this Redis keeps one. */
  onDisk = { newest: 0, oldest: Number.POSITIVE_INFINITY };
  keepsFile = true;
  /** Came back empty and was made a leader without anybody to copy from. */
  ledEmpty = false;
  /** What a controller made of which run; in /run. */
  #assigned: { run: number; role: NonNullable<Redis["assigned"]> } | undefined;
  /** The run of the source from which the last full copy came: from there only what is new is fetched. */
  #copiedFrom: string | undefined;
  #copyEndsAt: number | undefined;

  constructor(server: ServerName) {
    this.server = server;
  }

  get run(): string {
    return `${this.server}-redis-${this.runs}`;
  }

  get assigned(): Redis["assigned"] {
    return this.#assigned?.run === this.runs ? this.#assigned.role : undefined;
  }

  /** Replicas are let in only by a Redis that a controller has looked at. */
  admits(admitsAtBoot: boolean): boolean {
    if (!this.isUp || this.source !== undefined || !this.complete) return false;
    return admitsAtBoot || this.assigned === "leader" || this.assigned === "detached";
  }

  write(id: number): void {
    this.newest = id;
    this.oldest = Math.min(this.oldest, id);
  }

  save(): void {
    if (this.isUp && this.complete) this.onDisk = { newest: this.newest, oldest: this.oldest };
  }

  kill(): void {
    this.isUp = false;
  }

  /** Its own file, or nothing. A source that is written in a configuration file survives. */
  start(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.runs += 1;
    this.#load();
    this.complete = true;
    this.link = "down";
    this.#copiedFrom = undefined;
    this.#copyEndsAt = undefined;
  }

  /** @param leadsUnchecked without a look whether the data set is still whole. */
  perform(action: RedisAction, leadsUnchecked = false): void {
    if (action.kind === "wait" || !this.isUp || action.run !== this.run) return;
    switch (action.kind) {
      case "lead-redis":
        this.#follow(undefined);
        if (this.complete || leadsUnchecked) this.#assigned = { run: this.runs, role: "leader" };
        break;
      case "follow-redis":
        this.#follow(action.source);
        this.#assigned = { run: this.runs, role: "replica" };
        break;
      case "detach-redis":
        this.#follow(undefined);
        this.#assigned = { run: this.runs, role: "detached" };
        break;
      case "reload-redis":
        this.#follow(undefined);
        this.#load();
        this.complete = true;
        break;
    }
  }

  #load(): void {
    this.newest = this.keepsFile ? this.onDisk.newest : 0;
    this.oldest = this.keepsFile ? this.onDisk.oldest : Number.POSITIVE_INFINITY;
  }

  #follow(source: ServerName | undefined): void {
    if (this.source === source) return;
    this.source = source;
    this.link = "down";
    this.#copyEndsAt = undefined;
    this.#copiedFrom = undefined;
  }

  /**
   * One step of replication. @param source undefined when it cannot be reached or does not let this one in. @param copyTakes
   * milliseconds of a full copy. @returns what was replaced, when a full copy has just ended.
   */
  replicate(
    source: SimulatedRedis | undefined,
    now: number,
    copyTakes: () => number,
  ): SimulatedRedis["onDisk"] | undefined {
    if (!this.isUp || this.source === undefined) return undefined;
    if (source === undefined) {
      this.link = "down";
      this.#copyEndsAt = undefined;
      return undefined;
    }
    if (this.#copiedFrom === source.run) {
      this.link = "up";
      this.newest = source.newest;
      this.oldest = source.oldest;
      return undefined;
    }
    if (this.#copyEndsAt === undefined) {
      this.link = "syncing";
      this.complete = false;
      this.#copyEndsAt = now + copyTakes();
      return undefined;
    }
    if (now < this.#copyEndsAt) return undefined;
    const before = { newest: this.newest, oldest: this.oldest };
    this.#copyEndsAt = undefined;
    this.#copiedFrom = source.run;
    this.link = "up";
    this.complete = true;
    this.newest = source.newest;
    this.oldest = source.oldest;
    return before;
  }

  observe(): Redis | undefined {
    if (!this.isUp) return undefined;
    const { run, assigned, source, link, complete } = this;
    return { run, assigned, source, link, complete, isEmpty: this.newest === 0 };
  }
}
