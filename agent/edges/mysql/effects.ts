import type { ServerName } from "../../view.ts";
import { endless, semiSyncSource } from "./observe.ts";
import { errorNumber, literal, type MysqlSession } from "./session.ts";

/**
 * What the controller does to mysqld. Each looks again, in the session that acts, at what it relies on: between a decision and its effect
 * the process may have been suspended for minutes.
 */

/** The state was not what the decision was made from; the next look decides anew. */
export class Refused extends Error {
  override name = "Refused";
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Refused(what);
}

async function one(session: MysqlSession, sql: string, timeout: number): Promise<Readonly<Record<string, string>>> {
  const row = (await session.rows(sql, timeout))[0] ?? {};
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? ""]));
}

/** Whether semi-sync is as it must be, as a column. */
const semiSyncIsSafe = Object.entries(semiSyncSource)
  .map(([name, value]) => `@@GLOBAL.${name} = ${/^\d+$/.test(value) ? value : value === "ON" ? "1" : literal(value)}`)
  .join(" AND ");

/** @param enabled off releases every commit that waits, acknowledged: only when no other server is a member. */
export async function setSemiSync(session: MysqlSession, enabled: boolean, timeout: number): Promise<void> {
  if (!enabled) {
    await session.rows("SET GLOBAL rpl_semi_sync_source_enabled = OFF", timeout);
    return;
  }
  // The bounds before the switch: between the two a commit would wait with the default ten seconds and then go alone.
  await session.results(
    [
      `SET GLOBAL rpl_semi_sync_source_timeout = ${endless}`,
      "SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = 1",
      "SET GLOBAL rpl_semi_sync_source_wait_no_replica = ON",
      "SET GLOBAL rpl_semi_sync_source_wait_point = 'AFTER_SYNC'",
      "SET GLOBAL rpl_semi_sync_source_enabled = ON",
    ],
    timeout,
  );
  const { safe } = await one(
    session,
    `SELECT ${semiSyncIsSafe} AND @@GLOBAL.rpl_semi_sync_source_enabled AS safe`,
    timeout,
  );
  require(safe === "1", "semi-sync did not take its settings");
}

/**
 * Lets clients write. The settings are made and read again in this session first: what a restart left behind may be a timeout of ten
 * seconds, and writes acknowledged by nobody else.
 */
export async function open(session: MysqlSession, semiSync: boolean, timeout: number): Promise<void> {
  const before = await one(
    session,
    `SELECT @@GLOBAL.super_read_only AS closed, @@GLOBAL.rpl_semi_sync_source_enabled AS semiSync,
       (SELECT COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> '') AS sources`,
    timeout,
  );
  require(before["closed"] === "1", "mysqld is open already");
  require(before["sources"] === "0", "mysqld still has a source to replicate from");
  require(before["semiSync"] === (semiSync ? "1" : "0"), "semi-sync is not as the decision took it to be");
  if (semiSync) {
    const { safe } = await one(session, `SELECT ${semiSyncIsSafe} AS safe`, timeout);
    require(safe === "1", "semi-sync has other settings than it must have");
  }
  // Readers first: read_only, which ends super_read_only too, is the last thing that holds writers back.
  await session.results(["SET GLOBAL offline_mode = OFF", "SET GLOBAL read_only = OFF"], timeout);
}

/**
 * Stops writes on a healthy leader, and cuts the clients, so that their pools connect to where the writes go. An idle transaction
 * or a lock could hold it up for ever: after the session's bound, whoever has an open transaction is cut first.
 */
export async function close(session: MysqlSession, timeout: number): Promise<void> {
  try {
    await session.rows("SET GLOBAL super_read_only = ON", timeout);
  } catch (error) {
    if (errorNumber(error) !== 1205) throw error;
    await cutClients(session, "ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX)", timeout);
    await session.rows("SET GLOBAL super_read_only = ON", timeout);
  }
  await cutClients(session, "TRUE", timeout);
}

async function cutClients(session: MysqlSession, which: string, timeout: number): Promise<void> {
  const rows = await session.rows(
    `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND ${which}
       AND USER NOT IN ('system user', 'event_scheduler') AND USER NOT LIKE 'im\\_%' AND COMMAND NOT LIKE 'Binlog Dump%'`,
    timeout,
  );
  for (const { id } of rows) {
    // Gone by itself meanwhile: what was wanted.
    await session.rows(`KILL ${Number(id)}`, timeout).catch(() => undefined);
  }
}

/** Keeps new clients away before the process is killed; sessions with CONNECTION_ADMIN stay, and that is why the kill follows. */
export async function goOffline(session: MysqlSession, timeout: number): Promise<void> {
  await session.rows("SET GLOBAL offline_mode = ON", timeout);
}

export async function stopReceiver(session: MysqlSession, timeout: number): Promise<void> {
  await session.rows("STOP REPLICA IO_THREAD", timeout);
}

/** The receiver tells its source at the start whether it acknowledges: the switch comes first. */
export async function startReceiver(session: MysqlSession, timeout: number): Promise<void> {
  await session.results(["SET GLOBAL rpl_semi_sync_replica_enabled = ON", "START REPLICA IO_THREAD"], timeout);
}

export async function startApplier(session: MysqlSession, timeout: number): Promise<void> {
  await session.rows("START REPLICA SQL_THREAD", timeout);
}

const replicationState = `SELECT s.SERVICE_STATE AS receiver,
    GTID_SUBSET(s.RECEIVED_TRANSACTION_SET, @@GLOBAL.gtid_executed) AS drained
  FROM performance_schema.replication_connection_status s WHERE CHANNEL_NAME = ''`;

/** An applier that has nothing to do stops at once. */
const applierStops = 250;

const threadsOf = (table: "coordinator" | "worker") =>
  `SELECT t.PROCESSLIST_ID AS id FROM performance_schema.replication_applier_status_by_${table} s
     JOIN performance_schema.threads t USING (THREAD_ID) WHERE s.CHANNEL_NAME = ''`;

async function killThreads(session: MysqlSession, table: "coordinator" | "worker", timeout: number): Promise<void> {
  for (const { id } of await session.rows(threadsOf(table), timeout)) {
    // Gone by itself meanwhile: what was wanted.
    await session.rows(`KILL ${Number(id)}`, timeout).catch(() => undefined);
  }
}

/**
 * Stops both threads. The applier may have the beginning of a transaction whose rest never came, because the receiver was stopped or the
 * source died in the middle of it: a coordinator that is asked to stop waits a minute for the rest (measured: 60 s), while clients wait for the
 * promotion. One that is killed stops at once. Nobody was told OK for such a transaction, it is not among the received ones, and it is rolled back.
 */
async function stopReplica(
  session: MysqlSession,
  connect: () => Promise<MysqlSession>,
  timeout: number,
): Promise<void> {
  await killThreads(session, "coordinator", timeout);
  let isStopped = false;
  const stopping = session.rows("STOP REPLICA", timeout).finally(() => {
    isStopped = true;
  });
  // Awaited below; until then a failure is nobody's.
  stopping.catch(() => undefined);
  await Promise.race([stopping, new Promise((resolve) => setTimeout(resolve, applierStops))]);
  if (!isStopped) {
    const other = await connect();
    try {
      await killThreads(other, "worker", timeout);
    } finally {
      other.end();
    }
  }
  await stopping;
}

/**
 * RESET REPLICA ALL deletes the relay log, and with it what was acknowledged and not applied: never before it is drained.
 * @param connect another session to the same run of mysqld.
 */
export async function forgetSource(
  session: MysqlSession,
  connect: () => Promise<MysqlSession>,
  timeout: number,
): Promise<void> {
  const { receiver, drained } = await one(session, replicationState, timeout);
  require(receiver === "OFF", "the receiver runs");
  require(drained === "1", "the relay log is not drained");
  await stopReplica(session, connect, timeout);
  await session.rows("RESET REPLICA ALL", timeout);
}

export interface SourceLogin {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** @param source for messages. */
export async function follow(
  session: MysqlSession,
  connect: () => Promise<MysqlSession>,
  source: ServerName,
  login: SourceLogin,
  timeout: number,
): Promise<void> {
  const before = await one(
    session,
    `SELECT @@GLOBAL.super_read_only AS closed, @@GLOBAL.rpl_semi_sync_source_enabled AS semiSync`,
    timeout,
  );
  require(before["closed"] === "1", `mysqld is open: it cannot follow ${source}`);
  require(before["semiSync"] === "0", "semi-sync of a leader is on: it would freeze the applier");
  await stopReplica(session, connect, timeout);
  // A dead source is noticed after missed heartbeats, not after the default minute.
  await session.rows("SET GLOBAL replica_net_timeout = 4", timeout);
  await session.rows(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = ${literal(login.address)}, SOURCE_PORT = ${login.port},
       SOURCE_USER = ${literal(login.user)}, SOURCE_PASSWORD = ${literal(login.password)},
       SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1,
       SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 0, SOURCE_HEARTBEAT_PERIOD = 1`,
    timeout,
  );
  await session.results(["SET GLOBAL rpl_semi_sync_replica_enabled = ON", "START REPLICA"], timeout);
}

/** Events that arrived by replication sleep until the server that has them leads. @returns how many were woken. */
export async function wakeEvents(session: MysqlSession, timeout: number): Promise<number> {
  const rows = await session.rows(
    `SELECT EVENT_SCHEMA AS folder, EVENT_NAME AS name, DEFINER AS definer FROM information_schema.EVENTS
       WHERE STATUS IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED')`,
    timeout,
  );
  const quoted = (name: string | null | undefined) => `\`${(name ?? "").replaceAll("`", "``")}\``;
  for (const { folder, name, definer } of rows) {
    const at = (definer ?? "").lastIndexOf("@");
    const owner = `${literal((definer ?? "").slice(0, at))}@${literal((definer ?? "").slice(at + 1))}`;
    // Without its definer it would run as the controller from now on.
    await session.rows(`ALTER DEFINER = ${owner} EVENT ${quoted(folder)}.${quoted(name)} ENABLE`, timeout);
  }
  return rows.length;
}
