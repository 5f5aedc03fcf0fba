import { createOnceFiles } from "../../config/names.ts";
import { quote, script } from "../../lib/shell.ts";
import { mysqlInContainer } from "../container-clients.ts";
import { secretFileFunctions } from "./create-once-files.ts";

/** An account of a created suite and the create-once file of its password. */
export interface MysqlSecretAccount {
  readonly user: string;
  readonly host: string;
  readonly fileName: string;
}

/**
 * `mysql_as USER PASSWORD`: runs the SQL on stdin. `mysql_accepts USER PASSWORD`: 0 yes, 1 refused; anything else ends the script, because
 * "no answer" must never be taken for "refused". Generated passwords only: letters and digits.
 */
export const mysqlLoginFunctions = (container: string): string => `${mysqlInContainer}
mysql_container=${quote(container)}
mysql_as() { mysql_in_container "$mysql_container" <(printf '[client]\\nuser=%s\\npassword=%s\\n' "$1" "$2"); }
mysql_accepts() {
  local said
  if said=$(mysql_as "$1" "$2" 2>&1 >/dev/null <<<'DO 1'); then return 0; fi
  case "$said" in
    *"ERROR 1045"*) return 1 ;;
    # Too many connections of this account: MySQL looks at that after the password.
    *"ERROR 1226"*) return 0 ;;
  esac
  printf 'MySQL did not say whether it accepts %s: %s\\n' "$1" "$said" >&2
  exit 1
}
plain() { case "$1" in *[!A-Za-z0-9]* | "") echo "a password of ours has other characters than letters and digits" >&2; exit 1 ;; esac; }`;

const rootFile = createOnceFiles.mysql.root;

/** Makes MySQL accept the newest password of each account, beside the one that is in use. Root first: the others need it. */
export function renderAcceptMysqlPasswords(container: string, accounts: readonly MysqlSecretAccount[]): string {
  return script(
    secretFileFunctions,
    mysqlLoginFunctions(container),
    `root=$(newest ${rootFile})`,
    'if ! mysql_accepts root "$root"; then',
    `  root=$(before ${rootFile})`,
    '  if [ -z "$root" ] || ! mysql_accepts root "$root"; then',
    `    echo "MySQL does not accept root's password of $secrets/${rootFile}: it was changed by hand. Put the right one there." >&2`,
    "    exit 1",
    "  fi",
    "fi",
    "accept() {",
    "  local password",
    '  password=$(newest "$3")',
    '  plain "$password"',
    '  if mysql_accepts "$1" "$password"; then return; fi',
    // Once only: a second time would push the password that is in use out of MySQL's two places.
    "  mysql_as root \"$root\" <<<\"ALTER USER '$1'@'$2' IDENTIFIED BY '$password' RETAIN CURRENT PASSWORD;\"",
    '  if [ "$1" = root ]; then root=$password; fi',
    '  if ! mysql_accepts "$1" "$password"; then echo "MySQL does not accept the new password of $1" >&2; exit 1; fi',
    "}",
    ...accounts.map(({ user, host, fileName }) => `accept ${quote(user)} ${quote(host)} ${quote(fileName)}`),
  );
}

/** Everybody uses the newest passwords: the older ones are refused from here on. */
export function renderEndMysqlRotation(
  container: string,
  accounts: readonly MysqlSecretAccount[],
  generation: number,
): string {
  return script(
    secretFileFunctions,
    mysqlLoginFunctions(container),
    "end() {",
    "  local old",
    '  if ! mysql_accepts "$1" "$(newest "$3")"; then echo "MySQL does not accept the new password of $1" >&2; exit 1; fi',
    `  promote "$3" ${generation}`,
    '  old=$(before "$3")',
    '  if [ -z "$old" ]; then return; fi',
    `  mysql_as root "$(newest ${rootFile})" <<<"ALTER USER '$1'@'$2' DISCARD OLD PASSWORD;"`,
    '  if mysql_accepts "$1" "$old"; then echo "MySQL still accepts the old password of $1" >&2; exit 1; fi',
    '  forget "$3"',
    "}",
    ...accounts.map(({ user, host, fileName }) => `end ${quote(user)} ${quote(host)} ${quote(fileName)}`),
  );
}
