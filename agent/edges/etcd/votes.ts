import type { RecordSyncSet } from "../../action.ts";
import type { ServerName, SyncSet, Votes } from "../../view.ts";
import type { EtcdClient, EtcdPair } from "./client.ts";

type Name = "leader" | "syncSet" | "handover" | "maintenance";

/** What the pair keeps in etcd: who leads, who has everything, and what the operator asked for. */
export class EtcdVotes {
  readonly #client: EtcdClient;
  readonly #keys: Readonly<Record<Name, string>>;
  readonly #prefix: string;
  readonly #leaseSeconds: number;

  constructor(client: EtcdClient, prefix: string, leaseSeconds: number) {
    this.#client = client;
    this.#prefix = prefix;
    this.#keys = {
      leader: `${prefix}leader`,
      syncSet: `${prefix}sync-set`,
      handover: `${prefix}handover`,
      maintenance: `${prefix}maintenance`,
    };
    this.#leaseSeconds = leaseSeconds;
  }

  async read(timeout: number): Promise<Votes> {
    const { header, pairs } = await this.#client.readPrefix(this.#prefix, timeout);
    const pair = (name: Name) => pairs.find((one) => one.key === this.#keys[name]);
    const leader = pair("leader");
    const syncSet = pair("syncSet");
    return {
      clusterId: header.clusterId,
      revision: header.revision,
      leader:
        leader === undefined
          ? undefined
          : { server: leader.value as ServerName, createRevision: leader.createRevision, leaseId: leader.lease },
      syncSet: syncSet === undefined ? undefined : readSyncSet(syncSet),
      handover: pair("handover")?.value as ServerName | undefined,
      ...readMaintenance(pair("maintenance")),
    };
  }

  grant(timeout: number): Promise<string> {
    return this.#client.grantLease(this.#leaseSeconds, timeout);
  }

  renew(lease: string, timeout: number): Promise<boolean> {
    return this.#client.keepLease(lease, timeout);
  }

  revoke(lease: string, timeout: number): Promise<void> {
    return this.#client.revokeLease(lease, timeout);
  }

  /** @returns false when somebody else has it. */
  async takeLeader(server: ServerName, lease: string, timeout: number): Promise<boolean> {
    const { leader } = this.#keys;
    const change = { put: leader, value: server, lease };
    return (await this.#client.transact([{ key: leader, createRevision: 0 }], [change], timeout)) !== undefined;
  }

  /** @returns the revision of the new record; undefined when leader or record are others by now, and nothing was changed. */
  record(request: RecordSyncSet, timeout: number): Promise<number | undefined> {
    const { kind: _kind, ifModRevision, ...set } = request;
    return this.#put(set, request.leaderRevision, ifModRevision, timeout);
  }

  /** What an operator vouches for. Nobody may be leading, and the record must be the one that was looked at. */
  begin(request: Omit<RecordSyncSet, "kind" | "leaderRevision">, timeout: number): Promise<number | undefined> {
    const { ifModRevision, ...set } = request;
    return this.#put({ ...set, leaderRevision: 0 }, 0, ifModRevision, timeout);
  }

  #put(set: StoredSet, leaderRevision: number, ifModRevision: number, timeout: number): Promise<number | undefined> {
    return this.#client.transact(
      [
        { key: this.#keys.leader, createRevision: leaderRevision },
        { key: this.#keys.syncSet, modRevision: ifModRevision },
      ],
      [{ put: this.#keys.syncSet, value: JSON.stringify(set) }],
      timeout,
    );
  }

  /** A switchover begins, if the same leader still leads. @returns whether it does. */
  async requestHandover(to: ServerName, leaderRevision: number, timeout: number): Promise<boolean> {
    const { leader, handover } = this.#keys;
    const compare = [{ key: leader, createRevision: leaderRevision }];
    return (await this.#client.transact(compare, [{ put: handover, value: to }], timeout)) !== undefined;
  }

  async clearHandover(timeout: number): Promise<void> {
    await this.#client.transact([], [{ delete: this.#keys.handover }], timeout);
  }

  async setMaintenance(on: boolean, resumedAt: number | undefined, timeout: number): Promise<void> {
    await this.#client.transact(
      [],
      [{ put: this.#keys.maintenance, value: JSON.stringify({ on, resumedAt }) }],
      timeout,
    );
  }
}

type StoredSet = Omit<SyncSet, "modRevision">;

function readMaintenance(pair: EtcdPair | undefined): Pick<Votes, "maintenance" | "resumedAt"> {
  if (pair === undefined) return { maintenance: false, resumedAt: undefined };
  const { on, resumedAt } = JSON.parse(pair.value) as { on: boolean; resumedAt?: number };
  return { maintenance: on, resumedAt };
}

function readSyncSet(pair: EtcdPair): SyncSet {
  return { ...(JSON.parse(pair.value) as StoredSet), modRevision: pair.modRevision };
}
