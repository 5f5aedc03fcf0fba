import { Since } from "../clock.ts";

/** Less than this is a full disk: InnoDB grows its files by more. */
const fullBytes = 2 * 1024 * 1024;

export interface WriteSigns {
  readonly committing: number;
  /** Commits that wait for the other server: no fault of this one. */
  readonly waitingCommits: number;
  /** gtid_executed, as text. */
  readonly executed: string;
  /** What mysqld may still write to the disk of its data; undefined when that is not known. */
  readonly availableBytes: number | undefined;
}

/**
 * A mysqld that answers and cannot write: on a full disk it retries once a minute and lets every commit hang (or fails them all), on a stuck
 * one it just hangs. A question gets its answer all the while, so the signs are looked for.
 */
export class WriteStall {
  readonly #hanging = new Since();
  readonly #full = new Since();
  #executed = "";

  /** @returns how long nothing could be written, milliseconds. */
  note(signs: WriteSigns, now: number): number {
    const isMoving = signs.executed !== this.#executed;
    this.#executed = signs.executed;
    const hangs = signs.committing > 0 && signs.waitingCommits === 0 && !isMoving;
    const isFull = signs.availableBytes !== undefined && signs.availableBytes < fullBytes;
    return Math.max(this.#hanging.note(hangs, now), this.#full.note(isFull, now));
  }
}
