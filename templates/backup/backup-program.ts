import { commandLine, quote } from "../../lib/shell.ts";
import { listFiles } from "./file-list.ts";
import { saveObjects } from "./objects.ts";
import type { BackupPlan } from "./plan.ts";
import { mysqlCopy, renderShared, saveAccounts } from "./shared.ts";

/**
 * im-backup: gathers the parts, saves them as one snapshot in every repository, proves that the dump loads, and only then removes
 * what is too old. Exit code 0: all of it; 1: something failed, and the last lines say what.
 */
export function renderBackupProgram(plan: BackupPlan): string {
  const { daily, weekly, monthly } = plan.keep;
  return `${renderShared(plan, "templates/backup/backup-program.ts")}
minio_client=${quote(plan.minio?.clientFile ?? "")}
configuration_paths=(${commandLine(plan.configurationPaths)})
all_repositories=(${commandLine(plan.repositories)})
append_only=(${commandLine(plan.appendOnly)})
keep=(--keep-daily ${daily} --keep-weekly ${weekly} --keep-monthly ${monthly})

one_at_a_time 3600 im-backup
started=$(date +%s)
run=$(date --utc +%Y%m%dT%H%M%SZ)
problems=()
parts_failed=0
saved_paths=()
gathering=()
declare -A sizes=() snapshots=() added=() saved=()
errors=$(mktemp)
complain() { problems+=("$1"); say "❌ $1"; }

${mysqlCopy}

# gather NAME FUNCTION: one part into its staging folder, in a process of its own. What it said and how it ended lie beside the errors.
gather() {
  local began=$SECONDS code=0
  mkdir -p -m 0700 -- "$staging/$1"
  ("$2") >/dev/null 2>"$errors.$1" </dev/null || code=$?
  printf '%s %s\\n' "$code" "$((SECONDS - began))" >"$errors.$1.outcome"
}

# account_for NAME: a part that failed leaves nothing in the staging folder, so that an old copy cannot pass for a new one.
account_for() {
  local code=1 took=0
  read -r code took <"$errors.$1.outcome" || :
  if [ "$code" = 0 ]; then
    sizes[$1]=$(du --summarize --block-size=1 -- "$staging/$1" | cut -f 1)
    say "$1: $((sizes[$1] / 1024)) KiB in $took s"
  else
    parts_failed=$((parts_failed + 1))
    complain "$1: $(reason "$(cat "$errors.$1")")"
    # MinIO's copy is brought up to date by the next run; half of a dump is of no use to anybody.
    if [ "$1" != minio ]; then rm -rf -- "\${staging:?}/$1"; fi
  fi
}

# write_steadily FILE: a quarter of a megabyte at a time, past the page cache, and at most $steady_mebibytes MiB a second. A dump comes three
# times as fast: it took processor and disk from the live MySQL, whose commits waited ten times as long (docs/figures.md). perl-base has
# no Time::HiRes; select sleeps for parts of a second.
write_steadily() {
  local flag=direct
  dd if=/dev/zero of="$1" bs=4096 count=1 oflag=direct status=none 2>/dev/null || flag=dsync
  perl -e '
    binmode STDIN; binmode STDOUT; $| = 1;
    while (my $got = sysread STDIN, my $piece, 262144) {
      for (my $at = 0; $at < $got; ) { my $put = syswrite STDOUT, $piece, $got - $at, $at; defined $put or exit 1; $at += $put }
      select undef, undef, undef, $got / ($ARGV[0] * 1048576);
    }' "$steady_mebibytes" | dd of="$1" bs=256K iflag=fullblock oflag="$flag" status=none
}

save_mysql() {
  local folder="$staging/mysql" busy deadline gtid options schemas
  rm -f -- "$folder"/*
  # The dump begins with the global read lock. Behind a long statement it would wait, and every writer behind it.
  deadline=$((SECONDS + 900))
  while busy=$(connections | awk -F '\\t' '($2 == "Query" || $2 == "Execute") && $1 != "event_scheduler" && $3 > 10 { count++ } END { print count + 0 }') && [ "$busy" != 0 ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then echo "statements older than 10 s did not end within 15 minutes (SHOW PROCESSLIST): the backup's short lock would stop all writers behind them" >&2; return 1; fi
    sleep 5
  done
  [ "$busy" = 0 ] || return 1
  gtid=$(mysql_live <<<'SELECT @@gtid_mode') || return 1
  options=(--single-transaction --quick --skip-dump-date --source-data=2 --routines --events --triggers --hex-blob --tz-utc --max-allowed-packet=1G --set-gtid-purged=OFF)
  if [ "$gtid" = ON ]; then options[-1]=--set-gtid-purged=COMMENTED; fi
  mapfile -t schemas < <(mysql_live <<<"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') ORDER BY 1")
  if [ "\${#schemas[@]}" -eq 0 ]; then echo "MySQL has no schema of an application" >&2; return 1; fi
  mysql_program "$mysql_container" "$mysql_options" mysqldump "\${options[@]}" --databases "\${schemas[@]}" </dev/null | write_steadily "$folder/dump.sql" || return 1
  tail -n 1 "$folder/dump.sql" | grep -q '^-- Dump completed' || { echo "the dump broke off" >&2; return 1; }
  {
    echo "gtid_mode=$gtid"
    head -c 1000000 "$folder/dump.sql" | sed -n -E "s/^-- CHANGE (MASTER|REPLICATION SOURCE) TO (MASTER|SOURCE)_LOG_FILE='([^']*)', (MASTER|SOURCE)_LOG_POS=([0-9]+);.*/binary_log_file=\\3\\nbinary_log_position=\\5/p"
    # A long set goes over many lines.
    if [ "$gtid" = ON ]; then head -c 1000000 "$folder/dump.sql" | sed -n "/GLOBAL.GTID_PURGED=/{:more;/;/!{N;b more};p}" | tr -d ' \\n' | sed -E "s/.*='\\+?([^']*)'.*/gtid_executed=\\1\\n/"; fi
    mysql_live <<<"SELECT CONCAT('lower_case_table_names=', @@lower_case_table_names, '\\nversion=', @@version, '\\nserver_uuid=', @@server_uuid)"
  } >"$folder/position"
  grep -q '^binary_log_file=' "$folder/position" || { echo "the dump does not say its place in the binary log" >&2; return 1; }
  save_accounts mysql_live >"$folder/accounts.sql"
}

${saveAccounts}

save_redis() {
  local folder="$staging/redis" before answer place name deadline
  before=$(redis_live LASTSAVE | tail -n 1)
  [[ "$before" =~ ^[0-9]+$ ]] || { echo "Redis does not answer: $before" >&2; return 1; }
  # LASTSAVE counts seconds: a save within the same one could not be told from the one before.
  sleep 1.1
  answer=$(redis_live 'BGSAVE SCHEDULE' | tail -n 1)
  case "$answer" in *started* | *scheduled*) ;; *) echo "Redis refuses to save: $answer" >&2; return 1 ;; esac
  deadline=$((SECONDS + 900))
  while answer=$(redis_live LASTSAVE | tail -n 1) && [ "$answer" = "$before" ]; do
    if redis_live 'INFO persistence' | grep -q '^rdb_last_bgsave_status:err'; then echo "Redis could not write its file: docker logs $redis_container" >&2; return 1; fi
    if [ "$SECONDS" -ge "$deadline" ]; then echo "Redis did not finish saving within 15 minutes" >&2; return 1; fi
    sleep 0.5
  done
  [[ "$answer" =~ ^[0-9]+$ ]] || { echo "Redis stopped answering: $answer" >&2; return 1; }
  place=$(redis_live 'CONFIG GET dir' | tail -n 1)
  name=$(redis_live 'CONFIG GET dbfilename' | tail -n 1)
  timeout 900 docker exec "$redis_container" cat "$place/$name" >"$folder/dump.rdb" || return 1
  timeout 900 docker run --rm --name im-backup-check-redis --network none --user 0:0 "\${bounds[@]}" --volume "$folder:/check:ro" \\
    --entrypoint redis-check-rdb "$(image_of "$redis_container")" /check/dump.rdb >"$folder/check" || { tail -n 3 "$folder/check" >&2; return 1; }
  grep -q 'keys read' "$folder/check"
}

${saveObjects}

${listFiles}

# Folders of running databases may lie beside the compose file: a copy of their files is no backup.
list_excludes() {
  {
    printf '%s\\n' ${quote(plan.keyFile)} ${quote(`${plan.keyFile}.*`)}
    docker ps --all --quiet | xargs -r docker inspect --format '{{range .Mounts}}{{.Destination}} {{.Source}}{{"\\n"}}{{end}}' |
      sed -n -E 's#^(/var/lib/mysql|/data|/prometheus|/var/lib/grafana) ##p' | sort -u
  } >"$directory/exclude"
}

# What is saved: the staging folder and the configuration that is there.
list_paths() {
  local path
  saved_paths=("$staging")
  for path in "\${configuration_paths[@]}"; do
    if [ -e "$path" ]; then saved_paths+=("$path"); else complain "configuration: $path is not there"; fi
  done
}

# save_to REPOSITORY TAG: one snapshot, or a problem in the report.
save_to() {
  local answer summary
  saved[$1]=0
  if ! answer=$(save_in "$1" --json --tag "im-suite,$2,run-$run" --exclude-file "$directory/exclude" "\${saved_paths[@]}" 2>"$errors"); then
    complain "repository $1: $(reason "$(cat "$errors")")"
    return 1
  fi
  summary=$(tail -n 1 <<<"$answer")
  snapshots[$1]=$(jq --raw-output .snapshot_id <<<"$summary" | cut -c 1-8)
  added[$1]=$(jq --raw-output '.data_added_packed // .data_added' <<<"$summary")
  saved[$1]=1
}

# What is too old goes only where the new snapshot is.
remove_old() {
  if [[ " \${append_only[*]} " == *" $1 "* ]]; then return; fi
  # Only to remove needs a repository for itself: what a run that died left behind would be in the way.
  restic_on "$1" unlock >/dev/null &&
    restic_on "$1" forget --host "$backup_host" --tag im-suite,complete --group-by host "\${keep[@]}" >/dev/null &&
    restic_on "$1" forget --host "$backup_host" --tag im-suite,partial --group-by host --keep-last 3 --prune >/dev/null
}

# finish: the report and the metrics, whatever happened.
finish() {
  local code=$? duration size=0 name success=1
  trap - EXIT
  if [ "\${#gathering[@]}" -gt 0 ]; then kill "\${gathering[@]}" 2>/dev/null || :; fi
  stop_flushing
  stop_mysql_copy
  rm -f -- "$errors" "$errors".*
  duration=$(($(date +%s) - started))
  if [ "\${finished:-no}" != yes ]; then complain "the run broke off (exit code $code)"; fi
  if [ "\${#problems[@]}" -gt 0 ]; then success=0; code=1; fi
  for name in "\${!sizes[@]}"; do size=$((size + sizes[$name])); done
  if [ "\${complete:-no}" = yes ]; then remember_now "$directory/last-success"; fi
  {
    printf '{"run":"%s","started":%s,"seconds":%s,"bytes":%s,"proven":%s,"problems":' "$run" "$started" "$duration" "$size" "\${proven:-false}"
    printf '%s\\n' "\${problems[@]}" | jq --raw-input . | jq --slurp --compact-output 'map(select(. != ""))' | tr -d '\\n'
    printf ',"parts":{'
    for name in "\${!sizes[@]}"; do printf '"%s":%s\\n' "$name" "\${sizes[$name]}"; done | paste -s -d , | tr -d '\\n'
    printf '},"repositories":{'
    for name in "\${!saved[@]}"; do printf '"%s":{"ok":%s,"snapshot":"%s","addedBytes":%s}\\n' "$name" "\${saved[$name]}" "\${snapshots[$name]:-}" "\${added[$name]:-0}"; done | paste -s -d , | tr -d '\\n'
    printf '}}\\n'
  } >"$directory/reports/$run.json" || :
  jq --raw-output '"Backup \\(.run): \\(if .problems == [] then "complete" else "NOT complete" end), \\(.bytes / 1048576 | floor) MiB in \\(.seconds) s, dump loaded: \\(.proven)",
    (.parts | to_entries[] | "  \\(.key): \\(.value / 1024 | floor) KiB"),
    (.repositories | to_entries[] | "  repository \\(.key): \\(if .value.ok == 1 then "snapshot \\(.value.snapshot), \\(.value.addedBytes / 1024 | floor) KiB added" else "FAILED" end)"),
    (.problems[] | "  problem: \\(.)")' "$directory/reports/$run.json" >"$directory/reports/$run.txt" || :
  # Two months of reports are enough.
  find "$directory/reports" "$directory/fingerprints" "$directory/positions" -type f -mtime +62 -delete || :
  {
    echo "# HELP im_backup_last_success_timestamp_seconds When the last complete backup ended."
    echo "# TYPE im_backup_last_success_timestamp_seconds gauge"
    echo "im_backup_last_success_timestamp_seconds $(cat "$directory/last-success" 2>/dev/null || echo 0)"
    echo "# HELP im_backup_last_run_ok 1 when the last run had no problem at all."
    echo "# TYPE im_backup_last_run_ok gauge"
    echo "im_backup_last_run_ok $success"
    echo "# HELP im_backup_duration_seconds How long the last run took."
    echo "# TYPE im_backup_duration_seconds gauge"
    echo "im_backup_duration_seconds $duration"
    echo "# HELP im_backup_size_bytes Size of a part in the last run."
    echo "# TYPE im_backup_size_bytes gauge"
    for name in "\${!sizes[@]}"; do echo "im_backup_size_bytes{part=\\"$name\\"} \${sizes[$name]}"; done
    echo "# HELP im_backup_repository_ok 1 when the last run was saved in this repository."
    echo "# TYPE im_backup_repository_ok gauge"
    for name in "\${!saved[@]}"; do echo "im_backup_repository_ok{repository=\\"$name\\"} \${saved[$name]}"; done
    echo "# HELP im_backup_added_bytes What the last run added to this repository."
    echo "# TYPE im_backup_added_bytes gauge"
    for name in "\${!added[@]}"; do echo "im_backup_added_bytes{repository=\\"$name\\"} \${added[$name]}"; done
  } | write_metrics backup.prom || :
  if [ -s "$directory/reports/$run.txt" ]; then while IFS= read -r line; do say "$line"; done <"$directory/reports/$run.txt"; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT

say "Backup $run begins"
flush_as_it_comes "$staging" "$directory/copy-mysql" "$directory/repository"
docker rm --force im-backup-check-redis >/dev/null 2>&1 || :
# The parts side by side. Redis mostly waits for its own save. Objects are listed when MySQL's dump has its snapshot: every object that a
# row of the dump points to is there by then.
if [ -n "$redis_container" ]; then gather redis save_redis & gathering+=($!); fi
if [ -n "$mysql_container" ]; then
  rm -f -- "$staging/mysql/dump.sql"
  gather mysql save_mysql & dumping=$!
  gathering+=("$dumping")
  while kill -0 "$dumping" 2>/dev/null && ! head -c 20000 -- "$staging/mysql/dump.sql" 2>/dev/null | grep -q '^-- CHANGE .*_LOG_POS='; do sleep 0.1; done
fi
if [ -n "$minio_container" ]; then gather minio save_minio; fi
if [ "\${#gathering[@]}" -gt 0 ]; then wait "\${gathering[@]}" || :; fi
gathering=()
if [ -n "$mysql_container" ]; then account_for mysql; fi
if [ -n "$redis_container" ]; then account_for redis; fi
if [ -n "$minio_container" ]; then account_for minio; fi
list_files
list_excludes
list_paths
tag=complete
if [ "$parts_failed" -gt 0 ]; then tag=partial; fi

for repository in "\${all_repositories[@]}"; do
  if save_to "$repository" "$tag"; then say "repository $repository: snapshot \${snapshots[$repository]}, $((added[$repository] / 1024)) KiB added"; fi
done

# A dump counts when it was loaded.
proven=false
if [ "$tag" = complete ] && [ -n "$mysql_container" ]; then
  if load_mysql_copy "$staging/mysql" 2>"$errors" </dev/null && fingerprint_mysql_copy >"$directory/fingerprints/$run.partial" 2>"$errors"; then
    mv -f -- "$directory/fingerprints/$run.partial" "$directory/fingerprints/$run"
    # From here on the binary logs are kept.
    cp -- "$staging/mysql/position" "$directory/positions/$run"
    proven=true
  else
    complain "the dump does not load: $(reason "$(cat "$errors")")"
  fi
  stop_mysql_copy
elif [ "$tag" = complete ]; then
  proven=true
fi
if [ "$proven" = true ] && [ "\${saved[$local_repository]}" = 1 ]; then complete=yes; fi

# The logs from this dump on must be there at once, or a restore test right after would miss them. It reports for itself.
if [ "$proven" = true ] && [ -n "$mysql_container" ]; then "\${0%/*}/im-binary-log-backup" --close >/dev/null 2>&1 9>&- </dev/null || :; fi

if [ "$proven" = true ]; then
  for repository in "\${all_repositories[@]}"; do
    if [ "\${saved[$repository]}" = 1 ] && ! remove_old "$repository" 2>"$errors"; then
      complain "repository $repository: what is too old could not be removed: $(reason "$(cat "$errors")")"
    fi
  done
fi
finished=yes
`;
}
