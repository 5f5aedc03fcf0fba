/**
 * Shell functions of im-restore that bring a throw-away MySQL to a moment or to just before a transaction: it loads the newest dump
 * before, gets the copied binary logs as if they were relay logs, and its own applier runs them up to an exact byte. No text of
 * mysqlbinlog in between: rows, character sets and time zones come as a replica gets them.
 */
export const pointInTime = `# chain FOLDER FIRST: the logs from FIRST on without a gap, into logs; missing names the first that is not there although it should
# be. None of both: FIRST is not closed yet, nothing was written since the dump.
chain() {
  local number name newest
  logs=()
  missing=""
  newest=$(find "$1" -type f -name '*.[0-9]*' ! -name '*.partial' -printf '%f\\n' 2>/dev/null | sort -V | tail -n 1)
  if [ -z "$newest" ]; then missing=$2; return; fi
  for ((number = $(log_number "$2"); number <= $(log_number "$newest"); number++)); do
    name=$(printf '%s.%06d' "\${2%.*}" "$number")
    if [ ! -f "$1/$name" ]; then missing=$name; return; fi
    logs+=("$1/$name")
  done
}

# Where the copied logs are: on this server, or out of the repository when another one was asked for (the server is a new one).
find_binary_logs() {
  local newest id server
  log_root=$binary_logs
  if [ "$repository" = "$local_repository" ]; then
    # What was written a minute ago is not copied yet.
    "\${0%/*}/im-binary-log-backup" >/dev/null || say "im-restore: the newest binary logs could not be copied (see above or $log); what was copied before is used"
    return
  fi
  # The newest ones of each MySQL that was saved there: a new server saves its own logs beside those of the lost one.
  newest=$(restic_on "$repository" snapshots --json --host "$backup_host" --tag im-suite,binary-logs |
    jq --raw-output 'map(. + {server: (.tags | map(select(startswith("server-")))[0] // "" | ltrimstr("server-"))}) | group_by(.server) | .[] | sort_by(.time)[-1] | "\\(.short_id) \\(.server)"') ||
    stop "the repository $repository does not open, see above"
  [ -n "$newest" ] || stop "the repository $repository has no binary logs: only whole backups can be restored from it (im-restore list)"
  while read -r id server; do
    restic_on "$repository" restore "$id" --target "$work/logs" --include "$binary_logs/$server" >/dev/null || stop "the binary logs could not be taken out of the repository $repository, see above"
  done <<<"$newest"
  log_root="$work/logs$binary_logs"
}

# The newest complete snapshot made before a moment (in microseconds), and where its dump stands.
find_base() {
  local all id time asked=$snapshot
  all=$(restic_on "$repository" snapshots --json --host "$backup_host" --tag im-suite,complete | jq --raw-output '.[] | "\\(.short_id) \\(.time)"') || stop "the repository $repository does not open, see above"
  snapshot=""
  taken=""
  while read -r id time; do
    if [ -z "$id" ] || { [ -n "$asked" ] && [ "$id" != "\${asked:0:8}" ]; }; then continue; fi
    # A snapshot is made after its dump: one that was made before the moment holds nothing from after it.
    if [ "$(date --date="$time" +%s%6N)" -le "$1" ] && { [ -z "$taken" ] || [ "$(date --date="$time" +%s%6N)" -gt "$(date --date="$taken" +%s%6N)" ]; }; then
      snapshot=$id
      taken=$time
    fi
  done <<<"$all"
  [ -n "$snapshot" ] || stop "the repository $repository has no complete backup \${asked:+$asked }from before $(moment_text "$1"); im-restore moments shows what is possible"
  read_position "$snapshot"
}

read_position() {
  local position
  position=$(restic_on "$repository" dump "$1" "$staging/mysql/position") || stop "snapshot $1 does not say where its dump stands"
  dump_file=$(sed -n 's/^binary_log_file=//p' <<<"$position")
  dump_position=$(sed -n 's/^binary_log_position=//p' <<<"$position")
  log_folder="$log_root/$(sed -n 's/^server_uuid=//p' <<<"$position")"
}

# The logs were begun before the snapshot was made: a file of the same name from after RESET BINARY LOGS is another one.
chain_fits() {
  local begun
  if [ "\${#logs[@]}" -eq 0 ]; then return; fi
  begun=$("$reader" check "\${logs[0]}" | cut -d ' ' -f 5) && [ "$begun" -le "$(date --date="$1" +%s)" ]
}

# find_stop: reads --until or --until-gtid; sets snapshot, taken, the logs, and where the applier has to stop.
find_stop() {
  local moment found folder now covered="" by value line
  now=$(date +%s%6N)
  if [ -n "$until" ]; then
    moment=$(date --date="$until" +%s%6N 2>/dev/null) || stop "--until $until: expected a moment such as '2026-11-23 03:04:05 +0800'"
    [ "$moment" -le "$now" ] || stop "--until $until: is in the future"
    by=before-moment value=$moment
  else
    by=before-gtid value=$until_gtid moment=""
  fi
  find_binary_logs
  if [ "$by" = before-gtid ]; then
    for folder in "$log_root"/*/; do
      mapfile -t logs < <(find "$folder" -type f -name '*.[0-9]*' ! -name '*.partial' 2>/dev/null | sort -V)
      if [ "\${#logs[@]}" -eq 0 ]; then continue; fi
      found=$("$reader" find 4 before-gtid "$value" "\${logs[@]}") || stop "--until-gtid $value: see above"
      read -r _ line _ moment _ < <(head -n 1 <<<"$found")
      if [ "$line" != none ]; then break; fi
      moment=""
    done
    [ -n "$moment" ] || stop "--until-gtid $value: no such transaction in the binary logs that were copied; im-restore moments shows from when on there are any"
  fi
  find_base "$moment"
  chain "$log_folder" "$dump_file"
  [ "$missing" != "$dump_file" ] || stop "the binary log $dump_file, which follows the backup of $taken, was not kept; im-restore moments shows what is possible"
  chain_fits "$taken" || stop "MySQL began its binary logs anew after the backup of $taken; im-restore moments shows what is possible"
  found="stop none
end $dump_file $dump_position 0 0"
  if [ "\${#logs[@]}" -gt 0 ]; then found=$("$reader" find "$dump_position" "$by" "$value" "\${logs[@]}") || stop "a binary log cannot be read, see above"; fi
  read -r _ stop_name stop_position stop_moment stop_gtid < <(head -n 1 <<<"$found") || :
  read -r _ end_name end_position end_moment transactions < <(tail -n 1 <<<"$found")
  if [ "$stop_name" = none ]; then
    if [ -n "$missing" ]; then stop "the binary log $missing is missing: MySQL can be restored until $(moment_text "$end_moment") only"; fi
    if [ "$by" = before-gtid ]; then stop "--until-gtid $value: is part of the backup of $taken already; give --snapshot of an older one"; fi
    if [ -f "$log_folder/covered" ]; then covered=$(cat "$log_folder/covered"); fi
    if [ -z "$covered" ] || [ "$moment" -gt "$covered" ]; then
      if [ "$repository" = "$local_repository" ]; then stop "--until $until: the binary logs reach until $(moment_text "\${covered:-0}") only"; fi
      # A lost server: what it wrote last is the best there is.
      say "im-restore: the repository has binary logs until $(moment_text "\${covered:-$end_moment}"); what was written after that is lost"
    fi
    stop_name=$end_name
    stop_position=$end_position
    say "im-restore: the backup of $taken and $transactions transactions after it"
  else
    say "im-restore: the backup of $taken and $transactions transactions after it; the first one left out was committed at $(moment_text "$stop_moment") ($stop_gtid)"
  fi
}

# replay FOLDER: loads the dump of the folder and runs the logs. What comes out is written over the folder's dump and accounts.
replay() {
  local folder=$1 name status running file position error deadline schemas
  rm -rf -- "$work/replay"
  # Readable for the user of the container; the folder above is not for anybody else.
  mkdir -m 0777 -- "$work/replay"
  for name in "\${logs[@]}"; do
    cp --reflink=auto -- "$name" "$work/replay/im-replay.\${name##*.}"
    echo "/replay/im-replay.\${name##*.}" >>"$work/replay/im-replay.index"
    if [ "\${name##*/}" = "$stop_name" ]; then break; fi
  done
  # Nothing was written since the dump: there are none.
  find "$work/replay" -type f -exec chmod 0666 {} +
  chmod 0777 "$work/replay"
  copy_volumes=(--volume "$work/replay:/replay")
  # OFF_PERMISSIVE: transactions with a GTID and without are run as they come, so it does not matter when GTID was turned on.
  load_mysql_copy "$folder" --gtid-mode=OFF_PERMISSIVE --server-id=4294967295 --replicate-same-server-id --skip-replica-start \\
    --relay-log=/replay/im-replay --relay-log-index=/replay/im-replay.index --relay-log-recovery=OFF --relay-log-purge=OFF </dev/null || stop "the dump does not load, see above; nothing was changed"
  if [ "$transactions" -gt 0 ]; then
    copy_sql >/dev/null <<SQL || stop "the binary logs cannot be run, see above; nothing was changed"
CHANGE REPLICATION SOURCE TO RELAY_LOG_FILE='im-replay.\${dump_file##*.}', RELAY_LOG_POS=$dump_position, SOURCE_HOST='none';
START REPLICA SQL_THREAD UNTIL RELAY_LOG_FILE='im-replay.\${stop_name##*.}', RELAY_LOG_POS=$stop_position;
SQL
    deadline=$((SECONDS + 14400))
    while :; do
      status=$(docker exec -i "$mysql_copy" mysql --user="$copy_account" --vertical <<<'SHOW REPLICA STATUS') || stop "the throw-away MySQL ended while it ran the binary logs (docker logs $mysql_copy); nothing was changed"
      running=$(sed -n 's/^ *Replica_SQL_Running: //p' <<<"$status")
      file=$(sed -n 's/^ *Relay_Log_File: //p' <<<"$status")
      position=$(sed -n 's/^ *Relay_Log_Pos: //p' <<<"$status")
      error=$(sed -n 's/^ *Last_SQL_Error: //p' <<<"$status" | cut -c 1-400)
      if [ "$running" != Yes ]; then break; fi
      if [ "$SECONDS" -ge "$deadline" ]; then stop "the binary logs did not run within 4 hours; nothing was changed"; fi
      sleep 0.5
    done
    # Written is not applied: it says itself where it stands. Between the end of the last wanted transaction and the first unwanted one.
    if [ -n "$error" ]; then stop "a transaction could not be run (im-replay is $dump_file's series): $error; nothing was changed"; fi
    if [ "$(printf '%s %020d\\n' "im-replay.\${end_name##*.}" "$end_position" "$file" "$position" "im-replay.\${stop_name##*.}" "$stop_position" | sort --check=quiet -k 1,1V -k 2,2n && echo reached)" != reached ]; then
      stop "the throw-away MySQL stopped at $file:$position instead of \${stop_name##*.}:$stop_position; nothing was changed"
    fi
  fi
  # A replica does not run events; put back they would stay switched off.
  copy_sql <<'SQL' >"$work/events.sql" || stop "the throw-away MySQL does not answer; nothing was changed"
SELECT CONCAT('ALTER DEFINER=', QUOTE(SUBSTRING_INDEX(definer, '@', 1)), '@', QUOTE(SUBSTRING_INDEX(definer, '@', -1)), ' EVENT \`', REPLACE(event_schema, '\`', '\`\`'), '\`.\`', REPLACE(event_name, '\`', '\`\`'), '\` ENABLE;')
FROM information_schema.events WHERE status NOT IN ('ENABLED', 'DISABLED');
SQL
  copy_sql <"$work/events.sql" || stop "the events could not be switched on again, see above; nothing was changed"
  mapfile -t schemas < <(copy_sql <<<"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') ORDER BY 1")
  docker exec "$mysql_copy" mysqldump --user="$copy_account" --default-character-set=utf8mb4 --single-transaction --quick --skip-dump-date --routines --events --triggers \\
    --hex-blob --tz-utc --max-allowed-packet=1G --set-gtid-purged=OFF --databases "\${schemas[@]}" >"$folder/dump.sql" || stop "the throw-away MySQL could not be dumped, see above; nothing was changed"
  save_accounts copy_sql >"$folder/accounts.sql" || stop "the accounts could not be read, see above; nothing was changed"
  copy_loaded=yes
}

# moments: from when until when.
show_moments() {
  local all id time covered first="" from="" names
  mkdir -p -m 0700 -- "$work"
  find_binary_logs
  all=$(restic_on "$repository" snapshots --json --host "$backup_host" --tag im-suite,complete | jq --raw-output 'sort_by(.time)[] | "\\(.short_id) \\(.time)"') || stop "the repository $repository does not open, see above"
  while read -r id time; do
    if [ -z "$id" ]; then continue; fi
    read_position "$id"
    chain "$log_folder" "$dump_file"
    if [ -z "$missing" ] && chain_fits "$time"; then first=$id from=$time; break; fi
  done <<<"$all"
  if [ -z "$first" ]; then echo "MySQL can be restored to the whole backups only (im-restore list): no binary logs follow any of them without a gap."; return; fi
  covered=$(cat "$log_folder/covered" 2>/dev/null || echo 0)
  names="none yet"
  if [ "\${#logs[@]}" -gt 0 ]; then names="\${logs[0]##*/} to \${logs[-1]##*/}"; fi
  printf 'MySQL can be restored to any moment\\n  from   %s (snapshot %s)\\n  until  %s\\nBinary logs: %s of server %s\\n' \\
    "$(date --date="$from" '+%Y-%m-%d %H:%M:%S %z')" "$first" "$(moment_text "$covered")" "$names" "\${log_folder##*/}"
}
`;
