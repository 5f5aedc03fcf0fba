import { readFileSync } from "node:fs";

/**
 * Milliseconds since the host booted, suspended time included (CLOCK_BOOTTIME), in steps of 10. Leases and deadlines are measured
 * with it: the wall clock jumps, and Node's own monotonic clock stands still while a virtual machine is suspended.
 */
export function bootMilliseconds(): number {
  return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000);
}

/** Differs after every boot of the host. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** @throws Error with that sentence when the promise has not settled in time; the work itself may go on. */
export async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long something has been so: 0 when it is not. */
export class Since {
  #start: number | undefined;

  /** @returns milliseconds since it began. */
  note(holds: boolean, now: number): number {
    if (!holds) this.#start = undefined;
    else this.#start ??= now;
    return this.#start === undefined ? 0 : now - this.#start;
  }
}
