/**
 * Shell functions that talk to the databases inside their containers. They are the only way our scripts reach MySQL and
 * Redis on a server: credentials and SQL travel on stdin, so neither is in a process list, and no client needs to be
 * installed on the server.
 */

/**
 * `mysql_in_container CONTAINER OPTION_FILE`: runs the SQL on stdin with the option file's credentials, prints rows
 * without headings. The option file lives for the length of the call in the container's memory file system.
 */
export const mysqlInContainer = `mysql_in_container() {
  { cat -- "$2"; printf '%s\\n' '#--sql--'; cat; } | timeout 60 docker exec -i "$1" sh -c '
    umask 077
    file=$(mktemp /dev/shm/im.XXXXXX) || exit 1
    trap "rm -f $file" EXIT
    while IFS= read -r line; do
      [ "$line" = "#--sql--" ] && break
      printf "%s\\n" "$line"
    done >"$file"
    mysql --defaults-extra-file="$file" --batch --skip-column-names --default-character-set=utf8mb4'
}`;

/**
 * `mysql_program CONTAINER OPTION_FILE PROGRAM ARGUMENT...`: runs mysql or mysqldump the same way, for as long as it takes: what
 * comes on stdin goes to the program (a whole dump, in a restore). Arguments are options and names, never credentials.
 */
export const mysqlProgramInContainer = `mysql_program() {
  local container=$1 option_file=$2
  shift 2
  { cat -- "$option_file"; printf '%s\\n' '#--input--'; cat; } | timeout 14400 docker exec -i "$container" sh -c '
    umask 077
    file=$(mktemp /dev/shm/im.XXXXXX) || exit 1
    trap "rm -f $file" EXIT
    while IFS= read -r line; do
      [ "$line" = "#--input--" ] && break
      printf "%s\\n" "$line"
    done >"$file"
    program=$1; shift
    # A dump runs among the threads of the live server: it comes after them.
    lower=""
    if [ "$program" = mysqldump ] && command -v nice >/dev/null; then lower="nice -n 19"; fi
    $lower "$program" --defaults-extra-file="$file" --default-character-set=utf8mb4 "$@"' sh "$@"
}`;

/**
 * `minio_in_container CONTAINER CLIENT_FILE COMMANDS`: runs shell commands in MinIO's container, where `client` is mc with the
 * client file's credentials, `$folder` a private folder in memory, and stdin what came on stdin.
 */
export const minioInContainer = `minio_in_container() {
  { cat -- "$2"; printf '%s\\n' '#--input--'; cat; } | timeout 60 docker exec -i "$1" sh -c '
    umask 077
    folder=$(mktemp -d /dev/shm/im.XXXXXX) || exit 1
    trap "rm -rf $folder" EXIT
    while IFS= read -r line; do
      [ "$line" = "#--input--" ] && break
      printf "%s\\n" "$line"
    done >"$folder/config.json"
    client() { mc --config-dir "$folder" --quiet --no-color "$@"; }
    eval "$1"' sh "$3"
}`;

/** `redis_in_container CONTAINER AUTH_FILE COMMAND`: sends the AUTH line of the file (may be empty), then the command. */
export const redisInContainer = `redis_in_container() {
  { cat -- "$2"; printf '%s\\n' "$3"; } | timeout 20 docker exec -i "$1" redis-cli
}`;

/**
 * The AUTH line for redis-cli's stdin. redis-cli's own quoting takes \\xHH for any byte, which survives every character a
 * password can have. Empty when Redis has no password.
 */
export function renderRedisAuth(password: string): string {
  if (password === "") return "";
  const bytes = [...Buffer.from(password, "utf8")].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  return `AUTH "${bytes.join("")}"\n`;
}

/** A string as a MySQL literal. Hexadecimal: independent of sql_mode (NO_BACKSLASH_ESCAPES) and of quoting. */
export function sqlLiteral(value: string): string {
  if (value === "") return "''";
  return `CONVERT(0x${Buffer.from(value, "utf8").toString("hex")} USING utf8mb4)`;
}
