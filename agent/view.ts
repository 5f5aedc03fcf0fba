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
  /** Promotions that moved the lead to the other server, oldest first; those of the last hour are enough. */
  readonly moves: readonly Move[];
  /**
   * Id of the etcd cluster for which an operator vouched with `im-ha reinit`; carried on from epoch to epoch. It lets a controller that
   * knew an older cluster believe this one, when the epoch is newer than all that it knew.
   */
  readonly vouchedFor: string | undefined;
  /** Transactions that were known to be missing when an operator promoted with `--accept-data-loss`; for people. */
  readonly acceptedLoss: string | undefined;
}

/** One promotion of the server that had not led before. */
export interface Move {
  /** Wall clock of the promoted server, milliseconds since 1970. Only how often we move depends on it, never what is safe. */
  readonly at: number;
  /** A switchover; only the others count against the limit. */
  readonly planned: boolean;
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
  /** When an operator typed `im-ha resume` last (wall clock, milliseconds): moves before it are forgiven. */
  readonly resumedAt: number | undefined;
}

/**
 * `witness: none`: what each server keeps in a fsynced file of its own, written to a new file and renamed. The server that leads
 * writes; the other copies what it has seen there. Of two files the one with the higher epoch wins, and in one epoch the higher modRevision.
 */
export interface PairFile {
  readonly syncSet: SyncSet | undefined;
  /**
   * "released": the leader of this epoch is closed and gave the lead up; the other may take it. "taken back": it leads again because the
   * other did not come, and the other may not know it yet; until it has copied this, it may still be on its way.
   */
  readonly lead: "held" | "released" | "taken back";
  readonly handover: ServerName | undefined;
  readonly maintenance: boolean;
  readonly resumedAt: number | undefined;
}

/**
 * Without a witness nobody can tell a dead server from a cut cable, so one of the two has to stop when they lose each other.
 * `failover`: the replica takes over, and the leader never goes on alone by itself. `availability`: the leader goes on alone, and the
 * replica never takes over by itself.
 */
export type PairPolicy = "failover" | "availability";

/** What the local Redis says of itself. */
export interface Redis {
  /** run_id: changes with every start. */
  readonly run: string;
  /**
   * What a controller on this server made of this very run (kept in /run, with the run id); undefined until it has. Before that nobody is
   * sent there and nobody may copy it: it may have lost everything with its last run.
   */
  readonly assigned: "leader" | "replica" | "detached" | undefined;
  /** REPLICAOF; undefined for a master. */
  readonly source: ServerName | undefined;
  /** master_link_status; "syncing" during a full copy; "down" also when there is no source. */
  readonly link: "up" | "syncing" | "down";
  /** Its data set is whole: loaded from its own file or by a full copy that ended. False from the moment a full copy begins until it ends. */
  readonly complete: boolean;
  readonly isEmpty: boolean;
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
  /** Age of the oldest transaction that is received and not applied; 0 when there is none. */
  readonly lagMilliseconds: number;
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
  /** Its durable record's `withdrawn`. */
  readonly withdrawn: Withdrawal | undefined;
  /** Its own last look at its Redis; undefined when it is down or does not answer. */
  readonly redis: Redis | undefined;
  readonly backend: Backend;
  /** `witness: none`: its file. */
  readonly pairFile: PairFile | undefined;
}

/** The suite's API on a server, by its health check. "unknown": there is none here, or it was never seen healthy. */
export type Backend = "healthy" | "down" | "unknown";

/** What this controller keeps in a fsynced file. */
export interface DurableRecord {
  readonly clusterId: string | undefined;
  readonly highestRevision: number;
  readonly epoch: number;
  /** A clone was begun and not finished: what this server's mysqld says of its transactions cannot be believed. */
  readonly cloning: boolean;
  /** Highest modRevision of a sync set that was seen: etcd restored from a copy that is only little older grows past highestRevision by itself. */
  readonly setRevision: number;
  readonly withdrawn: Withdrawal | undefined;
}

/**
 * A server that gave its membership up: it is not promoted by itself as that member again, so the leader may go on without it. Another run
 * of mysqld is another member.
 */
export interface Withdrawal {
  readonly instance: string;
  /** By an operator, before a planned stop; it lasts until mysqld starts again or `im-ha resume`. Else until the cause is gone. */
  readonly planned: boolean;
}

/**
 * What an operator typed on this server (`im-ha …`, or the HTTP API with a token), until a `finish-request` answers it. It lives in the
 * controller's memory: after a restart of the controller the operator asks again. Confirmations are the command's business.
 */
export type OperatorRequest = { readonly id: string } & (
  | { readonly kind: "switchover"; readonly to: ServerName }
  | { readonly kind: "maintenance" }
  | { readonly kind: "resume" }
  /**
   * On the leader, with `peerIsOff` (typed by a person who looked): go on without the other server. On the replica: leave the set, before
   * a planned stop; it comes back with the next start of mysqld or with `resume`.
   */
  | { readonly kind: "degrade"; readonly peerIsOff: boolean }
  /** `promote --accept-data-loss`: the other server is off and will not come back with what it has. */
  | { readonly kind: "promote" }
  /** `reinit --leader <this server>`: it has the data, whatever etcd says. Also how a pair begins. */
  | { readonly kind: "reinit" }
);

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
  /** The sync set of the last read that was believed (`whyHalted`); kept while etcd is away. */
  readonly lastSyncSet: SyncSet | undefined;
  /** The lease that this controller holds. `remaining` is counted from before the last renewal was sent. */
  readonly lease: { readonly id: string; readonly remaining: number } | undefined;
  /** "down": no process. "silent": a process that does not answer in time. */
  readonly database: Database | "down" | "silent";
  readonly databaseAwayFor: number;
  /**
   * Asked after the own look (an older answer would seem to lack what is here) and in this very round, never one that came late. A peer that
   * was silent the last time is waited for only briefly: every step of a promotion would cost the whole timeout of a dead server.
   */
  readonly peerAnswer: PeerAnswer | "silent";
  readonly peerSilentFor: number;
  /** How long this controller has been the leader without having opened. */
  readonly promotingFor: number;
  /** How long the leader's key has been free; without a witness, how long the local file has said "released". */
  readonly leaderlessFor: number;
  readonly record: DurableRecord;
  readonly memory: Memory;
  /** Wall clock, milliseconds since 1970; for the count of moves and the cooldown. */
  readonly now: number;
  /** `witness: none`. Undefined with etcd; else `votes` is "away" and means nothing. */
  readonly pair: { readonly policy: PairPolicy; readonly file: PairFile } | undefined;
  readonly redis: Redis | "down" | "silent";
  /** How long this server has led while its Redis was up and not assigned "leader". */
  readonly redisNotLeadingFor: number;
  readonly backend: Backend;
  /** How long the local backend has been "down". */
  readonly backendDownFor: number;
  readonly request: OperatorRequest | undefined;
  /** The last that was seen of the other server's gtid_executed, however long ago. */
  readonly peerLastExecuted: GtidSet | undefined;
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
  /** A replica that is further behind leaves the set: what is not applied is added to the next failover. It comes back at half of it. */
  readonly lag: number;
  /** A planned switchover that keeps the leader closed for longer is given up. */
  readonly handover: number;
  /** A backend that is down for so long on the leader, and healthy on the other server, moves the lead. */
  readonly backendDown: number;
  /** So long after a move there is no other elective one. */
  readonly cooldown: number;
  /** Unplanned moves within `movesWindow`; then nobody is promoted until `im-ha resume`. */
  readonly moves: number;
  readonly movesWindow: number;
  /** A leader's Redis that came back empty waits so long for the other server's copy. */
  readonly redisRestore: number;
  /** `witness: none`: a leader whose controller and mysqld are silent for so long is gone. */
  readonly peerGone: number;
  /** `witness: none`, `failover`: a leader that has not heard of the other for so long fences itself. More than `peerGone` and what a request takes. */
  readonly unheard: number;
  /** A replica's mysqld that is down for so long withdraws. */
  readonly withdrawAfter: number;
}

export const defaultLimits: Limits = {
  degradeAfter: 3000,
  databaseSilent: 3000,
  yieldFor: 3000,
  drain: 30_000,
  lag: 10_000,
  handover: 8000,
  backendDown: 15_000,
  cooldown: 600_000,
  moves: 3,
  movesWindow: 3_600_000,
  redisRestore: 15_000,
  peerGone: 4000,
  unheard: 7000,
  withdrawAfter: 10_000,
};
