import type { ServerName, Votes } from "../view.ts";
import { bootMilliseconds } from "./clock.ts";
import type { EtcdVotes } from "./etcd/votes.ts";
import type { Records } from "./records.ts";

/**
 * The lease of the leader key. It counts as held only after etcd said that the leader key has it: a lease that was granted for a key that
 * somebody else has got is worth nothing, and must not keep a server open.
 */
export class Lease {
  readonly #votes: EtcdVotes;
  readonly #records: Records;
  readonly #server: ServerName;
  readonly #ttl: number;
  #id: string | undefined;
  #isConfirmed = false;
  #validUntil = 0;
  #renewedAt = 0;

  constructor(votes: EtcdVotes, records: Records, server: ServerName, leaseSeconds: number) {
    this.#votes = votes;
    this.#records = records;
    this.#server = server;
    this.#ttl = leaseSeconds * 1000;
  }

  /** A controller that was restarted goes on with the lease of its last run, if it is still in time. */
  async resume(): Promise<void> {
    this.#id = await this.#records.readLease();
  }

  get held(): { readonly id: string; readonly remaining: number } | undefined {
    if (this.#id === undefined || !this.#isConfirmed) return undefined;
    return { id: this.#id, remaining: this.#validUntil - bootMilliseconds() };
  }

  /** Renews it when a quarter of its time has passed. @throws Error when etcd does not answer: it may have been renewed or not. */
  async renew(timeout: number): Promise<void> {
    const id = this.#id;
    const sentAt = bootMilliseconds();
    if (id === undefined || sentAt - this.#renewedAt < this.#ttl / 4) return;
    if (await this.#votes.renew(id, timeout)) {
      // Counted from before it was sent: etcd's own clock began later.
      this.#validUntil = sentAt + this.#ttl;
      this.#renewedAt = sentAt;
    } else {
      await this.#forget(id);
    }
  }

  /** What a linearizable read says of the key. */
  async compare(votes: Votes): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    if (votes.leader?.server === this.#server && votes.leader.leaseId === id) {
      this.#isConfirmed = true;
      return;
    }
    // The request for the key may still be on its way: without the lease it fails.
    await this.#forget(id);
    await this.#votes.revoke(id, 1000).catch(() => undefined);
  }

  /** @returns whether this server leads now. */
  async take(timeout: number): Promise<boolean> {
    const sentAt = bootMilliseconds();
    const id = await this.#votes.grant(timeout);
    await this.#records.keepLease(id);
    this.#id = id;
    this.#isConfirmed = false;
    this.#validUntil = sentAt + this.#ttl;
    this.#renewedAt = sentAt;
    // When the answer is lost the lease is kept, and the next read settles whose the key is.
    if (await this.#votes.takeLeader(this.#server, id, timeout)) {
      this.#isConfirmed = true;
      return true;
    }
    await this.#forget(id);
    await this.#votes.revoke(id, timeout).catch(() => undefined);
    return false;
  }

  async release(timeout: number): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    await this.#forget(id);
    await this.#votes.revoke(id, timeout);
  }

  async #forget(id: string): Promise<void> {
    if (this.#id !== id) return;
    this.#id = undefined;
    this.#isConfirmed = false;
    await this.#records.keepLease(undefined);
  }
}
