import { backupKeyFile } from "../../config/names.ts";
import { commandLine } from "../../lib/shell.ts";
import type { BackupPlan } from "../backup/plan.ts";
import { renderShared } from "../backup/shared.ts";
import { secretFileFunctions } from "./create-once-files.ts";

/**
 * `opens REPOSITORY FILE`: 0 the key in the file opens it, 1 it does not; 2 there is no repository yet. One that does not answer ends the
 * script: a repository with the old key alone must not be left behind.
 */
const keyFunctions = (plan: BackupPlan): string => `repository_names=(${commandLine(plan.repositories)})
key="$secrets/${backupKeyFile}"
with_key() { RESTIC_PASSWORD_FILE=$1 restic_on "\${@:2}" </dev/null; }
opens() {
  local said
  if said=$(with_key "$2" "$1" cat config 2>&1 >/dev/null); then return 0; fi
  case "$said" in
    *"wrong password"* | *"no key found"*) return 1 ;;
    *"Is there a repository at the following location"* | *"repository does not exist"*) return 2 ;;
  esac
  printf 'repository %s: %s\\n' "$1" "$(reason "$said")" >&2
  exit 1
}`;

const head = (plan: BackupPlan): string => `${renderShared(plan, "templates/rotation/backup-key.ts")}
${secretFileFunctions}
${keyFunctions(plan)}
`;

/** Makes every repository open with the newest key beside the one that is in use, and proves it. */
export function renderAcceptBackupKey(plan: BackupPlan): string {
  return `${head(plan)}
if [ ! -s "$key.next" ]; then exit 0; fi
one_at_a_time 300 "rotation of the key"
for name in "\${repository_names[@]}"; do
  answer=0
  opens "$name" "$key.next" || answer=$?
  if [ "$answer" != 1 ]; then continue; fi
  if ! opens "$name" "$key"; then echo "repository $name opens neither with the key nor with the next one" >&2; exit 1; fi
  with_key "$key" "$name" key add --new-password-file "$key.next" >/dev/null
  if ! opens "$name" "$key.next"; then echo "repository $name does not open with its new key" >&2; exit 1; fi
done
`;
}

/** The newest key counts: the older one is removed from every repository. */
export function renderEndBackupKeyRotation(plan: BackupPlan, generation: number): string {
  return `${head(plan)}
if [ ! -s "$key.next" ] && [ ! -s "$key.previous" ]; then
  promote ${backupKeyFile} ${generation}
  exit 0
fi
one_at_a_time 300 "rotation of the key"
if [ -s "$key.next" ]; then
  for name in "\${repository_names[@]}"; do
    answer=0
    opens "$name" "$key.next" || answer=$?
    if [ "$answer" = 1 ]; then echo "repository $name does not open with the new key" >&2; exit 1; fi
  done
fi
promote ${backupKeyFile} ${generation}
for name in "\${repository_names[@]}"; do
  # As often as there are keys with this password: a run that was killed may have added one twice.
  for _ in 1 2 3 4 5; do
    if ! opens "$name" "$key.previous"; then break; fi
    old=$(with_key "$key.previous" "$name" key list --json | jq --raw-output '.[] | select(.current) | .id')
    with_key "$key" "$name" key remove "$old" >/dev/null
  done
  if opens "$name" "$key.previous"; then echo "repository $name still opens with the old key" >&2; exit 1; fi
done
forget ${backupKeyFile}
`;
}
