import { promisedRecoveryMinutes } from "../../config/backup-schema.ts";
import { quote } from "../../lib/shell.ts";
import { minioClientRun, putObjects } from "./objects.ts";
import type { BackupPlan } from "./plan.ts";
import { renderMinioClientConfig } from "./repositories.ts";
import { mysqlCopy, renderShared } from "./shared.ts";

/**
 * im-restore-test: takes the newest complete snapshot out of the local repository and proves that it brings everything back. It
 * reads nothing of the staging folder and changes nothing of the live suite.
 */
export function renderRestoreTestProgram(plan: BackupPlan): string {
  return `${renderShared(plan, "templates/backup/restore-test-program.ts")}
one_at_a_time 14400 im-restore-test
started=$(date +%s)
place="$directory/restore-test"
errors=$(mktemp)
problems=()
logs=()
complain() { problems+=("$1"); say "❌ $1"; }
# An empty server needs Docker, images and containers before any data.
new_server_seconds=300
promised_minutes=${promisedRecoveryMinutes}
redis_copy=im-backup-copy-redis
minio_copy=im-backup-copy-minio

${mysqlCopy}

${minioClientRun}

${putObjects}

# MinIO answers when its client does.
wait_for_minio() {
  local deadline=$((SECONDS + 120))
  until docker exec "$1" mc --config-dir /tmp/im ready local >/dev/null 2>&1; do
    if [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" != true ]; then docker logs --tail 3 "$1" >&2; return 1; fi
    if [ "$SECONDS" -ge "$deadline" ]; then echo "it does not answer after 120 s" >&2; return 1; fi
    sleep 0.5
  done
}

finish() {
  local code=$? success=1
  trap - EXIT
  stop_flushing
  stop_mysql_copy
  docker rm --force --volumes "$redis_copy" "$minio_copy" >/dev/null 2>&1 || :
  rm -rf -- "$place" "$errors"
  if [ "\${finished:-no}" != yes ]; then complain "the restore test broke off (exit code $code)"; fi
  if [ "\${#problems[@]}" -gt 0 ]; then success=0; code=1; else remember_now "$directory/last-verified"; fi
  {
    printf '{"snapshot":"%s","run":"%s","started":%s,"seconds":%s,"restoreSeconds":%s,"recoverySeconds":%s,"objects":%s,"tables":%s,"redisKeys":%s,"binaryLogs":%s,"problems":' \\
      "\${snapshot:-}" "\${run:-}" "$started" "$(($(date +%s) - started))" "\${restore_seconds:-0}" "\${recovery_seconds:-0}" "\${objects:-0}" "\${tables:-0}" "\${redis_keys:-0}" "\${#logs[@]}"
    printf '%s\\n' "\${problems[@]}" | jq --raw-input . | jq --slurp --compact-output 'map(select(. != ""))' | tr -d '\\n'
    printf '}\\n'
  } >"$directory/reports/restore-test-$(date --utc +%Y%m%dT%H%M%SZ).json" || :
  {
    echo "# HELP im_backup_verified_timestamp_seconds When a restore of the newest backup was last proven."
    echo "# TYPE im_backup_verified_timestamp_seconds gauge"
    echo "im_backup_verified_timestamp_seconds $(cat "$directory/last-verified" 2>/dev/null || echo 0)"
    echo "# HELP im_restore_test_ok 1 when the last restore test found nothing wrong."
    echo "# TYPE im_restore_test_ok gauge"
    echo "im_restore_test_ok $success"
    echo "# HELP im_restore_test_restore_seconds How long it took to have all data back, in the bounds of the test."
    echo "# TYPE im_restore_test_restore_seconds gauge"
    echo "im_restore_test_restore_seconds \${restore_seconds:-0}"
    if [ -n "\${recovery_seconds:-}" ]; then
      echo "# HELP im_recovery_expected_seconds What an empty server would take to serve again, computed from what the test measured."
      echo "# TYPE im_recovery_expected_seconds gauge"
      echo "im_recovery_expected_seconds $recovery_seconds"
    fi
  } | write_metrics restore-test.prom || :
  if [ "$success" = 1 ]; then say "✅ Restore test: snapshot $snapshot is whole: $tables tables, \${redis_keys:-0} Redis keys, \${objects:-0} objects, \${#logs[@]} binary logs without a gap; all data back in $restore_seconds s"; fi
  if [ -n "\${recovery_seconds:-}" ]; then
    say "A lost server would take about $(((recovery_seconds + 59) / 60)) min: $new_server_seconds s for the new server, the rest for the data at the bounds of this test; promised are $promised_minutes min"
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT

rm -rf -- "$place"
docker rm --force --volumes "$redis_copy" "$minio_copy" >/dev/null 2>&1 || :
mkdir -m 0700 -- "$place"
flush_as_it_comes "$place" "$directory/copy-mysql"

if ! newest=$(restic_on "$local_repository" snapshots --json --host "$backup_host" --tag im-suite,complete 2>"$errors"); then
  complain "the repository does not open: $(reason "$(cat "$errors")")"
  finished=yes
  exit 1
fi
snapshot=$(jq --raw-output 'sort_by(.time) | .[-1].short_id // empty' <<<"$newest")
run=$(jq --raw-output 'sort_by(.time) | .[-1].tags // [] | map(select(startswith("run-")))[0] // "" | ltrimstr("run-")' <<<"$newest")
if [ -z "$snapshot" ]; then complain "the repository has no complete backup yet: systemctl start im-backup.service"; finished=yes; exit 1; fi

# Every pack is read once a week: what rots must be found before it is needed.
if ! restic_on "$local_repository" check --read-data-subset="$(date +%u)/7" >"$errors" 2>&1; then
  complain "the repository is damaged: $(grep -iE 'error|mismatch|damaged|not found' "$errors" | head -n 1 | cut -c 1-300)"
fi

restore_began=$SECONDS
if ! restic_on "$local_repository" restore "$snapshot" --target "$place" --limit-download $((steady_mebibytes * 1024)) >"$errors" 2>&1; then
  complain "snapshot $snapshot could not be restored: $(reason "$(cat "$errors")")"
  finished=yes
  exit 1
fi
files="$place$staging"
if ! (cd "$files" && sha256sum --check --quiet --strict files.sha256) >"$errors" 2>&1; then
  complain "files came back different: $(reason "$(cat "$errors")")"
fi

if [ -n "$mysql_container" ]; then
  if ! load_mysql_copy "$files/mysql" 2>"$errors" </dev/null || ! fingerprint_mysql_copy >"$place/fingerprint" 2>"$errors"; then
    complain "the dump does not load: $(reason "$(cat "$errors")")"
  elif [ ! -s "$directory/fingerprints/$run" ]; then
    complain "there is no fingerprint of backup $run to compare with"
  elif ! difference=$(diff -- "$directory/fingerprints/$run" "$place/fingerprint"); then
    complain "tables came back different: $(grep '^[<>]' <<<"$difference" | head -n 3 | tr '\\t\\n' ' ;')"
  fi
  tables=$(grep -c '^rows ' "$place/fingerprint" || :)
  stop_mysql_copy
fi

if [ -n "$redis_container" ]; then
  keys_read=$(sed -n -E 's/.*\\[info\\] ([0-9]+) keys read.*/\\1/p' "$files/redis/check")
  # Keys whose time is up go when the copy loads them: both are counted.
  if docker run --detach --name "$redis_copy" --network none --user 0:0 "\${bounds[@]}" --volume "$files/redis:/data" --entrypoint redis-server \\
    "$(image_of "$redis_container")" --dir /data --dbfilename dump.rdb --appendonly no --save '' >/dev/null 2>"$errors"; then
    deadline=$((SECONDS + 300))
    until loaded=$(docker exec "$redis_copy" redis-cli INFO persistence 2>/dev/null | tr -d '\\r') && grep -q '^loading:0' <<<"$loaded"; do
      [ "$SECONDS" -lt "$deadline" ] || break
      sleep 0.5
    done
    redis_keys=$(awk -F : '/^rdb_last_load_keys_(loaded|expired):/ { sum += $2 } END { print sum + 0 }' <<<"$loaded")
    if [ "$redis_keys" != "$keys_read" ]; then complain "Redis came back with $redis_keys keys, its file had $keys_read"; fi
  else
    complain "the throw-away Redis did not start: $(reason "$(cat "$errors")")"
  fi
  docker rm --force --volumes "$redis_copy" >/dev/null 2>&1 || :
fi
restore_seconds=$((SECONDS - restore_began))

# From the dump on any moment can be restored only when the binary logs after it are all there, each begins where the one before it
# ended, and each can be read: as they come out of the repository, not as they lie on the disk.
if [ -n "$mysql_container" ]; then
  dump_file=$(sed -n 's/^binary_log_file=//p' "$files/mysql/position")
  dump_server=$(sed -n 's/^server_uuid=//p' "$files/mysql/position")
  kept=$(restic_on "$local_repository" snapshots --json --host "$backup_host" --tag "im-suite,binary-logs,server-$dump_server" 2>"$errors" | jq --raw-output 'sort_by(.time) | .[-1].short_id // empty') || kept=""
  if [ -z "$kept" ]; then
    complain "binary logs: the repository has none, so only whole backups can be restored: journalctl -u im-binary-log-backup.service"
  elif ! restic_on "$local_repository" restore "$kept" --target "$place/logs" --include "$binary_logs/$dump_server" >"$errors" 2>&1; then
    complain "binary logs: snapshot $kept could not be restored: $(reason "$(cat "$errors")")"
  else
    mapfile -t logs < <(find "$place/logs$binary_logs/$dump_server" -type f -name '*.[0-9]*' 2>/dev/null | sort -V)
    number=""
    for log_file in "\${logs[@]}"; do
      if [ -n "$number" ] && [ "$(log_number "$log_file")" -ne $((number + 1)) ]; then complain "binary logs: there is a gap before \${log_file##*/}"; fi
      number=$(log_number "$log_file")
    done
    if [ "\${#logs[@]}" -gt 0 ] && [ "$(log_number "\${logs[0]}")" -gt "$(log_number "$dump_file")" ]; then complain "binary logs: $dump_file, where the dump ends, is not there"; fi
    if [ "\${#logs[@]}" -gt 0 ] && ! "$reader" check "\${logs[@]}" >"$place/log-check" 2>"$errors"; then complain "binary logs: $(reason "$(cat "$errors")")"; fi
  fi
fi

if [ -n "$minio_container" ]; then
  objects=$(jq --slurp length "$files/minio/objects.json")
  while IFS= read -r key; do
    if [ ! -f "$files/minio/objects/$key" ]; then complain "the object $key did not come back"; fi
  done < <(jq --raw-output .key "$files/minio/objects.json")
  # Two hundred of them go into a throw-away MinIO and are compared with what the live one had said: bytes, headers, user metadata.
  jq --raw-output .key "$files/minio/objects.json" | shuf -n 200 >"$place/sample"
  printf '%s' ${quote(renderMinioClientConfig("minioadmin", "minioadmin"))} >"$place/minio.json"
  mkdir -m 0700 -- "$place/minio-data"
  # Without keys of its own MinIO takes its well-known ones; without network nobody but us reaches it.
  if ! docker run --detach --name "$minio_copy" --network none --user 0:0 "\${bounds[@]}" --volume "$place/minio-data:/data" "$(image_of "$minio_container")" \\
    server /data >/dev/null 2>"$errors" || ! wait_for_minio "$minio_copy" 2>"$errors" </dev/null; then
    complain "the throw-away MinIO did not start: $(reason "$(cat "$errors")")"
  elif put_began=$(date +%s%3N); ! put=$(put_objects "$files/minio" "$place/minio-plan" "$minio_copy" "$place/minio.json" "$place/sample" 2>"$errors"); then
    complain "objects could not be put into a throw-away MinIO: $(reason "$(cat "$errors")")"
  else
    while IFS= read -r key; do complain "the object $key came back different"; done < <(tail -n +2 <<<"$put" | head -n 5)
  fi
  put_milliseconds=$(($(date +%s%3N) - \${put_began:-0}))
  docker rm --force --volumes "$minio_copy" >/dev/null 2>&1 || :
fi

# All objects take as many times longer than the sample as they are more. Only of a test that brought everything back.
if [ "\${#problems[@]}" -eq 0 ]; then
  recovery_seconds=$((new_server_seconds + restore_seconds))
  if [ "\${objects:-0}" -gt 0 ]; then recovery_seconds=$((recovery_seconds + put_milliseconds * objects / $(wc -l <"$place/sample") / 1000)); fi
fi
finished=yes
`;
}
