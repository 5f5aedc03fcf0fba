import type { GtidSet } from "./gtid-set.ts";

/** The two data servers. */
export type ServerName = "a" | "b";

/** One run of mysqld on a server. A server whose mysqld was restarted is another member: it may have lost what it acknowledged. */
export interface Member {
  readonly server: ServerName;
  /** Changes with every start of mysqld. */
  readonly instance: string;
}

/** A server and the data directory on it. An exchanged disk is another owner, however the server is named. */
export interface DataOwner {
  readonly server: ServerName;
  /** server_uuid. */
  readonly data: string;
}

/**
 * Who is known to have every acknowledged transaction. Kept in etcd, or in a file of each server when there is no witness.
 * Invariant: every acknowledged transaction is on every member.
 */
export interface SyncSet {
  readonly members: readonly Member[];
  /** Grows by one with every promotion. */
  readonly epoch: number;
  /** Who was promoted in this epoch. It may always resume: it wrote everything that was acknowledged. */
  readonly lastLeader: DataOwner;
  /** Create revision of the leader key under which this epoch was recorded. */
  readonly leaderRevision: number;
  /** Revision at which etcd last changed this record: every change compares it. */
  readonly modRevision: number;
}

/** What a linearizable read of etcd said. */
export interface Votes {
  /** Changes when etcd is restored from a snapshot. */
  readonly clusterId: string;
  readonly revision: number;
  readonly leader:
    | { readonly server: ServerName; readonly createRevision: number; readonly leaseId: string }
    | undefined;
  /** Undefined only before the pair was set up. */
  readonly syncSet: SyncSet | undefined;
  /** A planned switchover: this server shall lead next. */
  readonly handover: ServerName | undefined;
  /** The operator asked for no promotion and no demotion. */
  readonly maintenance: boolean;
}

/** What the local mysqld says of itself. */
export interface Database {
  readonly instance: string;
  /** server_uuid: stays as long as the data directory. */
  readonly data: string;
  /** Ordinary clients can write: neither super_read_only nor offline_mode. */
  readonly writable: boolean;
  readonly semiSync: {
    /** Commits wait for an acknowledgement, with an endless timeout and AFTER_SYNC. */
    readonly enabled: boolean;
    /** Rpl_semi_sync_source_status: not fallen back to asynchronous. */
    readonly active: boolean;
    /** Connected receivers that acknowledge. */
    readonly clients: number;
  };
  readonly executed: GtidSet;
  /** Undefined when no source is configured. */
  readonly replication: Replication | undefined;
  /** Milliseconds that the oldest waiting commit has waited; 0 when none waits. */
  readonly oldestWaitMilliseconds: number;
}

export interface Replication {
  readonly source: ServerName;
  readonly receiver: "connected" | "connecting" | "stopped";
  readonly applier: "running" | "stopped" | "broken";
  /** Everything that the receiver wrote to the relay log. */
  readonly received: GtidSet;
}

/** What the peer's controller answers over HTTP, directly and not through etcd. */
export interface PeerAnswer {
  /** The peer's own last look at its mysqld; undefined when it is down or does not answer. */
  readonly database: Database | undefined;
  /** Its mysqld is being replaced by a clone: whatever its sets say. */
  readonly cloning: boolean;
  /** Highest epoch that it knows of. */
  readonly epoch: number;
  /** The server that it takes for the leader, from etcd or, when etcd is away, from what it knew last. */
  readonly leader: ServerName | undefined;
}

/** What this controller keeps in a fsynced file. */
export interface DurableRecord {
  readonly clusterId: string | undefined;
  readonly highestRevision: number;
  readonly epoch: number;
  /** A clone was begun and not finished: what this server's mysqld says of its transactions cannot be believed. */
  readonly cloning: boolean;
}

/** A point that the peer must have reached before it becomes a member. */
export interface JoinSample {
  readonly executed: GtidSet;
  readonly ownInstance: string;
  readonly peerInstance: string;
  /** Whether commits already waited for an acknowledgement when it was taken: only such a sample makes a member. */
  readonly protected: boolean;
}

/** What this controller remembers since it was started. */
export interface Memory {
  readonly joinSample: JoinSample | undefined;
  /**
   * Revision at which this controller itself recorded that it is alone, with no request to add the peer sent since. A request whose
   * outcome is unknown may be carried out long after it was given up; only a newer revision makes it void.
   */
  readonly aloneAt: number | undefined;
}

/** All that a decision is made from. Times are milliseconds; `…For` counts from the first moment of the state that it names. */
export interface View {
  readonly me: ServerName;
  readonly peer: ServerName;
  readonly votes: Votes | "away";
  readonly votesAwayFor: number;
  /** The sync set of the last successful read; kept while etcd is away. */
  readonly lastSyncSet: SyncSet | undefined;
  /** The lease that this controller holds. `remaining` is counted from before the last renewal was sent. */
  readonly lease: { readonly id: string; readonly remaining: number } | undefined;
  /** "down": no process. "silent": a process that does not answer in time. */
  readonly database: Database | "down" | "silent";
  readonly databaseAwayFor: number;
  readonly peerAnswer: PeerAnswer | "silent";
  readonly peerSilentFor: number;
  /** How long this controller has been the leader without having opened. */
  readonly promotingFor: number;
  /** How long the leader's key has been free. */
  readonly leaderlessFor: number;
  readonly record: DurableRecord;
  readonly memory: Memory;
}

/** Bounds, in milliseconds. */
export interface Limits {
  /** A commit that waits so long while the peer does not answer makes the leader go on alone. */
  readonly degradeAfter: number;
  /** A mysqld that is silent for so long counts as dead. */
  readonly databaseSilent: number;
  /** A server that is not the best to lead lets the other be first for so long. */
  readonly yieldFor: number;
  /** Draining longer than this gives the lease back when the old leader is healthy. */
  readonly drain: number;
}

export const defaultLimits: Limits = { degradeAfter: 3000, databaseSilent: 3000, yieldFor: 3000, drain: 30_000 };
