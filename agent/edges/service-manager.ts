import { execFile } from "node:child_process";

/**
 * Tells systemd's watchdog that the loop is alive. Node cannot write to a unix datagram socket, so systemd-notify does it: it comes with
 * systemd, and the unit accepts it (NotifyAccess=all). Outside of systemd nothing is told.
 */
export class ServiceManager {
  /** The watchdog is fed at a third of its time. */
  readonly #interval: number | undefined;
  #fedAt = 0;

  constructor(environment: NodeJS.ProcessEnv = process.env) {
    const microseconds = Number(environment["WATCHDOG_USEC"] ?? Number.NaN);
    this.#interval = Number.isFinite(microseconds) ? microseconds / 3000 : undefined;
  }

  alive(): void {
    if (this.#interval === undefined || performance.now() - this.#fedAt < this.#interval) return;
    this.#fedAt = performance.now();
    execFile("systemd-notify", ["WATCHDOG=1"], { timeout: 5000 }, () => {
      // A watchdog that was not fed ends the service, and that is the answer.
    });
  }
}
