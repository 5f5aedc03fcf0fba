import { GtidSet } from "../../gtid-set.ts";
import type { Database, Replication, ServerName } from "../../view.ts";
import type { MysqlSession, Row } from "./session.ts";

/** The longest timeout that MySQL takes: a commit waits for its acknowledgement until it comes. */
export const endless = "18446744073709551615";

/** What a semi-sync source must be set to, so that an acknowledgement to a client means that the replica has it. */
export const semiSyncSource: Readonly<Record<string, string>> = {
  rpl_semi_sync_source_timeout: endless,
  rpl_semi_sync_source_wait_for_replica_count: "1",
  rpl_semi_sync_source_wait_no_replica: "ON",
  rpl_semi_sync_source_wait_point: "AFTER_SYNC",
};

/** What people and metrics want to know beside what decisions are made from. */
export interface DatabaseDetails {
  readonly version: string;
  readonly readOnly: boolean;
  readonly offline: boolean;
  readonly waitingCommits: number;
  /** Sessions in the middle of a commit, those that wait for an acknowledgement and those behind them included. */
  readonly committing: number;
  /** Commits that were, and that were not, acknowledged by a replica before their client. */
  readonly acknowledged: number;
  readonly unacknowledged: number;
  readonly receiverError: string | undefined;
  readonly applierError: string | undefined;
  readonly source: string | undefined;
}

export interface Observation {
  readonly database: Database;
  readonly details: DatabaseDetails;
}

const statements = [
  `SELECT @@GLOBAL.server_uuid AS data, @@GLOBAL.version AS version, @@GLOBAL.super_read_only AS superReadOnly,
     @@GLOBAL.read_only AS readOnly, @@GLOBAL.offline_mode AS offline, @@GLOBAL.gtid_executed AS executed`,
  // By name and not as @@variables: those are unknown, and an error, while the plugin is not loaded.
  `SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_variables
     WHERE VARIABLE_NAME LIKE 'rpl\\_semi\\_sync\\_source\\_%'`,
  `SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_status
     WHERE VARIABLE_NAME LIKE 'Rpl\\_semi\\_sync\\_source\\_%'`,
  `SELECT c.HOST AS host, c.PORT AS port, s.SERVICE_STATE AS receiver, s.RECEIVED_TRANSACTION_SET AS received,
     s.LAST_ERROR_NUMBER AS errorNumber, s.LAST_ERROR_MESSAGE AS error, a.SERVICE_STATE AS applier
     FROM performance_schema.replication_connection_configuration c
     JOIN performance_schema.replication_connection_status s USING (CHANNEL_NAME)
     JOIN performance_schema.replication_applier_status a USING (CHANNEL_NAME)
     WHERE CHANNEL_NAME = ''`,
  `SELECT LAST_ERROR_NUMBER AS errorNumber, LAST_ERROR_MESSAGE AS error,
     IF(APPLYING_TRANSACTION = '', NULL,
        TIMESTAMPDIFF(MICROSECOND, APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6))) AS age
     FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = ''`,
  `SELECT LAST_ERROR_NUMBER AS errorNumber, LAST_ERROR_MESSAGE AS error
     FROM performance_schema.replication_applier_status_by_coordinator WHERE CHANNEL_NAME = ''`,
  `SELECT COUNT(*) AS committing FROM performance_schema.processlist WHERE STATE = 'waiting for handler commit'`,
] as const;

/** Where the peer's MySQL is, as CHANGE REPLICATION SOURCE was told. */
export interface PeerDatabaseAddress {
  readonly me: ServerName;
  readonly peer: ServerName;
  readonly address: string;
  readonly port: number;
}

/**
 * How long commits have waited without one being acknowledged. Not from the process list: its TIME counts from the beginning of
 * the statement, and a long transaction would look like a dead replica. An acknowledgement covers all older commits, so progress is what counts.
 */
export class WaitingCommits {
  #since: number | undefined;
  #acknowledged = -1;

  /** @returns milliseconds. */
  note(waiting: number, acknowledged: number, now: number): number {
    if (waiting === 0 || acknowledged !== this.#acknowledged) this.#since = undefined;
    this.#acknowledged = acknowledged;
    if (waiting === 0) return 0;
    this.#since ??= now;
    return now - this.#since;
  }
}

/** One round trip. @param now for the waits, in milliseconds of any steady clock. */
export async function observeDatabase(
  session: MysqlSession,
  where: PeerDatabaseAddress,
  waits: WaitingCommits,
  timeout: number,
  now: () => number,
): Promise<Observation> {
  const [state, variables, status, connection, workers, coordinator, commits] = await session.results(
    statements,
    timeout,
  );
  return readObservation(
    session.instance,
    where,
    {
      state: state?.[0] ?? {},
      variables,
      status,
      connection: connection?.[0],
      workers,
      coordinator,
      commits: commits?.[0],
    },
    (waiting, acknowledged) => waits.note(waiting, acknowledged, now()),
  );
}

export interface ObservedRows {
  readonly state: Row;
  readonly variables: readonly Row[] | undefined;
  readonly status: readonly Row[] | undefined;
  readonly connection: Row | undefined;
  readonly workers: readonly Row[] | undefined;
  readonly coordinator: readonly Row[] | undefined;
  readonly commits: Row | undefined;
}

/** What the rows of one look mean. @throws Error when they are not what MySQL answers: a guess could make a server eligible. */
export function readObservation(
  instance: string,
  where: PeerDatabaseAddress,
  rows: ObservedRows,
  noteWait: (waiting: number, acknowledged: number) => number,
): Observation {
  const { state } = rows;
  const variables = byName(rows.variables);
  const status = byName(rows.status);
  const executed = GtidSet.parse(text(state, "executed"));
  const replication = readReplication(where, rows, executed);
  const waitingCommits = Number(status.get("rpl_semi_sync_source_wait_sessions") ?? 0);
  const acknowledged = Number(status.get("rpl_semi_sync_source_yes_tx") ?? 0);
  const isAsItMustBe = Object.entries(semiSyncSource).every(([name, value]) => variables.get(name) === value);
  const offline = text(state, "offline") === "1";
  return {
    database: {
      instance,
      data: text(state, "data"),
      writable: text(state, "superReadOnly") === "0" && !offline,
      semiSync: {
        enabled: variables.get("rpl_semi_sync_source_enabled") === "ON",
        // With another timeout or wait point a commit may be acknowledged alone: as good as fallen back.
        active: status.get("rpl_semi_sync_source_status") === "ON" && isAsItMustBe,
        clients: Number(status.get("rpl_semi_sync_source_clients") ?? 0),
      },
      executed,
      replication,
      oldestWaitMilliseconds: noteWait(waitingCommits, acknowledged),
    },
    details: {
      version: text(state, "version"),
      readOnly: text(state, "readOnly") === "1",
      offline,
      waitingCommits,
      committing: Number(rows.commits?.["committing"] ?? 0),
      acknowledged,
      unacknowledged: Number(status.get("rpl_semi_sync_source_no_tx") ?? 0),
      receiverError: firstError(rows.connection === undefined ? [] : [rows.connection]),
      applierError: firstError([...(rows.coordinator ?? []), ...(rows.workers ?? [])]),
      source: rows.connection?.["host"] ? `${rows.connection["host"]}:${rows.connection["port"]}` : undefined,
    },
  };
}

const receivers: Readonly<Record<string, Replication["receiver"]>> = {
  ON: "connected",
  CONNECTING: "connecting",
  OFF: "stopped",
};

function readReplication(where: PeerDatabaseAddress, rows: ObservedRows, executed: GtidSet): Replication | undefined {
  const { connection } = rows;
  // After RESET REPLICA ALL the row is gone, or stays without a host.
  if (connection === undefined || !connection["host"]) return undefined;
  const receiver = receivers[text(connection, "receiver")];
  if (receiver === undefined) throw new Error(`the receiver's state is ${connection["receiver"]}`);
  const isBroken = firstError([...(rows.coordinator ?? []), ...(rows.workers ?? [])]) !== undefined;
  const received = GtidSet.parse(text(connection, "received"));
  const isPeer = connection["host"] === where.address && Number(connection["port"]) === where.port;
  return {
    // A source that is not the peer is nobody's to follow: the decision points it to the leader, or forgets it.
    source: isPeer ? where.peer : where.me,
    receiver,
    applier: text(connection, "applier") === "ON" ? "running" : isBroken ? "broken" : "stopped",
    received,
    lagMilliseconds: executed.contains(received) ? 0 : lag(rows),
  };
}

/** Age of the oldest transaction that a worker has in hand. Not of the newest applied: after a quiet hour that would be an hour. */
function lag(rows: ObservedRows): number {
  const microseconds = (rows.workers ?? []).map((row) => Number(row["age"] ?? Number.NaN)).filter(Number.isFinite);
  return microseconds.length === 0 ? 0 : Math.max(0, Math.round(Math.max(...microseconds) / 1000));
}

function firstError(rows: readonly Row[]): string | undefined {
  const row = rows.find((one) => Number(one["errorNumber"] ?? 0) !== 0);
  return row === undefined ? undefined : `${row["errorNumber"]}: ${row["error"]}`;
}

function byName(rows: readonly Row[] | undefined): ReadonlyMap<string, string> {
  return new Map((rows ?? []).map((row) => [(row["name"] ?? "").toLowerCase(), row["value"] ?? ""]));
}

function text(row: Row, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw new Error(`MySQL did not say ${name}`);
  return value;
}
