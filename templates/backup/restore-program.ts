import { quote } from "../../lib/shell.ts";
import { minioClientRun, putObjects } from "./objects.ts";
import type { BackupPlan } from "./plan.ts";
import { pointInTime } from "./point-in-time.ts";
import { mysqlCopy, renderShared, saveAccounts, throwAwayLabel } from "./shared.ts";

/** im-restore: what an operator types on the server to get data back. The runbook is docs/runbooks/restore.md. */
export function renderRestoreProgram(plan: BackupPlan): string {
  return `${renderShared(plan, "templates/backup/restore-program.ts")}
minio_client=${quote(plan.minio?.clientFile ?? "")}
usage() {
  cat <<'TEXT'
im-restore list [--repository NAME]
im-restore moments [--repository NAME]
im-restore restore --to FOLDER [--part mysql|redis|minio|configuration]... [--snapshot ID] [--repository NAME]
im-restore restore --in-place --part mysql|redis|minio [--table SCHEMA.TABLE]... [--snapshot ID] [--repository NAME] [--yes] [--while-serving]
im-restore restore … --part mysql --until 'YYYY-MM-DD HH:MM:SS +ZONE' | --until-gtid GTID …

list              the snapshots, newest last
moments           from when until when MySQL can be restored to any moment
--to FOLDER       puts the files into a new folder; the suite is not touched
--in-place        puts one part back into the running suite; asks first, unless --yes
  mysql           every table of the backup replaces the live one (tables made since then stay); with --table only these tables
  redis           everything in Redis is replaced; nothing restarts
  minio           objects of the backup are put back; objects that are newer than the backup stay
--while-serving   mysql: also while the application is connected
--snapshot ID     the newest complete one when not given; with --until the newest one before that moment
--until MOMENT    mysql: as it was just before that moment; the newest backup before it and the binary logs since
--until-gtid GTID mysql: as it was just before this transaction (or the first one of a set)
TEXT
}
stop() { say "im-restore: $*"; exit 1; }
# Ctrl-C reaches what timeout runs only when it stays in the foreground.
timeout() { command timeout --foreground "$@"; }

repository=$local_repository
snapshot=""
until=""
until_gtid=""
copy_loaded=no
target=""
in_place=no
assume_yes=no
while_serving=no
parts=()
tables=()
action=\${1:-help}
if [ "$#" -gt 0 ]; then shift; fi
while [ "$#" -gt 0 ]; do
  case "$1" in
    --to | --part | --table | --snapshot | --repository | --until | --until-gtid) [ "$#" -ge 2 ] || { usage >&2; exit 2; } ;;
  esac
  case "$1" in
    --to) target=$2; shift ;;
    --part) parts+=("$2"); shift ;;
    --table) tables+=("$2"); shift ;;
    --snapshot) snapshot=$2; shift ;;
    --until) until=$2; shift ;;
    --until-gtid) until_gtid=$2; shift ;;
    --repository) repository=$2; shift ;;
    --in-place) in_place=yes ;;
    --yes) assume_yes=yes ;;
    --while-serving) while_serving=yes ;;
    *) printf 'im-restore: unknown option %s\\n' "$1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[ -f "$repositories/$repository/environment" ] || stop "--repository $repository: expected one of: $(ls -- "$repositories")"

${mysqlCopy}

${saveAccounts}

${pointInTime}
list() { restic_on "$repository" snapshots --host "$backup_host" --tag im-suite; }

find_snapshot() {
  local all
  all=$(restic_on "$repository" snapshots --json --host "$backup_host" --tag im-suite) || stop "the repository $repository does not open, see above"
  if [ -z "$snapshot" ]; then
    snapshot=$(jq --raw-output 'map(select(.tags | index("complete"))) | sort_by(.time) | .[-1].short_id // empty' <<<"$all")
    [ -n "$snapshot" ] || stop "the repository $repository has no complete backup; im-restore list shows what it has"
  fi
  taken=$(jq --raw-output --arg id "$snapshot" 'map(select(.id | startswith($id)))[0].time // empty' <<<"$all")
  [ -n "$taken" ] || stop "--snapshot $snapshot: the repository $repository has no such snapshot; im-restore list shows them"
}

# fetch FOLDER PART...: restores and checks.
fetch() {
  local folder=$1 part paths=()
  shift
  for part in "$@"; do
    case "$part" in
      mysql | redis | minio) paths+=(--include "$staging/$part" --include "$staging/files.sha256") ;;
      configuration) paths+=(${configurationIncludes(plan)}) ;;
      *) stop "--part $part: expected mysql, redis, minio or configuration" ;;
    esac
  done
  mkdir -p -m 0700 -- "$folder"
  restic_on "$repository" restore "$snapshot" --target "$folder" "\${paths[@]}" || stop "the snapshot could not be restored, see above; what is in $folder is not complete. The same command again goes on"
  if [ -f "$folder$staging/files.sha256" ]; then
    (cd "$folder$staging" && sha256sum --check --quiet --strict --ignore-missing files.sha256) || stop "files came back different, see above"
  fi
}

confirm() {
  local answer
  if [ "$assume_yes" = yes ]; then return; fi
  printf '%s\\nType yes to go on: ' "$1"
  read -r answer || answer=""
  [ "$answer" = yes ] || stop "nothing was changed"
}

# Connections of others than us. An application that writes into a schema while it is replaced loses what it writes.
refuse_while_serving() {
  local clients
  clients=$(connections) || stop "MySQL in $mysql_container does not answer"
  clients=$(cut -f 1 <<<"$clients" | sort -u | { grep -vxE 'im_exporter|im_health|event_scheduler|system user' || :; } | paste -s -d ,)
  if [ -n "$clients" ] && [ "$while_serving" = no ]; then
    stop "MySQL serves $clients. Stop the application first (docker stop …), or add --while-serving"
  fi
}

# The dump switches the binary log off for itself; put back into a live server, replicas and point-in-time recovery need it.
with_binary_log() { sed -e '1,60{/^SET @@SESSION.SQL_LOG_BIN *= *0;/d}' -- "$1"; }

# Told by the dump's own comments before it is loaded, which takes minutes.
dump_has() {
  schema=$1 name=$2 awk '/^-- Current Database: / { here = $0 == "-- Current Database: \`" ENVIRON["schema"] "\`" }
    here && /^-- (Table|Temporary view) structure for / && index($0, " \`" ENVIRON["name"] "\`") { found = 1; exit }
    END { exit !found }' "$work$staging/mysql/dump.sql"
}

put_back_mysql() {
  local table schema name count=0
  if [ "\${#tables[@]}" -eq 0 ]; then
    confirm "The schemas in $mysql_container are replaced by those of $taken."
    refuse_while_serving
    doing="the schemas in $mysql_container are replaced only in part: the application must not run on them. The same command again begins anew"
    with_binary_log "$work$staging/mysql/dump.sql" | mysql_program "$mysql_container" "$mysql_options" mysql || stop "the dump was put back only in part, see above; the same command again begins anew"
    mysql_program "$mysql_container" "$mysql_options" mysql <"$work$staging/mysql/accounts.sql" || stop "the accounts were put back only in part, see above"
    return
  fi
  confirm "These tables in $mysql_container are replaced by those of $taken: \${tables[*]}"
  for table in "\${tables[@]}"; do
    dump_has "\${table%%.*}" "\${table#*.}" || stop "--table $table: the backup has no such table; nothing was changed"
  done
  # One table is no reason to stop the application; what it wrote there since is lost, and was asked about.
  if [ "$copy_loaded" = no ]; then load_mysql_copy "$work$staging/mysql" </dev/null || stop "the dump does not load, see above; nothing was changed"; fi
  # All are read before the first is written: a misspelt second name must not leave half of the work.
  for table in "\${tables[@]}"; do
    schema=\${table%%.*}
    name=\${table#*.}
    docker exec "$mysql_copy" mysqldump --user="$copy_account" --single-transaction --hex-blob --set-gtid-purged=OFF --triggers --default-character-set=utf8mb4 "$schema" "$name" >"$work/table-$count.sql" ||
      stop "--table $table: the backup has no such table; nothing was changed"
    count=$((count + 1))
  done
  count=0
  for table in "\${tables[@]}"; do
    doing="table $table is replaced only in part. The same command again begins anew"
    mysql_program "$mysql_container" "$mysql_options" mysql --database="\${table%%.*}" <"$work/table-$count.sql" || stop "$table was put back only in part, see above; the same command again begins anew"
    count=$((count + 1))
    doing="these tables are back: \${tables[*]:0:count}"
    say "table $table is back as of $taken"
  done
}

# The live Redis copies a throw-away one that loaded the backup, as a replica does: all at once, and nothing restarts.
put_back_redis() {
  local copy=im-backup-copy-redis port=6399 answer deadline
  confirm "Everything in $redis_container is replaced by what was there at $taken."
  docker rm --force "$copy" >/dev/null 2>&1 || :
  docker run --detach --name "$copy" --network "container:$redis_container" --user 0:0 "\${bounds[@]}" --volume "$work$staging/redis:/data" \\
    --entrypoint redis-server "$(image_of "$redis_container")" --bind 127.0.0.1 --port "$port" --dir /data --dbfilename dump.rdb --appendonly no --save '' >/dev/null
  deadline=$((SECONDS + 300))
  until docker exec "$copy" redis-cli -p "$port" INFO persistence 2>/dev/null | grep -q '^loading:0'; do
    [ "$SECONDS" -lt "$deadline" ] || stop "the throw-away Redis did not load the backup within 300 s; nothing was changed"
    sleep 0.5
  done
  # A Redis that is set up as a replica of others gives its password to every master, and one without a password refuses it.
  answer=$(redis_live 'CONFIG GET masterauth' | tail -n 1)
  if [ -n "$answer" ]; then
    { printf 'CONFIG SET requirepass "'; printf '%s' "$answer" | od -An -v -tx1 | tr -d ' \\n' | sed 's/../\\\\x&/g'; printf '"\\n'; } | docker exec -i "$copy" redis-cli -p "$port" >/dev/null
  fi
  doing="Redis was replaced, or kept what it had; it writes again. The same command again begins anew"
  redis_follows=yes
  answer=$(redis_live "REPLICAOF 127.0.0.1 $port" | tail -n 1)
  # "OK Already connected" says one that a killed restore left behind.
  case "$answer" in OK*) ;; *) stop "Redis refuses: $answer; nothing was changed" ;; esac
  deadline=$((SECONDS + 600))
  until redis_live 'INFO replication' | grep -q '^master_link_status:up'; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      redis_live 'REPLICAOF NO ONE' >/dev/null
      docker rm --force "$copy" >/dev/null
      stop "Redis did not copy the backup within 600 s; it writes again, with what it had"
    fi
    sleep 0.5
  done
  redis_live 'REPLICAOF NO ONE' >/dev/null
  redis_follows=no
  docker rm --force --volumes "$copy" >/dev/null
}

${minioClientRun}

${putObjects}

put_back_minio() {
  local result count
  # Somebody waits for it: no bound on the processor.
  local bounds=(--label ${quote(`${throwAwayLabel}=1`)} --log-driver none)
  confirm "Objects of $taken are put back into $minio_container, with their metadata; newer versions of the same objects are replaced."
  doing="a part of the objects is back. The same command again goes on"
  result=$(put_objects "$work$staging/minio" "$work/minio-plan" "$minio_container" "$minio_client") || stop "objects were put back only in part, see above; the same command again goes on"
  count=$(head -n 1 <<<"$result")
  [ "$result" = "$count" ] || stop "$count objects were put back, and these are still not as in the backup: $(tail -n +2 <<<"$result" | head -n 5 | paste -s -d ' ')"
  say "$count objects were put back; the others were as in the backup"
}

# Whatever happens: the suite's Redis follows nobody, no throw-away container stays, and the last line says where things stand.
# shellcheck disable=SC2317,SC2329 # Called by the trap.
clean() {
  local code=$?
  trap - EXIT
  trap '' INT TERM
  if [ "$redis_follows" = yes ]; then redis_live 'REPLICAOF NO ONE' >/dev/null || say "im-restore: Redis does not answer; when it does: redis-cli REPLICAOF NO ONE"; fi
  docker rm --force --volumes im-backup-copy-redis im-backup-mirror-minio >/dev/null 2>&1 || :
  stop_mysql_copy
  rm -rf -- "$work"
  case "$code" in 130 | 143) say "im-restore: interrupted; $doing" ;; esac
  exit "$code"
}
redis_follows=no
doing="nothing was changed"
work="$directory/restore-$$"

case "$action" in
  help | --help) usage; exit 0 ;;
  list) list; exit 0 ;;
  moments | restore) ;;
  *) usage >&2; exit 2 ;;
esac

if [ "$action" = moments ]; then
  trap 'rm -rf -- "$work"' EXIT
  show_moments
  exit 0
fi

if [ "$in_place" = no ] && [ -z "$target" ]; then usage >&2; exit 2; fi
if [ "$in_place" = yes ] && [ -n "$target" ]; then stop "--to and --in-place: expected one of them"; fi
for part in "\${parts[@]}"; do
  case "$part" in mysql | redis | minio | configuration) ;; *) stop "--part $part: expected mysql, redis, minio or configuration" ;; esac
done
for table in "\${tables[@]}"; do
  case "$table" in ?*.?*) ;; *) stop "--table $table: expected SCHEMA.TABLE" ;; esac
done
if [ "\${#tables[@]}" -gt 0 ] && [ "\${parts[*]}" != mysql ]; then stop "--table belongs to --part mysql"; fi
if [ -n "$until$until_gtid" ]; then
  if [ -n "$until" ] && [ -n "$until_gtid" ]; then stop "--until and --until-gtid: expected one of them"; fi
  if [ "\${parts[*]}" != mysql ]; then stop "--until and --until-gtid are for --part mysql alone; Redis, objects and configuration are kept once a night"; fi
fi
if [ "$in_place" = yes ]; then
  if [ "\${#parts[@]}" -ne 1 ]; then stop "--in-place needs exactly one --part: mysql, redis or minio"; fi
  if [ "\${parts[0]}" = configuration ]; then stop "configuration is not put back in place: restore it --to a folder and compare"; fi
elif [ -e "$target" ] && [ -n "$(ls -A -- "$target")" ]; then
  stop "--to $target: expected a folder that is new or empty"
fi

one_at_a_time 15 im-restore
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p -m 0700 -- "$work"
# What an interrupted restore left behind.
find "$directory" -maxdepth 1 -name 'restore-[0-9]*' ! -path "$work" -exec rm -rf -- {} +
if [ -n "$until$until_gtid" ]; then find_stop; else find_snapshot; fi

if [ "$in_place" = no ]; then
  doing="what is in $target is not complete; remove it and type the same command again"
  if [ -n "$until$until_gtid" ]; then
    fetch "$work" mysql
    replay "$work$staging/mysql"
    mkdir -p -m 0700 -- "$target"
    cp -- "$work$staging/mysql/dump.sql" "$work$staging/mysql/accounts.sql" "$target/"
    say "MySQL as it was just before \${until:-$until_gtid} is in $target: dump.sql, accounts.sql"
    exit 0
  fi
  if [ "\${#parts[@]}" -eq 0 ]; then parts=(mysql redis minio configuration); fi
  fetch "$target" "\${parts[@]}"
  say "snapshot $snapshot of $taken is in $target (\${parts[*]})"
  exit 0
fi

# Told before the work of minutes, and once more before anything is written.
if [ "\${parts[0]}" = mysql ] && [ "\${#tables[@]}" -eq 0 ]; then refuse_while_serving; fi
fetch "$work" "\${parts[0]}"
as_of="snapshot $snapshot of repository $repository"
if [ -n "$until$until_gtid" ]; then
  replay "$work$staging/mysql"
  as_of="$as_of and the binary logs until just before \${until:-$until_gtid}"
  taken="just before \${until:-$until_gtid}"
fi
case "\${parts[0]}" in
  mysql) put_back_mysql ;;
  redis) put_back_redis ;;
  minio) put_back_minio ;;
esac
doing="all was done"
say "\${parts[0]} is back as of $taken ($as_of)"
`;
}

function configurationIncludes(plan: BackupPlan): string {
  return plan.configurationPaths.map((path) => `--include ${quote(path)}`).join(" ");
}
