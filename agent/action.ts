import type { DataOwner, JoinSample, Member, ServerName } from "./view.ts";

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
}

/** What the controller does next: one effect at most. The next one is decided from a fresh view. */
export type Action =
  | { readonly kind: "wait" }
  /** etcd: take the free leader key with a new lease. */
  | { readonly kind: "take-lease" }
  /** etcd: give the lease back, so that nobody waits for its end. */
  | { readonly kind: "release-lease" }
  /** etcd: the planned switchover is done, or given up. */
  | { readonly kind: "clear-handover" }
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

export interface Decision {
  readonly action: Action;
  readonly role: Role;
  /** For the event log and for people. */
  readonly because: string;
}
