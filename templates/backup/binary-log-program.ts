import { commandLine } from "../../lib/shell.ts";
import type { BackupPlan } from "./plan.ts";
import { renderShared } from "./shared.ts";

/**
 * im-binary-log-backup: every few minutes MySQL begins a new binary log when something was written, and every closed one is copied and
 * saved in every repository. With the nightly dump they bring back any moment of the window.
 */
export function renderBinaryLogProgram(plan: BackupPlan): string {
  return `${renderShared(plan, "templates/backup/binary-log-program.ts")}
all_repositories=(${commandLine(plan.repositories)})
append_only=(${commandLine(plan.appendOnly)})
days=${plan.pointInTimeDays}
# The nightly run takes long and holds its own lock: this one does not wait for it. A repository that is locked gets the logs next time.
lock_wait=45
exec 8>"$directory/binary-logs.lock"
flock --wait 240 8 || { say "im-binary-log-backup: another one still runs after 240 s"; exit 75; }

errors=$(mktemp)
problems=()
copied=0
gap=0
kept=0
complain() { problems+=("$1"); say "❌ binary logs: $1"; }

finish() {
  local code=$?
  trap - EXIT
  if [ "\${finished:-no}" != yes ]; then complain "the run broke off (exit code $code)"; fi
  rm -f -- "$errors" "\${folder:-$binary_logs}"/*.partial
  if [ "\${#problems[@]}" -eq 0 ]; then remember_now "$directory/binary-logs-success"; code=0; else code=1; fi
  {
    echo "# HELP im_binary_log_backup_last_success_timestamp_seconds When every closed binary log was last copied and saved in every repository."
    echo "# TYPE im_binary_log_backup_last_success_timestamp_seconds gauge"
    echo "im_binary_log_backup_last_success_timestamp_seconds $(cat "$directory/binary-logs-success" 2>/dev/null || echo 0)"
    echo "# HELP im_binary_log_backup_ok 1 when the last run had no problem."
    echo "# TYPE im_binary_log_backup_ok gauge"
    echo "im_binary_log_backup_ok $((1 - code))"
    echo "# HELP im_binary_log_backup_gap 1 when a binary log since the newest dump is missing: until the next backup no later moment can be restored."
    echo "# TYPE im_binary_log_backup_gap gauge"
    echo "im_binary_log_backup_gap $gap"
    echo "# HELP im_binary_log_backup_bytes Size of the kept binary logs."
    echo "# TYPE im_binary_log_backup_bytes gauge"
    echo "im_binary_log_backup_bytes $kept"
  } | write_metrics binary-logs.prom || :
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# The oldest log that is needed: of the dumps in the window and the one before it. Empty while there is no dump.
first_needed() {
  local file last=""
  while IFS= read -r file; do
    if [ "$(sed -n 's/^server_uuid=//p' "$file")" != "$uuid" ]; then continue; fi
    last=$(sed -n 's/^binary_log_file=//p' "$file")
    if [ -z "$(find "$file" -mtime "-$days")" ]; then break; fi
  done < <(find "$directory/positions" -type f | sort --reverse)
  printf '%s' "$last"
}

newest_dump() {
  local file
  while IFS= read -r file; do
    if [ "$(sed -n 's/^server_uuid=//p' "$file")" = "$uuid" ]; then sed -n 's/^binary_log_file=//p' "$file"; return; fi
  done < <(find "$directory/positions" -type f | sort --reverse)
}

begin_anew() {
  mv -- "$folder" "$folder.until-$(date --utc +%Y%m%dT%H%M%SZ)"
  mkdir -m 0700 -- "$folder"
  grep -rlxF "server_uuid=$uuid" "$directory/positions" | xargs -r rm -f --
}

if ! server=$(mysql_live <<<"SELECT CONCAT_WS(' ', @@server_uuid, @@log_bin, @@log_bin_basename)" 2>"$errors"); then
  complain "MySQL in $mysql_container does not answer: $(reason "$(cat "$errors")")"
  finished=yes
  exit 1
fi
read -r uuid enabled base <<<"$server"
if [ "$enabled" != 1 ]; then
  complain "MySQL in $mysql_container runs without a binary log: it can be restored to the nightly backups only. Remove skip-log-bin / disable-log-bin from its configuration and restart it"
  finished=yes
  exit 1
fi
folder="$binary_logs/$uuid"
place=\${base%/*}
mkdir -p -m 0700 -- "$folder"

# A new file only when something was written: an idle suite makes no files. The nightly backup (--close) wants the log of its dump in
# any case: without it nobody could tell an idle suite from one whose logs are not saved.
covered=$(date +%s%6N)
active=$(mysql_live <<<'SHOW BINARY LOGS' | tail -n 1 | cut -f 1)
timeout 60 docker exec "$mysql_container" head -c 1048576 "$place/$active" >"$folder/active.partial"
state=$("$reader" idle "$folder/active.partial" 2>"$errors") || { complain "$(reason "$(cat "$errors")")"; finished=yes; exit 1; }
if [ "$state" = written ] || [ "\${1:-}" = --close ]; then mysql_live <<<'FLUSH BINARY LOGS'; fi
mapfile -t listed < <(mysql_live <<<'SHOW BINARY LOGS' | cut -f 1,2)
active=\${listed[-1]%%$'\\t'*}
unset 'listed[-1]'
closed=""
if [ "\${#listed[@]}" -gt 0 ]; then closed=\${listed[-1]%%$'\\t'*}; fi

# RESET BINARY LOGS counts from one again: what was kept belongs to the time before, and no dump leads into the new ones yet.
newest=$(find "$folder" -type f -name '*.[0-9]*' ! -name '*.partial' -printf '%f\\n' | sort -V | tail -n 1)
if [ -n "$newest" ] && [ "$(log_number "$newest")" -ge "$(log_number "$active")" ]; then
  begin_anew
  gap=1
  complain "MySQL counts its binary logs anew (RESET BINARY LOGS): no moment from now on can be restored until the next backup (systemctl start im-backup.service)"
fi
first=$(first_needed)
if [ -z "$first" ]; then first=$(find "$folder" -type f -name '*.[0-9]*' ! -name '*.partial' -printf '%f\\n' | sort -V | sed -n 1p); fi
if [ -z "$first" ]; then first=$closed; fi

for line in "\${listed[@]}"; do
  name=\${line%%$'\\t'*}
  size=\${line##*$'\\t'}
  if [ "$(log_number "$name")" -lt "$(log_number "$first")" ]; then continue; fi
  if [ -f "$folder/$name" ]; then
    if [ "$(stat --format %s "$folder/$name")" = "$size" ]; then continue; fi
    begin_anew
  fi
  if ! timeout 3600 docker exec "$mysql_container" cat "$place/$name" >"$folder/$name.partial" 2>"$errors"; then
    complain "$name could not be copied: $(reason "$(cat "$errors")")"
    break
  fi
  if [ "$(stat --format %s "$folder/$name.partial")" != "$size" ]; then complain "$name came over in part: expected $size bytes"; break; fi
  if ! "$reader" check "$folder/$name.partial" >/dev/null 2>"$errors"; then complain "$(reason "$(cat "$errors")")"; break; fi
  mv -- "$folder/$name.partial" "$folder/$name"
  copied=$((copied + 1))
done
if [ "\${#problems[@]}" -eq 0 ]; then printf '%s\\n' "$covered" >"$folder/covered"; fi

# Everything from the newest dump on must be there, or no moment after it can be restored.
start=$(newest_dump)
if [ -n "$start" ]; then
  for ((number = $(log_number "$start"); number < $(log_number "$active"); number++)); do
    name=$(printf '%s.%06d' "\${active%.*}" "$number")
    if [ ! -f "$folder/$name" ] && [ "\${#problems[@]}" -eq 0 ]; then
      gap=1
      complain "MySQL removed $name before it was copied: no moment after it can be restored until the next backup (systemctl start im-backup.service). Let MySQL keep its logs longer (binlog_expire_logs_seconds)"
    fi
  done
fi

# What no dump needs any more.
while IFS= read -r name; do
  if [ -n "$first" ] && [ "$(log_number "$name")" -lt "$(log_number "$first")" ]; then rm -f -- "$folder/$name"; fi
done < <(find "$folder" -type f -name '*.[0-9]*' ! -name '*.partial' -printf '%f\\n')
find "$binary_logs" -mindepth 2 -type f ! -path "$folder/*" -mtime "+$days" -delete
find "$binary_logs" -mindepth 1 -type d -empty -delete
mkdir -p -m 0700 -- "$folder"
kept=$(du --summarize --apparent-size --block-size=1 -- "$binary_logs" | cut -f 1)

newest=$(find "$folder" -type f -name '*.[0-9]*' ! -name '*.partial' -printf '%f\\n' | sort -V | tail -n 1)
for repository in "\${all_repositories[@]}"; do
  mark="$directory/binary-logs-saved.$repository"
  if [ -z "$newest" ] || [ "$(cat "$mark" 2>/dev/null)" = "$uuid/$newest" ]; then continue; fi
  if save_in "$repository" --quiet --tag "im-suite,binary-logs,server-$uuid" --exclude '*.partial' "$binary_logs" 2>"$errors" >/dev/null; then
    printf '%s\\n' "$uuid/$newest" >"$mark"
    if [[ " \${append_only[*]} " == *" $repository "* ]]; then continue; fi
    # Each of these snapshots holds all logs of this MySQL: three are enough. Those of a lost server, under the tag of that one, stay:
    # its successor begins at once to save logs of its own. The nightly prune gives the space back.
    restic_on "$repository" forget --quiet --host "$backup_host" --tag "im-suite,binary-logs,server-$uuid" --group-by host --keep-last 3 2>"$errors" >/dev/null ||
      grep -q 'already locked' "$errors" || complain "repository $repository: $(reason "$(cat "$errors")")"
  elif grep -q 'already locked' "$errors"; then
    printf 'The repository %s is in use; it gets the binary logs next time.\\n' "$repository"
    if [ -n "$(find "$mark" -mmin +360 2>/dev/null)" ]; then complain "repository $repository: locked for more than 6 hours"; fi
  else
    complain "repository $repository: $(reason "$(cat "$errors")")"
  fi
done
finished=yes
if [ "$copied" -gt 0 ]; then printf '%s binary logs copied; MySQL can be restored to any moment until %s.\\n' "$copied" "$(moment_text "$covered")"; fi
`;
}
