import type { Decisions } from "../action.ts";
import type { View } from "../view.ts";

/**
 * A way to break one rule of the protocol, to prove that the simulator notices. The controller that is shipped knows nothing of
 * these: a variant lies to it, changes what it says, or carries out the effects wrongly.
 */
export interface Variant {
  /** Number of the rule in docs/failover-protocol.md; a word for what stands beside the rules. */
  readonly rule: number | "Redis" | "backend";
  readonly name: string;
  /** What the simulator must say: this accident and no other shows that it sees the absence of the rule. */
  readonly accident: RegExp;
  /** Stands between the view and the decision. */
  readonly decide?: (view: View, decide: (view: View) => Decisions) => Decisions;
  /** Records the sync set without comparing anything. */
  readonly recordsBlindly?: boolean;
  /** Opens after a record of the set, whatever became of it. */
  readonly opensAfterAnyRecord?: boolean;
  /** Fences by a clean shutdown. */
  readonly fencesGracefully?: boolean;
  /** mysqld boots with replication started. */
  readonly bootsReplicating?: boolean;
  /** mysqld boots open, and the restart policy brings it back after a fence. */
  readonly bootsOpen?: boolean;
  /** Opens without looking at semi-sync once more. */
  readonly opensUnchecked?: boolean;
  /** The cloning flag is not kept. */
  readonly forgetsCloning?: boolean;
  /** The role that others read stays for ever. */
  readonly roleNeverExpires?: boolean;
  /** The role that others read ends at a moment of the wall clock. */
  readonly deadlineByWallClock?: boolean;
  /** A restarted controller does not know its lease. */
  readonly forgetsLease?: boolean;
  /** The file that stands in for etcd is not fsynced: power off brings back what it was before. */
  readonly losesFile?: boolean;
  /** Redis lets replicas in before a controller has looked at it. */
  readonly redisAdmitsAtBoot?: boolean;
  /** A Redis is made the leader without a look whether its data set is still whole. */
  readonly redisLeadsUnchecked?: boolean;
  /** Clients are sent to a Redis that was restarted since the role was published. */
  readonly redisRoleOutlivesRun?: boolean;
}
