import type { DataOwner, JoinSample, Member, Move, PairFile, ServerName, Withdrawal } from "./view.ts";

/** One transaction on the sync set: it happens only if the leader key and the record are still those of the view. */
export interface RecordSyncSet {
  readonly kind: "record-sync-set";
  readonly members: readonly Member[];
  readonly epoch: number;
  readonly lastLeader: DataOwner;
  /** Compared with the leader key's create revision. */
  readonly leaderRevision: number;
  /** Compared with the record's mod revision; 0 when there is none. */
  readonly ifModRevision: number;
  readonly moves: readonly Move[];
  readonly vouchedFor: string | undefined;
  readonly acceptedLoss: string | undefined;
}

/** What the controller does next: one effect at most. The next one is decided from a fresh view. */
export type Action =
  | { readonly kind: "wait" }
  /** etcd: take the free leader key with a new lease. */
  | { readonly kind: "take-lease" }
  /** etcd: give the lease back, so that nobody waits for its end. */
  | { readonly kind: "release-lease" }
  /** etcd: a planned switchover begins, if the leader key is still that of the view. */
  | { readonly kind: "request-handover"; readonly to: ServerName; readonly leaderRevision: number }
  /** etcd: the planned switchover is done, or given up. */
  | { readonly kind: "clear-handover" }
  /** etcd: `resumedAt` is written with `on: false`. */
  | { readonly kind: "set-maintenance"; readonly on: boolean; readonly resumedAt: number | undefined }
  /**
   * etcd, one transaction: the record as an operator has it, with leaderRevision 0, if it is still as it was in the view and nobody holds
   * the leader key. `vouchedFor` is the id of the cluster that is written to. When it succeeded, request `id` is done.
   */
  | { readonly kind: "reinit"; readonly id: string; readonly record: Omit<RecordSyncSet, "kind" | "leaderRevision"> }
  /** `witness: none`: the whole file, fsynced and renamed, if it is still at this modRevision (0: there is none). */
  | {
      readonly kind: "write-pair-file";
      readonly file: PairFile;
      readonly ifModRevision: number;
      /** Id of the request that is done when it is written. */
      readonly finishes: string | undefined;
    }
  /** Durable record: `withdrawn`; undefined takes the withdrawal back. */
  | { readonly kind: "withdraw"; readonly withdrawal: Withdrawal | undefined }
  /** What the operator asked for is done, or is refused; `because` of the decision is for the operator's eyes. */
  | { readonly kind: "finish-request"; readonly id: string; readonly outcome: "done" | "refused" }
  | RecordSyncSet
  /** Remember where we stand; the peer must have come as far before it becomes a member. */
  | { readonly kind: "sample"; readonly sample: JoinSample }
  /** mysqld process: start it (it boots read-only and does not replicate). */
  | { readonly kind: "start-database" }
  /** offline_mode, SIGKILL, and hold it down: the only fence that no waiting commit slips through. */
  | { readonly kind: "fence"; readonly instance: string | undefined }
  /** super_read_only on a healthy leader, for a planned switchover. */
  | { readonly kind: "close"; readonly instance: string }
  /** Re-checks semi-sync against the sync set in the same session, then super_read_only off. */
  | { readonly kind: "open"; readonly instance: string; readonly semiSync: boolean }
  | { readonly kind: "set-semi-sync"; readonly instance: string; readonly enabled: boolean }
  | { readonly kind: "stop-receiver"; readonly instance: string }
  | { readonly kind: "start-receiver"; readonly instance: string }
  | { readonly kind: "start-applier"; readonly instance: string }
  /** RESET REPLICA ALL: deletes the relay log, so only when it is drained. */
  | { readonly kind: "forget-source"; readonly instance: string }
  | { readonly kind: "follow"; readonly instance: string; readonly source: ServerName }
  /** Durable flag, then CLONE from the source; the flag goes when the clone is complete. */
  | { readonly kind: "clone"; readonly source: ServerName };

/** What others may be told of this server: HAProxy, keepalived, the status page. It expires by itself. */
export type Role = "leader" | "replica" | "none";

/**
 * Redis has a place of its own for effects, one at a time: MySQL's never wait for it. Each is meant for one run of Redis (run_id). The
 * effect keeps in /run what it assigned to which run.
 */
export type RedisAction =
  | { readonly kind: "wait" }
  /**
   * REPLICAOF NO ONE; then, when a look shows that the data set is still whole (a full copy may have begun since the decision), admit
   * replicas, CONFIG SET of what a leader needs; assigned "leader".
   */
  | { readonly kind: "lead-redis"; readonly run: string }
  /** REPLICAOF the other server, with its password; replicas are not admitted; assigned "replica". */
  | { readonly kind: "follow-redis"; readonly run: string; readonly source: ServerName }
  /** REPLICAOF NO ONE, and nobody is sent there: it keeps what it has for a leader that lost its own; replicas are admitted; assigned "detached". */
  | { readonly kind: "detach-redis"; readonly run: string }
  /**
   * REPLICAOF NO ONE, so that no new copy begins, and load the newest file on disk: a full copy was cut off in the middle. Alert: it is
   * older than what the leader had.
   */
  | { readonly kind: "reload-redis"; readonly run: string };

export interface RedisDecision {
  readonly action: RedisAction;
  /** Who is sent here for Redis: "leader" for writes. Expires with the role of the server, and with this run of Redis. */
  readonly role: Role;
  readonly because: string;
}

export interface Decision {
  readonly action: Action;
  readonly role: Role;
  /** For the event log and for people. */
  readonly because: string;
}

/** What `decide` returns: the database's part, and Redis's beside it. */
export interface Decisions extends Decision {
  readonly redis: RedisDecision;
}
