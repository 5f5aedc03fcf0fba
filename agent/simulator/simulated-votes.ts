import type { RecordSyncSet } from "../action.ts";
import type { ServerName, SyncSet, Votes } from "../view.ts";

/** Milliseconds after which a lease that is not renewed ends. */
export const leaseTtl = 4000;

interface State {
  clusterId: string;
  revision: number;
  leader: { server: ServerName; createRevision: number; leaseId: string } | undefined;
  syncSet: SyncSet | undefined;
  handover: ServerName | undefined;
  maintenance: boolean;
  resumedAt: number | undefined;
}

/** etcd as one linearizable store with leases. Whether a host reaches it is the world's business. */
export class SimulatedVotes {
  #state: State = {
    clusterId: "cluster-1",
    revision: 1,
    leader: undefined,
    syncSet: undefined,
    handover: undefined,
    maintenance: false,
    resumedAt: undefined,
  };
  #leases = new Map<string, number>();
  #nextLease = 1;

  read(now: number): Votes {
    this.#expire(now);
    return { ...this.#state };
  }

  grant(now: number): string {
    const id = `lease-${this.#nextLease++}`;
    this.#leases.set(id, now + leaseTtl);
    return id;
  }

  /** @returns false when the lease has ended. */
  renew(id: string, now: number): boolean {
    this.#expire(now);
    if (!this.#leases.has(id)) return false;
    this.#leases.set(id, now + leaseTtl);
    return true;
  }

  /** The free leader key, with this lease. @returns false when somebody has it, or the lease has ended. */
  takeLeader(server: ServerName, leaseId: string, now: number): boolean {
    this.#expire(now);
    if (this.#state.leader !== undefined || !this.#leases.has(leaseId)) return false;
    this.#state.revision += 1;
    this.#state.leader = { server, createRevision: this.#state.revision, leaseId };
    return true;
  }

  revoke(id: string, now: number): void {
    this.#expire(now);
    this.#leases.delete(id);
    this.#expire(now);
  }

  /** @param isBlind without comparing anything: only known-bad variants do that. @returns the new revision, or undefined. */
  record(request: RecordSyncSet, now: number, isBlind: boolean): number | undefined {
    this.#expire(now);
    const state = this.#state;
    if (!isBlind) {
      if (state.leader?.createRevision !== request.leaderRevision) return undefined;
      if ((state.syncSet?.modRevision ?? 0) !== request.ifModRevision) return undefined;
    }
    state.revision += 1;
    const { kind: _kind, ifModRevision: _ifModRevision, ...syncSet } = request;
    state.syncSet = { ...syncSet, modRevision: state.revision };
    return state.revision;
  }

  requestHandover(to: ServerName, leaderRevision: number, now: number): void {
    this.#expire(now);
    const { leader, syncSet } = this.#state;
    if (leader === undefined || syncSet?.leaderRevision !== leaderRevision) return;
    if (leader.createRevision === leaderRevision) this.setHandover(to);
  }

  setHandover(to: ServerName | undefined): void {
    this.#state.revision += 1;
    this.#state.handover = to;
  }

  setMaintenance(on: boolean, resumedAt: number | undefined): void {
    this.#state.revision += 1;
    this.#state.maintenance = on;
    this.#state.resumedAt = resumedAt ?? this.#state.resumedAt;
  }

  /** @returns whether it was written: nobody leads, and the record is still as it was seen. */
  reinit(record: Omit<RecordSyncSet, "kind" | "leaderRevision">, now: number): boolean {
    this.#expire(now);
    if (this.#state.leader !== undefined) return false;
    const { ifModRevision, ...syncSet } = record;
    if ((this.#state.syncSet?.modRevision ?? 0) !== ifModRevision) return false;
    this.begin({ ...syncSet, leaderRevision: 0 });
    return true;
  }

  /** The record with which a pair begins. */
  begin(syncSet: Omit<SyncSet, "modRevision">): void {
    this.#state.revision += 1;
    this.#state.syncSet = { ...syncSet, modRevision: this.#state.revision };
  }

  /** A copy for a later restore. */
  snapshot(): State {
    return { ...this.#state };
  }

  /** Leases are gone. @param isNewCluster a restore by the book; else members with old disks were started as if nothing had happened. */
  restore(snapshot: State, isNewCluster: boolean): void {
    const clusterId = isNewCluster ? `${this.#state.clusterId}-restored` : this.#state.clusterId;
    this.#state = { ...snapshot, clusterId, leader: undefined };
    this.#leases.clear();
  }

  #expire(now: number): void {
    for (const [id, end] of this.#leases) if (end <= now) this.#leases.delete(id);
    const { leader } = this.#state;
    if (leader !== undefined && !this.#leases.has(leader.leaseId)) {
      this.#state.revision += 1;
      this.#state.leader = undefined;
    }
  }
}
