import { mysqlAccounts } from "../config/names.ts";
import { quote, script } from "../lib/shell.ts";
import { mysqlInContainer } from "./container-clients.ts";
import { mysqlLoginFunctions } from "./rotation/mysql-passwords.ts";

/**
 * Creates or corrects the monitoring accounts; idempotent. The two generated passwords come on stdin, a line each. Prints when a
 * password was last changed.
 *
 * - im_exporter: what mysqld_exporter's documentation asks for; three connections, so that a scrape that hangs can never
 *   take the application's.
 * - im_health: no privilege at all, through the socket only: `SELECT 40 + 2` needs none.
 *
 * The statements stay out of the binary log: each server gets its own accounts from its own stage, and a replica must
 * not receive them twice.
 */
export function renderMonitoringAccounts(container: string, rootOptionFile: string): string {
  const { exporter, health } = mysqlAccounts;
  return script(
    mysqlLoginFunctions(container),
    "IFS= read -r exporter_password",
    "IFS= read -r health_password",
    'plain "$exporter_password"',
    'plain "$health_password"',
    `as_root() { mysql_in_container "$mysql_container" ${quote(rootOptionFile)}; }`,
    "as_root >/dev/null <<SQL",
    "SET SESSION sql_log_bin = 0;",
    `CREATE USER IF NOT EXISTS '${exporter}'@'%' IDENTIFIED BY '$exporter_password';`,
    `ALTER USER '${exporter}'@'%' WITH MAX_USER_CONNECTIONS 3;`,
    `GRANT PROCESS, REPLICATION CLIENT ON *.* TO '${exporter}'@'%';`,
    `GRANT SELECT ON performance_schema.* TO '${exporter}'@'%';`,
    `CREATE USER IF NOT EXISTS '${health}'@'localhost' IDENTIFIED BY '$health_password';`,
    `ALTER USER '${health}'@'localhost' WITH MAX_USER_CONNECTIONS 2;`,
    "SQL",
    // Another password stays valid beside the old one, until who uses it has it: see renderEndMonitoringRotation.
    "accept() {",
    '  if mysql_accepts "$1" "$3"; then return; fi',
    "  as_root <<<\"SET SESSION sql_log_bin = 0; ALTER USER '$1'@'$2' IDENTIFIED BY '$3' RETAIN CURRENT PASSWORD;\"",
    '  if ! mysql_accepts "$1" "$3"; then echo "MySQL does not accept the new password of $1" >&2; exit 1; fi',
    "}",
    `accept '${exporter}' '%' "$exporter_password"`,
    `accept '${health}' localhost "$health_password"`,
    "unset exporter_password health_password",
    `as_root <<<"SELECT MAX(password_last_changed) FROM mysql.user WHERE user IN ('${exporter}', '${health}')"`,
  );
}

/** Everybody uses the newest passwords of the monitoring accounts: what was kept beside them is refused from here on. */
export function renderEndMonitoringRotation(container: string, rootOptionFile: string): string {
  const accounts = [`'${mysqlAccounts.exporter}'@'%'`, `'${mysqlAccounts.health}'@'localhost'`];
  const users = `'${mysqlAccounts.exporter}', '${mysqlAccounts.health}'`;
  return script(
    mysqlInContainer,
    `as_root() { mysql_in_container ${quote(container)} ${quote(rootOptionFile)}; }`,
    "as_root <<'SQL'",
    "SET SESSION sql_log_bin = 0;",
    ...accounts.map((account) => `ALTER USER ${account} DISCARD OLD PASSWORD;`),
    "SQL",
    `left=$(as_root <<<"SELECT COUNT(*) FROM mysql.user WHERE user IN (${users}) AND JSON_CONTAINS_PATH(COALESCE(User_attributes, '{}'), 'one', '$.additional_password')")`,
    '[ "$left" = 0 ] || { echo "MySQL still keeps an old password of a monitoring account" >&2; exit 1; }',
  );
}

/** Drops accounts, given as user@host. A MySQL that is gone has no accounts either: then there is nothing to undo. */
export function renderDropAccounts(container: string, rootOptionFile: string, accounts: readonly string[]): string {
  const list = accounts
    .map((account) => {
      const at = account.lastIndexOf("@");
      return `'${account.slice(0, at)}'@'${account.slice(at + 1)}'`;
    })
    .join(", ");
  return script(
    mysqlInContainer,
    `if ! docker inspect ${quote(container)} >/dev/null 2>&1; then exit 0; fi`,
    `mysql_in_container ${quote(container)} ${quote(rootOptionFile)} <<'SQL'`,
    "SET SESSION sql_log_bin = 0;",
    `DROP USER IF EXISTS ${list};`,
    "SQL",
  );
}
