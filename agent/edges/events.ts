import { appendFile } from "node:fs/promises";

/** One line of the event log. */
export interface Event {
  /** RFC 3339, for people; durations are measured, never subtracted from these. */
  readonly time: string;
  readonly server: string;
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** Newest events in memory for the status page, all of them in the log, and how many of each for the metrics. */
export class EventLog {
  readonly counts = new Map<string, number>();
  readonly #file: string;
  readonly #server: string;
  readonly #newest: Event[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string, server: string) {
    this.#file = file;
    this.#server = server;
  }

  get newest(): readonly Event[] {
    return this.#newest;
  }

  /** Never waits and never fails: on a full disk the events are still counted, and the journal has them. */
  note(event: string, details: Readonly<Record<string, unknown>> = {}): void {
    const entry: Event = { time: new Date().toISOString(), server: this.#server, event, ...details };
    this.counts.set(event, (this.counts.get(event) ?? 0) + 1);
    this.#newest.push(entry);
    if (this.#newest.length > 200) this.#newest.shift();
    const line = `${JSON.stringify(entry)}\n`;
    process.stdout.write(line);
    this.#writing = this.#writing.then(() =>
      appendFile(this.#file, line, { mode: 0o640 }).catch(() => {
        this.counts.set("event-log-not-written", (this.counts.get("event-log-not-written") ?? 0) + 1);
      }),
    );
  }

  /** For the end of the program. */
  async written(): Promise<void> {
    await this.#writing;
  }
}

/** Milliseconds from one step of a promotion to the next. */
export class PhaseClock {
  #phases: Record<string, number> = {};
  #last: number | undefined;
  #start = 0;

  get isRunning(): boolean {
    return this.#last !== undefined;
  }

  begin(now: number): void {
    this.#phases = {};
    this.#start = now;
    this.#last = now;
  }

  /** The phase that ends now. Without a beginning nothing is measured. */
  end(phase: string, now: number): void {
    if (this.#last === undefined) return;
    this.#phases[phase] = Math.round((this.#phases[phase] ?? 0) + now - this.#last);
    this.#last = now;
  }

  /** @returns the phases and their sum, and stops. */
  finish(now: number): Readonly<Record<string, number>> {
    const phases = { ...this.#phases, total: Math.round(now - this.#start) };
    this.#last = undefined;
    return phases;
  }
}
