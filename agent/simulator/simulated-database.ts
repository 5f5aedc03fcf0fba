import { GtidSet } from "../gtid-set.ts";
import type { Database, ServerName } from "../view.ts";

/** One committed transaction. `id` is its content: two transactions may wrongly get the same GTID, and then differ by it. */
export interface Transaction {
  readonly id: number;
  readonly origin: ServerName;
  readonly number: number;
  /** When it was committed on its origin. */
  readonly at: number;
}

interface Waiting {
  /** Place in the binary log, counted from 1. */
  readonly place: number;
  readonly since: number;
  readonly acknowledge: () => void;
}

/**
 * mysqld as far as a failover can see it: binary log and relay log, semi-sync AFTER_SYNC, crash recovery that commits what was in the
 * binary log, and the surprises that were measured on the real one.
 */
export class SimulatedDatabase {
  readonly server: ServerName;
  data: string;
  isRunning = false;
  /** The process is there and does not answer. */
  isHung = false;
  /** Killed on purpose: the restart policy leaves it alone. */
  isHeld = false;
  runs = 0;
  superReadOnly = true;
  semiSync = false;
  /** Executed, in order; on disk (sync_binlog=1). */
  log: Transaction[] = [];
  contents = new Set<number>();
  /** Received and not applied. */
  relay: Transaction[] = [];
  relayContents = new Set<number>();
  source: ServerName | undefined;
  receiver: "connected" | "connecting" | "stopped" = "stopped";
  applier: "running" | "stopped" | "broken" = "stopped";
  waiting: Waiting[] = [];
  /** Receivers that acknowledge and are not the peer: a migration replica, a careless restore test. */
  strangers = 0;
  strangerAcknowledges = false;
  isCloning = false;
  readonly #counts: Record<ServerName, number> = { a: 0, b: 0 };
  readonly #received: Record<ServerName, number> = { a: 0, b: 0 };
  /** How far the source's log was looked through. */
  #seen: { log: readonly Transaction[]; place: number } | undefined;

  constructor(server: ServerName) {
    this.server = server;
    this.data = `data-${server}-1`;
  }

  get instance(): string {
    return `${this.data}/${this.runs}`;
  }

  get writable(): boolean {
    return this.isRunning && !this.superReadOnly && !this.isCloning;
  }

  /** @param bootsReadOnly the persisted super_read_only. @param startsReplication without skip_replica_start. */
  start(bootsReadOnly = true, startsReplication = false): void {
    this.isRunning = true;
    this.runs += 1;
    this.superReadOnly = bootsReadOnly;
    this.semiSync = false;
    const starts = startsReplication && this.source !== undefined;
    this.receiver = starts ? "connecting" : "stopped";
    this.applier = starts ? "running" : "stopped";
  }

  /** SIGKILL: who waits hears nothing; what is in the binary log is committed at the next start. */
  kill(): void {
    this.isRunning = false;
    this.isHung = false;
    this.waiting = [];
    if (this.isCloning) this.#wipe();
    this.isCloning = false;
    this.receiver = "stopped";
    this.applier = "stopped";
  }

  /** SIGTERM: whoever waits for an acknowledgement is told OK. Measured, and the reason why it is no fence. */
  shutDown(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const one of waiting) one.acknowledge();
    this.kill();
  }

  /** @param lostRelay how many of the newest relay log events never reached the disk. */
  powerOff(lostRelay: number): void {
    this.kill();
    // That run is over: whoever boots next is somebody else.
    this.runs += 1;
    this.#seen = undefined;
    for (const lost of this.relay.splice(Math.max(0, this.relay.length - lostRelay))) {
      this.relayContents.delete(lost.id);
      this.#received[lost.origin] = Math.min(this.#received[lost.origin], lost.number - 1);
    }
  }

  /** A client's commit. @returns false when it is refused. */
  commit(id: number, now: number, acknowledge: () => void): boolean {
    if (!this.writable) return false;
    const transaction = { id, origin: this.server, number: this.#counts[this.server] + 1, at: now };
    this.#execute(transaction);
    if (this.semiSync) this.waiting.push({ place: this.log.length, since: now, acknowledge });
    else acknowledge();
    return true;
  }

  /** Switching semi-sync off releases everybody who waits. */
  setSemiSync(enabled: boolean): void {
    this.semiSync = enabled;
    if (enabled) return;
    const { waiting } = this;
    this.waiting = [];
    for (const one of waiting) one.acknowledge();
  }

  /** A receiver has everything up to this place of the binary log. */
  acknowledged(place: number): void {
    const done = this.waiting.filter((one) => one.place <= place);
    if (done.length === 0) return;
    this.waiting = this.waiting.filter((one) => one.place > place);
    for (const one of done) one.acknowledge();
  }

  /**
   * Takes what the source has and this one has not, by GTID, and not everything at once: a receiver is connected before it has caught up.
   * @returns the place in the source's log up to which it has everything.
   */
  receive(source: SimulatedDatabase, atMost: number): number {
    let left = atMost;
    // What was looked through once need not be again, while neither log was exchanged.
    if (this.#seen?.log !== source.log) this.#seen = { log: source.log, place: 0 };
    for (; this.#seen.place < source.log.length; this.#seen.place++) {
      const transaction = source.log[this.#seen.place] as Transaction;
      if (transaction.number <= this.#counts[transaction.origin]) continue;
      if (transaction.number <= this.#received[transaction.origin]) continue;
      if (left === 0) return this.#seen.place;
      left -= 1;
      this.relay.push(transaction);
      this.relayContents.add(transaction.id);
      this.#received[transaction.origin] = transaction.number;
    }
    return source.log.length;
  }

  apply(count: number): void {
    for (const transaction of this.relay.splice(0, count)) {
      this.relayContents.delete(transaction.id);
      this.#execute(transaction);
    }
  }

  forgetSource(): void {
    this.source = undefined;
    this.relay = [];
    this.relayContents.clear();
    this.#seen = undefined;
    this.#received.a = 0;
    this.#received.b = 0;
  }

  beginClone(): void {
    this.forgetSource();
    this.receiver = "stopped";
    this.applier = "stopped";
    this.#wipe();
    this.isCloning = true;
  }

  finishClone(donor: SimulatedDatabase): void {
    this.log = [...donor.log];
    this.contents = new Set(donor.contents);
    this.#counts.a = donor.#counts.a;
    this.#counts.b = donor.#counts.b;
    this.isCloning = false;
    this.start();
  }

  /** Age of the oldest transaction that is received and not applied. */
  lag(now: number): number {
    return this.relay[0] === undefined ? 0 : now - this.relay[0].at;
  }

  holds(id: number): boolean {
    return this.contents.has(id) || this.relayContents.has(id);
  }

  /** As the controller's queries see it. */
  observe(now: number, connectedReceivers: number): Database {
    return {
      instance: this.instance,
      data: this.data,
      writable: this.writable,
      semiSync: { enabled: this.semiSync, active: this.semiSync, clients: connectedReceivers + this.strangers },
      executed: GtidSet.prefixes(this.#counts),
      replication:
        this.source === undefined
          ? undefined
          : {
              source: this.source,
              receiver: this.receiver,
              applier: this.applier,
              received: GtidSet.prefixes(this.#received),
              lagMilliseconds: this.lag(now),
            },
      oldestWaitMilliseconds: this.waiting[0] === undefined ? 0 : now - this.waiting[0].since,
    };
  }

  /** Another disk, empty. */
  exchangeDisk(): void {
    this.kill();
    this.#wipe();
    this.forgetSource();
    this.data = `${this.data}x`;
  }

  #execute(transaction: Transaction): void {
    this.log.push(transaction);
    this.contents.add(transaction.id);
    this.#counts[transaction.origin] = Math.max(this.#counts[transaction.origin], transaction.number);
  }

  #wipe(): void {
    this.log = [];
    this.#seen = undefined;
    this.contents = new Set();
    this.#counts.a = 0;
    this.#counts.b = 0;
  }
}
