import type { Role } from "../action.ts";
import type { Backend, DurableRecord, PairFile, ServerName } from "../view.ts";
import type { SimulatedController } from "./simulated-controller.ts";
import { SimulatedDatabase } from "./simulated-database.ts";
import { SimulatedRedis } from "./simulated-redis.ts";

/** What others read: HAProxy and keepalived. It ends at a moment of the clock since boot; Redis's part also with the run of Redis. */
export interface Published {
  readonly role: Role;
  readonly redis: { readonly role: Role; readonly run: string };
  readonly until: number;
}

/** One data server with all that runs on it. */
export interface SimulatedServer {
  readonly name: ServerName;
  readonly database: SimulatedDatabase;
  readonly redis: SimulatedRedis;
  backend: Backend;
  controller: SimulatedController | undefined;
  record: DurableRecord;
  /** `witness: none`; and what it was before the last change, for those that forget to fsync. */
  file: PairFile;
  fileBefore: PairFile;
  leaseInRun: string | undefined;
  published: Published;
  isUp: boolean;
  isPaused: boolean;
  isBooting: boolean;
  deferred: (() => void)[];
  /** How fast the controller's clock since boot runs. */
  clockRate: number;
  /** How wrong the wall clock is, milliseconds. */
  wallClockError: number;
  /** Epoch in which this server's mysqld was opened last. */
  openedEpoch: number;
  /** Since when there is no controller that could publish a role: dead, or frozen. */
  uncontrolledSince: number | undefined;
  /** Since when it is open although another leads, with a living controller. */
  supersededSince: number | undefined;
  /** Since when it is a member that a failover would have to wait for. */
  laggingSince: number | undefined;
  /** Milliseconds between two applied batches. */
  applyEvery: number;
  /** When this server's receiver was last connected to the other's mysqld, and to which run of it. */
  connection: { at: number; run: string } | undefined;
}

const emptyFile: PairFile = {
  syncSet: undefined,
  lead: "held",
  handover: undefined,
  maintenance: false,
  resumedAt: undefined,
};

export function newServer(name: ServerName, clockRate: number): SimulatedServer {
  return {
    name,
    database: new SimulatedDatabase(name),
    redis: new SimulatedRedis(name),
    backend: "healthy",
    controller: undefined,
    record: {
      clusterId: undefined,
      highestRevision: 0,
      epoch: 0,
      cloning: false,
      setRevision: 0,
      withdrawn: undefined,
    },
    file: emptyFile,
    fileBefore: emptyFile,
    leaseInRun: undefined,
    published: { role: "none", redis: { role: "none", run: "" }, until: 0 },
    isUp: true,
    isPaused: false,
    isBooting: false,
    deferred: [],
    clockRate,
    wallClockError: 0,
    openedEpoch: 0,
    uncontrolledSince: undefined,
    supersededSince: undefined,
    laggingSince: undefined,
    applyEvery: 60,
    connection: undefined,
  };
}
