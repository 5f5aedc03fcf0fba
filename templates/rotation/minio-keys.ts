import { quote, script } from "../../lib/shell.ts";
import { secretFileFunctions } from "./create-once-files.ts";

export interface MinioKeysScript {
  readonly container: string;
  readonly rootUser: string;
  /** Create-once file of root's secret key. */
  readonly rootFileName: string;
  /** The application's users are this, a hyphen and the generation. */
  readonly applicationUser: string;
  /** Create-once file of the application's secret key. */
  readonly applicationFileName: string;
  readonly generation: number;
}

/**
 * `minio_as USER SECRET ARGUMENT...`: runs mc in MinIO's own container. The login, and after it what mc itself shall read, travel on stdin;
 * mc's configuration lies in the container's memory file system for the length of the call.
 * `minio_accepts USER SECRET`: 0 yes, 1 refused; no answer ends the script.
 */
const clientFunctions = (container: string): string => `minio_container=${quote(container)}
minio_as() {
  local user=$1 secret=$2
  shift 2
  {
    printf '{"version":"10","aliases":{"suite":{"url":"http://127.0.0.1:9000","accessKey":"%s","secretKey":"%s","api":"S3v4","path":"auto"}}}\\n' "$user" "$secret"
    cat
  } | timeout 60 docker exec -i "$minio_container" sh -c '
    umask 077
    folder=$(mktemp -d /dev/shm/mc.XXXXXX) || exit 1
    trap "rm -rf $folder" EXIT
    IFS= read -r line
    printf "%s\\n" "$line" >"$folder/config.json"
    mc --config-dir "$folder" --no-color "$@"' sh "$@"
}
minio_accepts() {
  local said
  if said=$(minio_as "$1" "$2" ls suite 2>&1 >/dev/null </dev/null); then return 0; fi
  case "$said" in
    *"signature we calculated does not match"* | *"Access Key Id you provided does not exist"*) return 1 ;;
  esac
  printf 'MinIO did not say whether it accepts %s: %s\\n' "$1" "$said" >&2
  exit 1
}
# After a start MinIO says "not initialized yet" for a moment.
minio_ready() {
  local deadline=$((SECONDS + 60))
  until minio_as "$1" "$2" ls suite >/dev/null 2>&1 </dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    sleep 0.2
  done
}`;

/** Makes MinIO's root have the newest secret key: MinIO reads it at its start alone, so a new one restarts MinIO. */
export function renderApplyMinioRoot(minio: MinioKeysScript): string {
  return script(
    secretFileFunctions,
    clientFunctions(minio.container),
    `secret=$(newest ${quote(minio.rootFileName)})`,
    `if minio_accepts ${quote(minio.rootUser)} "$secret"; then exit 0; fi`,
    'timeout 90 docker restart --time 30 "$minio_container" >/dev/null',
    `if ! minio_ready ${quote(minio.rootUser)} "$secret"; then`,
    '  echo "MinIO did not accept its new root key within 60 s after its restart: docker logs --tail 30 $minio_container" >&2',
    "  exit 1",
    "fi",
  );
}

/** Makes the application's user of this generation, beside the one that is in use. */
export function renderAcceptMinioApplication(minio: MinioKeysScript): string {
  return script(
    secretFileFunctions,
    clientFunctions(minio.container),
    `root=$(newest ${quote(minio.rootFileName)})`,
    `user=${quote(`${minio.applicationUser}-${minio.generation}`)}`,
    `secret=$(newest ${quote(minio.applicationFileName)})`,
    `as_root() { minio_as ${quote(minio.rootUser)} "$root" "$@"; }`,
    // Root's own answer first: with another root key every further one would only be confusing.
    `if ! minio_accepts ${quote(minio.rootUser)} "$root"; then echo "MinIO does not accept root's key of $secrets/${minio.rootFileName}" >&2; exit 1; fi`,
    'printf "%s\\n%s\\n" "$user" "$secret" | as_root admin user add suite >/dev/null',
    // The second is how mc said it before 2023. Attached already is an error in some versions: the look below decides.
    'as_root admin policy attach suite readwrite --user "$user" >/dev/null 2>&1 </dev/null ||',
    '  as_root admin policy set suite readwrite "user=$user" >/dev/null 2>&1 </dev/null || :',
    'minio_ready "$user" "$secret" || { echo "MinIO does not accept the application\'s new user $user" >&2; exit 1; }',
  );
}

/** Everybody uses the newest keys: the application's older users go, root's older key must be refused. */
export function renderEndMinioRotation(minio: MinioKeysScript): string {
  const user = `${minio.applicationUser}-${minio.generation}`;
  return script(
    secretFileFunctions,
    clientFunctions(minio.container),
    `user=${quote(user)}`,
    `root=$(newest ${quote(minio.rootFileName)})`,
    `as_root() { minio_as ${quote(minio.rootUser)} "$root" "$@" </dev/null; }`,
    `if ! minio_accepts ${quote(minio.rootUser)} "$root" || ! minio_accepts "$user" "$(newest ${quote(minio.applicationFileName)})"; then`,
    '  echo "MinIO does not accept the new keys" >&2',
    "  exit 1",
    "fi",
    `for name in ${quote(minio.rootFileName)} ${quote(minio.applicationFileName)}; do promote "$name" ${minio.generation}; done`,
    `others=$(as_root admin user list suite --json | grep -o '"accessKey":"${minio.applicationUser}-[0-9]*"' | cut -d '"' -f 4 | grep -vxF "$user" || :)`,
    'for other in $others; do as_root admin user remove suite "$other" >/dev/null; done',
    `old=$(before ${quote(minio.rootFileName)})`,
    'if [ -n "$old" ]; then',
    `  if minio_accepts ${quote(minio.rootUser)} "$old"; then echo "MinIO still accepts root's old key" >&2; exit 1; fi`,
    "fi",
    `old=$(before ${quote(minio.applicationFileName)})`,
    "for other in $user $others; do",
    '  if [ -n "$old" ] && minio_accepts "$other" "$old"; then echo "MinIO still accepts the application\'s old key" >&2; exit 1; fi',
    "done",
    `forget ${quote(minio.rootFileName)}`,
    `forget ${quote(minio.applicationFileName)}`,
  );
}
