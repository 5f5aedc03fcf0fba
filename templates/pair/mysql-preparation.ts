import { failoverAccounts, failoverCredentials, failoverPrivileges, failoverUnit } from "../../config/failover.ts";
import { pairPaths } from "../../config/pair-names.ts";
import { quote, script } from "../../lib/shell.ts";
import { mysqlInContainer } from "../container-clients.ts";

/** A MySQL on a server, as our scripts reach it. */
export interface MysqlOnServer {
  readonly container: string;
  /** Option file with root's credentials, on the server. */
  readonly rootOptionFile: string;
}

/** Plugins that a member of the pair needs, with the library of each. Names of 8.0.26 and later. */
export const pairPlugins = {
  rpl_semi_sync_source: "semisync_source.so",
  rpl_semi_sync_replica: "semisync_replica.so",
  clone: "mysql_clone.so",
} as const;

/** Variables whose value before stage 2 is written down, and put back by `delete`. */
const recordedVariables = [
  "gtid_mode",
  "enforce_gtid_consistency",
  "sync_binlog",
  "innodb_flush_log_at_trx_commit",
  "binlog_format",
  "binlog_expire_logs_seconds",
  "relay_log_recovery",
  "read_only",
  "super_read_only",
  "offline_mode",
  "skip_replica_start",
] as const;

/** Ours alone: there is nothing to put back but their absence. */
const semiSyncVariables = [
  "rpl_semi_sync_source_enabled",
  "rpl_semi_sync_source_timeout",
  "rpl_semi_sync_source_wait_for_replica_count",
  "rpl_semi_sync_source_wait_no_replica",
  "rpl_semi_sync_source_wait_point",
  "rpl_semi_sync_replica_enabled",
] as const;

/** Binary logs of a week: a replica that was away for a weekend catches up instead of being cloned. */
const leastBinlogSeconds = 604_800;

const sqlNames = (names: readonly string[]) => names.map((name) => `'${name}'`).join(", ");

/** `sql`: runs the SQL on stdin as root and prints rows. `ask STATEMENT`: the same for one statement. */
const functions = ({ container, rootOptionFile }: MysqlOnServer): string => `${mysqlInContainer}
sql() { mysql_in_container ${quote(container)} ${quote(rootOptionFile)}; }
ask() { sql <<<"$1"; }
at_least() { [ "$(printf '%s\\n%s\\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
plain() { case "$1" in *[!A-Za-z0-9]* | "") echo "a password of ours has other characters than letters and digits" >&2; exit 1 ;; esac; }`;

/**
 * Prepares the running MySQL of server A, online and without a restart: undo record, plugins, durability, GTID in the documented steps. Replay-safe
 * in any role: what is there already is left alone, and nothing of it is written data.
 */
export function renderPreparePrimary(mysql: MysqlOnServer): string {
  return script(
    functions(mysql),
    `undo=${quote(pairPaths.mysqlUndo)}`,
    ...undoRecord(),
    ...installPlugins(),
    ...semiSyncSettings(),
    // Each of them only if it is not so: a server that is set up already must not be written to at every run.
    "set_to() {",
    '  if [ "$(ask "SELECT @@GLOBAL.$1")" != "$2" ]; then ask "SET PERSIST $1 = $2"; fi',
    "}",
    "set_to sync_binlog 1",
    "set_to innodb_flush_log_at_trx_commit 1",
    "set_to binlog_format ROW",
    `expire=$(ask 'SELECT @@GLOBAL.binlog_expire_logs_seconds')`,
    // 0 keeps them for ever: that is the operator's own affair.
    `if [ "$expire" -gt 0 ] && [ "$expire" -lt ${leastBinlogSeconds} ]; then ask 'SET PERSIST binlog_expire_logs_seconds = ${leastBinlogSeconds}'; fi`,
    ...gtidOn(mysql.container),
  );
}

/** Once, before the first change: a second run must not take our values for the operator's. */
function undoRecord(): string[] {
  return [
    'if [ ! -e "$undo" ]; then',
    '  mkdir -p -m 0700 -- "$(dirname -- "$undo")"',
    "  sql >\"$undo.partial\" <<'SQL'",
    "SELECT CONCAT_WS('|', 'variable', g.variable_name, g.variable_value, COALESCE(p.variable_value, '-'))",
    "FROM performance_schema.global_variables g LEFT JOIN performance_schema.persisted_variables p USING (variable_name)",
    `WHERE g.variable_name IN (${sqlNames(recordedVariables)});`,
    "SELECT CONCAT_WS('|', 'plugin', plugin_name) FROM information_schema.plugins",
    `WHERE plugin_status = 'ACTIVE' AND plugin_name IN (${sqlNames(Object.keys(pairPlugins))});`,
    "SQL",
    '  mv -- "$undo.partial" "$undo"',
    "fi",
  ];
}

function installPlugins(): string[] {
  return Object.entries(pairPlugins).map(
    ([plugin, library]) =>
      `if [ "$(ask "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = '${plugin}' AND plugin_status = 'ACTIVE'")" = 0 ]; then ask "INSTALL PLUGIN ${plugin} SONAME '${library}'"; fi`,
  );
}

/** Everything of semi-sync but whether it is on: that is the controller's, by the sync set. An endless timeout: no silent fall-back. */
function semiSyncSettings(): string[] {
  return [
    "sql <<'SQL'",
    "SET PERSIST rpl_semi_sync_source_timeout = 18446744073709551615;",
    "SET PERSIST rpl_semi_sync_source_wait_for_replica_count = 1;",
    "SET PERSIST rpl_semi_sync_source_wait_no_replica = ON;",
    "SET PERSIST rpl_semi_sync_source_wait_point = 'AFTER_SYNC';",
    "SET PERSIST rpl_semi_sync_replica_enabled = ON;",
    "SQL",
  ];
}

/** The documented steps, each only after the one before; ten seconds of WARN first, to see statements that GTIDs do not allow. */
function gtidOn(container: string): string[] {
  const violations =
    "SELECT COUNT(*) FROM performance_schema.error_log WHERE logged >= '$began' AND data LIKE '%violates GTID consistency%'";
  return [
    "mode=$(ask 'SELECT @@GLOBAL.gtid_mode')",
    'if [ "$mode" = OFF ]; then',
    `  if [ "$(ask 'SELECT @@GLOBAL.enforce_gtid_consistency')" != ON ]; then`,
    "    began=$(ask 'SELECT NOW(6)')",
    "    ask 'SET PERSIST enforce_gtid_consistency = WARN'",
    "    sleep 10",
    `    if [ "$(ask "${violations}")" != 0 ]; then`,
    "      ask 'SET PERSIST enforce_gtid_consistency = OFF'",
    `      echo "the application uses statements that GTIDs do not allow (CREATE TABLE ... SELECT with other engines, or temporary tables in a transaction). MySQL's error log names them: docker logs ${container} | grep 'GTID consistency'" >&2`,
    "      exit 1",
    "    fi",
    "    ask 'SET PERSIST enforce_gtid_consistency = ON'",
    "  fi",
    "  ask 'SET PERSIST gtid_mode = OFF_PERMISSIVE'",
    "  mode=OFF_PERMISSIVE",
    "fi",
    `if [ "$mode" = OFF_PERMISSIVE ]; then ask 'SET PERSIST gtid_mode = ON_PERMISSIVE'; mode=ON_PERMISSIVE; fi`,
    'if [ "$mode" = ON_PERMISSIVE ]; then',
    "  deadline=$((SECONDS + 60))",
    `  until [ "$(ask "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Ongoing_anonymous_transaction_count'")" = 0 ]; do`,
    '    if [ "$SECONDS" -ge "$deadline" ]; then echo "a transaction that began before GTIDs were turned on is still open after 60 s: SELECT * FROM information_schema.innodb_trx ORDER BY trx_started" >&2; exit 1; fi',
    "    sleep 0.5",
    "  done",
    "  ask 'SET PERSIST gtid_mode = ON'",
    "fi",
  ];
}

/** What the controllers' account may do: look, open and close, replicate, clone. No table of anybody. */
const agentPrivileges = [
  `GRANT ${failoverPrivileges.static.join(", ")} ON *.* TO`,
  `GRANT ${failoverPrivileges.dynamic.map((one) => (one === "SET_ANY_DEFINER" ? "$definer" : one)).join(", ")} ON *.* TO`,
  "GRANT SELECT ON performance_schema.* TO",
];
/** Replication, and the donor's side of CLONE. */
const replicationPrivileges = ["GRANT REPLICATION SLAVE ON *.* TO", "GRANT BACKUP_ADMIN ON *.* TO"];

/** Statements that create or correct one account; the password comes from a shell variable of letters and digits. */
function account(user: string, variable: string, privileges: readonly string[]): string[] {
  const name = `'${user}'@'%'`;
  return [
    `CREATE USER IF NOT EXISTS ${name} IDENTIFIED WITH caching_sha2_password BY '$${variable}' REQUIRE SSL;`,
    `ALTER USER ${name} IDENTIFIED WITH caching_sha2_password BY '$${variable}' REQUIRE SSL;`,
    ...privileges.map((privilege) => `${privilege} ${name};`),
  ];
}

const agentAccount = () => account(failoverAccounts.mysql, "agent_password", agentPrivileges);
const replicationAccount = () => account(failoverAccounts.replication, "replication_password", replicationPrivileges);

const readPasswords = [
  `agent_password=$(cat -- ${failoverCredentials.mysql})`,
  `replication_password=$(cat -- ${failoverCredentials.replication})`,
  'plain "$agent_password"',
  'plain "$replication_password"',
  // The privilege has another name before 8.2.
  `if at_least 8.2 "$(ask 'SELECT @@version')"; then definer=SET_ANY_DEFINER; else definer=${failoverPrivileges.beforeMysql82.SET_ANY_DEFINER}; fi`,
];

/**
 * The accounts of the pair, written where MySQL is writable: on the leader, whoever that is. The same script runs on both servers; on the other
 * one it waits until the accounts have arrived by replication. They are in the binary log on purpose.
 */
export function renderPairAccounts(mysql: MysqlOnServer): string {
  return script(
    functions(mysql),
    ...readPasswords,
    `arrived() { [ "$(ask "SELECT COUNT(*) FROM mysql.user WHERE user IN ('${failoverAccounts.mysql}', '${failoverAccounts.replication}')")" = 2 ]; }`,
    "if [ \"$(ask 'SELECT @@GLOBAL.super_read_only')\" = 0 ]; then",
    "  sql >/dev/null <<SQL",
    ...agentAccount(),
    ...replicationAccount(),
    "SQL",
    "fi",
    "deadline=$((SECONDS + 60))",
    "until arrived; do",
    '  if [ "$SECONDS" -ge "$deadline" ]; then echo "the accounts of the pair have not arrived from the leader within 60 s: im-ha status" >&2; exit 1; fi',
    "  sleep 1",
    "done",
  );
}

/**
 * Prepares the empty MySQL of server B for its clone: the account with which the controller gets in, the plugins, and read-only, also after a
 * restart. Once it is a member there is nothing to do: its accounts are those of A.
 */
export function renderPrepareReplica(mysql: MysqlOnServer): string {
  return script(
    functions(mysql),
    ...readPasswords,
    "unset replication_password",
    `mark=${quote(pairPaths.memberMark)}`,
    // The account that only a clone of A brings: this is a member.
    `if [ "$(ask "SELECT COUNT(*) FROM mysql.user WHERE user = '${failoverAccounts.replication}'")" != 0 ]; then`,
    '  : >"$mark"',
    ...takeInAgain(mysql),
    "  exit 0",
    "fi",
    `tables=$(ask "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')")`,
    'if [ "$tables" != 0 ]; then echo "MySQL on this server is not empty ($tables tables): its data would be replaced by that of server a. Move it away first." >&2; exit 1; fi',
    // A run that was cut off may have closed it already.
    "ask 'SET GLOBAL super_read_only = OFF'; ask 'SET GLOBAL read_only = OFF'",
    "version=$(ask 'SELECT @@version')",
    // One session: none of this may become a transaction that A does not have.
    "sql >/dev/null <<SQL",
    "SET SESSION sql_log_bin = 0;",
    ...agentAccount(),
    "SQL",
    ...installPlugins(),
    ...semiSyncSettings(),
    "if at_least 8.2 \"$version\"; then ask 'RESET BINARY LOGS AND GTIDS'; else ask 'RESET MASTER'; fi",
    ...bootsReadOnly(),
    "ask 'SET GLOBAL super_read_only = ON'",
    ': >"$mark"',
  );
}

/**
 * A member that was left by a destroy of stage 2 knows the accounts of then. While its controller runs they come by replication; without one
 * the controller could not even look, so its password is put in by hand, outside the binary log.
 */
function takeInAgain({ container }: MysqlOnServer): string[] {
  return [
    `  login() { mysql_in_container ${quote(container)} <(printf '[client]\\nuser=${failoverAccounts.mysql}\\npassword=%s\\nhost=127.0.0.1\\nprotocol=tcp\\nssl-mode=REQUIRED\\n' "$agent_password") <<<'DO 1' >/dev/null 2>&1; }`,
    `  if ! timeout 10 systemctl is-active --quiet ${failoverUnit} && ! login; then`,
    "    ask 'SET GLOBAL super_read_only = OFF'; ask 'SET GLOBAL read_only = OFF'",
    "    sql >/dev/null <<SQL",
    "SET SESSION sql_log_bin = 0;",
    ...agentAccount(),
    "SQL",
    ...bootsReadOnly().map((line) => `    ${line}`),
    "    ask 'SET GLOBAL super_read_only = ON'",
    "  fi",
  ];
}

function bootsReadOnly(): string[] {
  return [
    "ask 'SET PERSIST_ONLY super_read_only = ON'",
    "ask 'SET PERSIST_ONLY skip_replica_start = ON'",
    // ON would throw away what was acknowledged and not yet applied, and nobody could fetch it again from a dead leader.
    "ask 'SET PERSIST_ONLY relay_log_recovery = OFF'",
  ];
}

/**
 * From now on this MySQL boots read-only and does not replicate by itself: only the controller opens it. Set when the controller runs, or a
 * restart in between would leave the suite closed.
 */
export function renderBootReadOnly(mysql: MysqlOnServer): string {
  return script(functions(mysql), ...bootsReadOnly());
}

/** The other way round, first of all in a destroy: a restart from here on must find a MySQL that opens by itself. */
export function renderBootAsBefore(mysql: MysqlOnServer): string {
  return script(
    functions(mysql),
    `if ! docker inspect ${quote(mysql.container)} >/dev/null 2>&1; then exit 0; fi`,
    ...["super_read_only", "skip_replica_start", "relay_log_recovery"].map(
      (name) => `ask 'RESET PERSIST IF EXISTS ${name}' 2>/dev/null || :`,
    ),
  );
}

/**
 * Puts server A's MySQL back: a stand-alone server, writable, that waits for nobody, with the variables, plugins and accounts that it had. The
 * controllers are gone by then. Read from the undo record; without one there is nothing of ours.
 */
export function renderUndoPrimary(mysql: MysqlOnServer): string {
  const drop = [failoverAccounts.mysql, failoverAccounts.replication].map((user) => `'${user}'@'%'`).join(", ");
  return script(
    functions(mysql),
    `undo=${quote(pairPaths.mysqlUndo)}`,
    `if [ ! -e "$undo" ] || ! docker inspect ${quote(mysql.container)} >/dev/null 2>&1; then exit 0; fi`,
    // The guard has refused already; this is for a guard that was removed from the state by hand.
    'if [ "$(ask "SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE service_state = \'ON\'")" != 0 ]; then',
    '  echo "this MySQL is a replica: the other server leads. Switch over first: im-ha switchover" >&2',
    "  exit 1",
    "fi",
    // First the waiting, then the doors.
    `ask 'SET GLOBAL rpl_semi_sync_source_enabled = OFF' 2>/dev/null || :`,
    "ask 'STOP REPLICA' 2>/dev/null || :",
    "ask 'RESET REPLICA ALL' 2>/dev/null || :",
    ...[...recordedVariables, ...semiSyncVariables].map(
      (name) => `ask 'RESET PERSIST IF EXISTS ${name}' 2>/dev/null || :`,
    ),
    "ask 'SET GLOBAL super_read_only = OFF'",
    "ask 'SET GLOBAL read_only = OFF'",
    "ask 'SET GLOBAL offline_mode = OFF'",
    "sql <<'SQL'",
    "SET SESSION sql_log_bin = 0;",
    `DROP USER IF EXISTS ${drop};`,
    "SQL",
    ...Object.keys(pairPlugins).map(
      (plugin) =>
        `if ! grep -qx 'plugin|${plugin}' "$undo"; then ask 'UNINSTALL PLUGIN ${plugin}' 2>/dev/null || :; fi`,
    ),
    'value() { sed -n "s/^variable|$1|\\([^|]*\\)|.*/\\1/p" "$undo"; }',
    'persisted() { sed -n "s/^variable|$1|[^|]*|\\(.*\\)/\\1/p" "$undo"; }',
    "put_back() {",
    "  local was saved scope=GLOBAL",
    '  was=$(value "$1") saved=$(persisted "$1")',
    '  if [ -z "$was" ]; then return; fi',
    '  if [ "$saved" != - ]; then scope=PERSIST; fi',
    '  if [ "$scope" = PERSIST ] || [ "$(ask "SELECT @@GLOBAL.$1")" != "$was" ]; then ask "SET $scope $1 = $was"; fi',
    "}",
    // GTIDs back step by step, as they came.
    'step() { if [ "$(ask \'SELECT @@GLOBAL.gtid_mode\')" = "$1" ]; then ask "SET GLOBAL gtid_mode = $2"; fi; }',
    'if [ "$(value gtid_mode)" = OFF ]; then step ON ON_PERMISSIVE; step ON_PERMISSIVE OFF_PERMISSIVE; step OFF_PERMISSIVE OFF; fi',
    'for name in gtid_mode enforce_gtid_consistency sync_binlog innodb_flush_log_at_trx_commit binlog_format binlog_expire_logs_seconds; do put_back "$name"; done',
    // In the end it must be what the destroy promises.
    `[ "$(ask 'SELECT @@GLOBAL.super_read_only + @@GLOBAL.read_only + @@GLOBAL.offline_mode')" = 0 ] || { echo "MySQL is not writable: see its variables read_only, super_read_only and offline_mode" >&2; exit 1; }`,
    'rm -f -- "$undo"',
  );
}

/**
 * What server B's MySQL must have as server A's has it, as lines of an option file. Printed by A, so that it is a value that is known after the
 * first run; what differs by version is printed only where that version knows it.
 */
export function renderMysqlSettings(mysql: MysqlOnServer): string {
  const plain = [
    "lower_case_table_names",
    "character_set_server",
    "collation_server",
    "max_allowed_packet",
    "max_connections",
    "explicit_defaults_for_timestamp",
    "transaction_isolation",
    "group_concat_max_len",
    "local_infile",
    "log_bin_trust_function_creators",
    "wait_timeout",
    "interactive_timeout",
    "binlog_expire_logs_seconds",
  ];
  return script(
    functions(mysql),
    "version=$(ask 'SELECT @@version')",
    "id=$(ask 'SELECT @@GLOBAL.server_id')",
    // Two servers with one id do not replicate.
    'printf "server_id=%s\\n" "$((id + 1))"',
    "sql <<'SQL'",
    ...plain.map((name) => `SELECT CONCAT('${name}=', @@GLOBAL.${name});`),
    "SELECT CONCAT('sql_mode=\"', @@GLOBAL.sql_mode, '\"');",
    // SYSTEM is the container's own zone, which B's container does not have: its distance from UTC is.
    "SELECT CONCAT('default_time_zone=\"', IF(@@GLOBAL.time_zone = 'SYSTEM', IF(TIMEDIFF(NOW(), UTC_TIMESTAMP()) < 0, TIME_FORMAT(TIMEDIFF(NOW(), UTC_TIMESTAMP()), '%H:%i'), CONCAT('+', TIME_FORMAT(TIMEDIFF(NOW(), UTC_TIMESTAMP()), '%H:%i'))), @@GLOBAL.time_zone), '\"');",
    "SQL",
    'case "$version" in',
    "  8.0.*) ask \"SELECT CONCAT('default_authentication_plugin=', @@GLOBAL.default_authentication_plugin)\" ;;",
    "  8.4.*)",
    "    ask \"SELECT CONCAT('authentication_policy=\\\"', @@GLOBAL.authentication_policy, '\\\"')\"",
    "    ask \"SELECT 'mysql_native_password=ON' FROM information_schema.plugins WHERE plugin_name = 'mysql_native_password' AND plugin_status = 'ACTIVE'\"",
    "    ;;",
    "  *) ask \"SELECT CONCAT('authentication_policy=\\\"', @@GLOBAL.authentication_policy, '\\\"')\" ;;",
    "esac",
  );
}
