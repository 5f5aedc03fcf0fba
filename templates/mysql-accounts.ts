import { mysqlAccounts } from "../config/names.ts";
import { quote, script } from "../lib/shell.ts";
import { mysqlInContainer } from "./container-clients.ts";

/**
 * Creates or corrects the monitoring accounts; idempotent. The two generated passwords come on stdin, a line each.
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
    mysqlInContainer,
    "IFS= read -r exporter_password",
    "IFS= read -r health_password",
    // The generated passwords are letters and digits; anything else would need quoting that this statement does not do.
    'case "$exporter_password$health_password" in *[!A-Za-z0-9]*|"") echo "unexpected password" >&2; exit 1 ;; esac',
    `mysql_in_container ${quote(container)} ${quote(rootOptionFile)} >/dev/null <<SQL`,
    "SET SESSION sql_log_bin = 0;",
    `CREATE USER IF NOT EXISTS '${exporter}'@'%' IDENTIFIED BY '$exporter_password';`,
    `ALTER USER '${exporter}'@'%' IDENTIFIED BY '$exporter_password' WITH MAX_USER_CONNECTIONS 3;`,
    `GRANT PROCESS, REPLICATION CLIENT ON *.* TO '${exporter}'@'%';`,
    `GRANT SELECT ON performance_schema.* TO '${exporter}'@'%';`,
    `CREATE USER IF NOT EXISTS '${health}'@'localhost' IDENTIFIED BY '$health_password';`,
    `ALTER USER '${health}'@'localhost' IDENTIFIED BY '$health_password' WITH MAX_USER_CONNECTIONS 2;`,
    "SQL",
    "unset exporter_password health_password",
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
