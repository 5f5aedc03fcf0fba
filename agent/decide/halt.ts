import type { DurableRecord, Votes } from "../view.ts";

/**
 * Votes that went backwards were restored from an old copy: they may name a server that has not got everything.
 * @returns undefined when they did not, or when an operator vouched for them.
 */
export function whyHalted(record: DurableRecord, votes: Votes): string | undefined {
  const epoch = votes.syncSet?.epoch ?? 0;
  if (epoch > record.epoch && votes.syncSet?.vouchedFor === votes.clusterId) return undefined;
  if (record.clusterId !== undefined && record.clusterId !== votes.clusterId) {
    return `etcd is another cluster (${votes.clusterId}, before ${record.clusterId})`;
  }
  if (votes.revision < record.highestRevision) {
    return `etcd is at revision ${votes.revision} and was at ${record.highestRevision}`;
  }
  if (epoch < record.epoch) return `etcd says epoch ${epoch}, and it was ${record.epoch}`;
  // Leases that end make revisions too: a copy that is only little older grows past the highest revision by itself.
  const changed = votes.syncSet?.modRevision ?? 0;
  if (changed < record.setRevision) {
    return `etcd says that the sync set was changed last at revision ${changed}, and it was at ${record.setRevision}`;
  }
  return undefined;
}

/** What the durable record is to say after these votes were seen. */
export function advanceRecord(record: DurableRecord, votes: Votes): DurableRecord {
  if (whyHalted(record, votes) !== undefined) return record;
  return {
    ...record,
    clusterId: votes.clusterId,
    highestRevision: votes.revision,
    epoch: votes.syncSet?.epoch ?? record.epoch,
    setRevision: votes.syncSet?.modRevision ?? record.setRevision,
  };
}
