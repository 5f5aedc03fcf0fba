import type { Controller } from "../controller.ts";
import type { Event } from "../edges/events.ts";
import type { Database, PeerAnswer, Redis, ServerName, SyncSet } from "../view.ts";

/** One server in the status. */
export interface ServerStatus {
  readonly name: ServerName;
  readonly address: string;
  /** Undefined: its controller does not answer. */
  readonly database:
    | {
        readonly state: "open" | "closed" | "down" | "silent";
        readonly instance?: string;
        readonly replication?: {
          readonly source: ServerName;
          readonly receiver: string;
          readonly applier: string;
          readonly lagMilliseconds: number;
        };
        readonly semiSync?: Database["semiSync"];
        readonly executed?: string;
        readonly oldestWaitMilliseconds?: number;
      }
    | undefined;
  readonly redis: Redis | "down" | "silent" | undefined;
  readonly backend: string;
  readonly cloning: boolean;
}

/** What `/status` answers and `im-ha status` shows. */
export interface Status {
  readonly server: ServerName;
  /** As others are told it. */
  readonly role: string;
  readonly because: string;
  readonly witness: "etcd" | "none";
  readonly votes: "there" | "away" | "none";
  readonly votesAwayMilliseconds: number;
  readonly leader: ServerName | undefined;
  readonly epoch: number;
  /** Who has every acknowledged transaction. */
  readonly members: readonly ServerName[];
  readonly maintenance: boolean;
  readonly handover: ServerName | undefined;
  readonly acceptedLoss: string | undefined;
  readonly leaseRemainingMilliseconds: number | undefined;
  readonly holdsVip: boolean | undefined;
  readonly servers: readonly ServerStatus[];
  readonly version: string | undefined;
  readonly receiverError: string | undefined;
  readonly applierError: string | undefined;
  readonly lookAgeMilliseconds: number;
  readonly events: readonly Event[];
}

export function statusOf(controller: Controller): Status {
  const { view, decision, details } = controller.state;
  const { server, peer, votes: votesConfiguration } = controller.configuration;
  const votes = view === undefined || view.votes === "away" ? undefined : view.votes;
  const pair = view?.pair?.file;
  const syncSet: SyncSet | undefined = pair === undefined ? (votes?.syncSet ?? view?.lastSyncSet) : pair.syncSet;
  const answer = view === undefined || view.peerAnswer === "silent" ? undefined : view.peerAnswer;
  return {
    server: server.name,
    role: controller.published.role,
    because: decision?.because ?? "the controller has only just started",
    witness: votesConfiguration.witness,
    votes: votesConfiguration.witness === "none" ? "none" : votes === undefined ? "away" : "there",
    votesAwayMilliseconds: view?.votesAwayFor ?? 0,
    leader:
      pair === undefined ? votes?.leader?.server : pair.lead === "released" ? undefined : syncSet?.lastLeader.server,
    epoch: syncSet?.epoch ?? 0,
    members: syncSet?.members.map((member) => member.server) ?? [],
    maintenance: pair?.maintenance ?? votes?.maintenance ?? false,
    handover: pair?.handover ?? votes?.handover,
    acceptedLoss: syncSet?.acceptedLoss,
    leaseRemainingMilliseconds: view?.lease?.remaining,
    holdsVip: controller.published.holdsVip,
    servers: [
      {
        name: server.name,
        address: server.address,
        database: view === undefined ? undefined : databaseStatus(view.database),
        redis: controller.configuration.redis === undefined ? undefined : view?.redis,
        backend: view?.backend ?? "unknown",
        cloning: controller.record.cloning,
      },
      {
        name: peer.name,
        address: peer.address,
        database: answer === undefined ? undefined : databaseStatus(answer.database ?? "down"),
        redis: controller.configuration.redis === undefined ? undefined : (answer?.redis ?? "silent"),
        backend: answer?.backend ?? "unknown",
        cloning: answer?.cloning ?? false,
      },
    ],
    version: details?.version,
    receiverError: details?.receiverError,
    applierError: details?.applierError,
    lookAgeMilliseconds: controller.lookAge,
    events: controller.events.newest,
  };
}

function databaseStatus(database: Database | "down" | "silent" | PeerAnswer["database"]): ServerStatus["database"] {
  if (database === undefined) return undefined;
  if (typeof database === "string") return { state: database };
  const { replication } = database;
  return {
    state: database.writable ? "open" : "closed",
    instance: database.instance,
    ...(replication === undefined
      ? {}
      : {
          replication: {
            source: replication.source,
            receiver: replication.receiver,
            applier: replication.applier,
            lagMilliseconds: replication.lagMilliseconds,
          },
        }),
    semiSync: database.semiSync,
    executed: database.executed.toString(),
    oldestWaitMilliseconds: database.oldestWaitMilliseconds,
  };
}
