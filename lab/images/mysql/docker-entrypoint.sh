#!/bin/bash
# Starts mysqld; on an empty data directory it first makes the system tables, the accounts and the database that the
# variables ask for, and runs what lies in /docker-entrypoint-initdb.d. The variables are those of the official image:
#   MYSQL_ROOT_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD (one is needed)
#   MYSQL_ROOT_HOST (default %), MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD, MYSQL_ONETIME_PASSWORD,
#   MYSQL_INITDB_SKIP_TZINFO; each of the values may lie in a file that NAME_FILE names.
set -eo pipefail
shopt -s nullglob

say() { printf '%s [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; }
fail() {
  say "ERROR: $*"
  exit 1
}

# read_setting NAME: NAME, or the content of the file that NAME_FILE names; both at once is a mistake.
read_setting() {
  local name=$1 file_name="$1_FILE"
  if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
    fail "both $name and $file_name are set, expected one of them"
  fi
  if [ -n "${!file_name:-}" ]; then
    [ -r "${!file_name}" ] || fail "$file_name = ${!file_name}: cannot be read"
    export "$name=$(<"${!file_name}")"
  fi
  unset "$file_name"
}

# setting_of NAME ARGUMENTS…: what mysqld itself makes of its option files and arguments.
setting_of() {
  local name=$1
  shift
  "$@" --verbose --help --log-bin-index="$(mktemp -u)" 2>/dev/null |
    awk -v name="$name" '$1 == name && /^[^ \t]/ { sub(/^[^ \t]+[ \t]+/, ""); print; exit }'
}

# A string as a literal for a session whose sql_mode is empty: there the backslash escapes.
literal() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

# The password reaches the client by its environment: option files cannot hold every character without escapes.
client() { MYSQL_PWD="$client_password" mysql --no-defaults --user=root --socket="$socket" --default-character-set=utf8mb4 "$@"; }

start_for_setup() {
  # Nobody may connect over the network before the accounts are as they were asked for.
  "$@" --skip-networking --loose-mysqlx=OFF --socket="$socket" &
  server=$!
  for _ in $(seq 1 300); do
    kill -0 "$server" 2>/dev/null || fail "mysqld ended while it was being set up, see above"
    if client --execute='SELECT 1' >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  fail "mysqld did not answer within a minute"
}

make_accounts() {
  local host=${MYSQL_ROOT_HOST-%} password
  password=$(literal "$MYSQL_ROOT_PASSWORD")
  {
    echo "SET SESSION sql_mode = '', SESSION sql_log_bin = 0;"
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $password;"
    if [ -n "$host" ] && [ "$host" != localhost ]; then
      echo "CREATE USER 'root'@$(literal "$host") IDENTIFIED BY $password;"
      echo "GRANT ALL ON *.* TO 'root'@$(literal "$host") WITH GRANT OPTION;"
    fi
    echo "DROP DATABASE IF EXISTS test;"
  } | client
  client_password=$MYSQL_ROOT_PASSWORD
  local name=${MYSQL_DATABASE:-} user
  if [ -n "$name" ]; then
    say "creating the database $name"
    # shellcheck disable=SC2016 # Backticks are MySQL's quotes for names.
    printf 'CREATE DATABASE IF NOT EXISTS `%s`;\n' "${name//\`/\`\`}" | client
  fi
  if [ -n "${MYSQL_USER:-}" ] && [ -n "${MYSQL_PASSWORD:-}" ]; then
    say "creating the account $MYSQL_USER"
    user="$(literal "$MYSQL_USER")@'%'"
    {
      echo "SET SESSION sql_mode = '';"
      echo "CREATE USER $user IDENTIFIED BY $(literal "$MYSQL_PASSWORD");"
      if [ -n "$name" ]; then
        name=${name//\`/\`\`}
        # In a grant _ and % are wildcards.
        name=${name//_/\\_}
        # shellcheck disable=SC2016
        printf 'GRANT ALL ON `%s`.* TO %s;\n' "${name//%/\\%}" "$user"
      fi
    } | client
  fi
}

run_initdb_files() {
  local file
  local -a database=()
  if [ -n "${MYSQL_DATABASE:-}" ]; then database=(--database="$MYSQL_DATABASE"); fi
  for file in /docker-entrypoint-initdb.d/*; do
    say "running $file"
    case "$file" in
      *.sh)
        if [ -x "$file" ]; then "$file"; else
          # shellcheck disable=SC1090
          . "$file"
        fi
        ;;
      *.sql) client "${database[@]}" <"$file" ;;
      *.sql.gz) gzip --decompress --stdout "$file" | client "${database[@]}" ;;
      *.sql.bz2) bzip2 --decompress --stdout "$file" | client "${database[@]}" ;;
      *.sql.xz) xz --decompress --stdout "$file" | client "${database[@]}" ;;
      *.sql.zst) zstd --decompress --stdout "$file" | client "${database[@]}" ;;
      *) say "ignoring $file" ;;
    esac
  done
}

set_up() {
  if [ -z "${MYSQL_ROOT_PASSWORD:-}" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ] && [ -z "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
    fail "the data directory is empty and no root password is given: set MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD or MYSQL_RANDOM_ROOT_PASSWORD"
  fi
  if [ "${MYSQL_USER:-}" = root ]; then fail 'MYSQL_USER = "root": root is made anyway, choose another name'; fi
  say "making the system tables in $datadir"
  "$@" --initialize-insecure
  if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
    MYSQL_ROOT_PASSWORD=$(openssl rand -hex 18)
    say "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
  fi
  export MYSQL_ROOT_PASSWORD=${MYSQL_ROOT_PASSWORD:-}
  client_password=
  start_for_setup "$@"
  if [ -z "${MYSQL_INITDB_SKIP_TZINFO:-}" ]; then
    say "loading the time zones"
    { echo "SET SESSION sql_log_bin = 0;" && mysql_tzinfo_to_sql /usr/share/zoneinfo; } 2>/dev/null | client --database=mysql
  fi
  make_accounts
  run_initdb_files
  if [ -n "${MYSQL_ONETIME_PASSWORD:-}" ]; then
    echo "ALTER USER 'root'@$(literal "${MYSQL_ROOT_HOST-%}") PASSWORD EXPIRE;" | client
  fi
  MYSQL_PWD="$client_password" mysqladmin --no-defaults --user=root --socket="$socket" shutdown
  wait "$server"
  say "set-up is done"
}

if [ "${1:0:1}" = - ]; then set -- mysqld "$@"; fi

wants_help=
for argument in "$@"; do
  case "$argument" in -'?' | --help | --print-defaults | -V | --version) wants_help=1 ;; esac
done

if [ "$1" = mysqld ] && [ -z "$wants_help" ]; then
  if ! complaint=$("$@" --verbose --help --log-bin-index="$(mktemp -u)" 2>&1 >/dev/null); then
    fail "mysqld refuses its options: $complaint"
  fi
  datadir=$(setting_of datadir "$@")
  socket=$(setting_of socket "$@")
  for name in MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD MYSQL_ROOT_PASSWORD; do read_setting "$name"; done
  mkdir -p "$datadir" "$(dirname "$socket")"
  if [ "$(id -u)" = 0 ]; then
    # Only what is not right yet: a large data directory must not be walked file by file for nothing.
    find "$datadir" "$(dirname "$socket")" ! -user mysql -exec chown mysql:mysql {} +
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
  fi
  if [ ! -d "$datadir/mysql" ]; then set_up "$@"; fi
  # What only the first start needs has no place in the environment of a server that runs for months.
  unset MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
fi

exec "$@"
