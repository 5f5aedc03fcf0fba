import { appliedDirectory, undoDirectory } from "../config/names.ts";
import { sha256 } from "../lib/hash.ts";
import { commandLine, quote, script } from "../lib/shell.ts";

/** What `HostFile` puts on a server; see there for the meaning of each field. */
export interface HostFileScript {
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly directoryMode: string;
  readonly keepDirectory?: boolean | undefined;
  /** Words of a command that gets the candidate's path appended; a non-zero exit keeps the old file. */
  readonly validate?: readonly string[] | undefined;
  /** Words of a command that runs after the file changed. */
  readonly reload?: readonly string[] | undefined;
}

/** Names of the two records of one file: content that was applied, and what was there before us. */
function records(path: string): { readonly applied: string; readonly undo: string } {
  const name = sha256(path).slice(0, 16);
  return { applied: `${appliedDirectory}/${name}`, undo: `${undoDirectory}/${name}` };
}

/**
 * Writes the content on stdin to the path: atomically, validated first, reloaded afterwards.
 *
 * The `applied` record is written only after the reload succeeded: a run that died between the rename and the reload
 * reloads the next time instead of finding the file "unchanged". What was there before us is saved once; our own content is
 * never taken for it, because the record exists from the first run on.
 */
export function renderHostFileCreate(file: HostFileScript): string {
  const { applied, undo } = records(file.path);
  const directory = file.path.slice(0, file.path.lastIndexOf("/")) || "/";
  return script(
    `path=${quote(file.path)} applied=${quote(applied)} undo=${quote(undo)}`,
    `mkdir -p -m 0700 -- ${quote(appliedDirectory)} ${quote(undoDirectory)}`,
    ...makeDirectories(directory, file.directoryMode),
    `temporary=$(mktemp -- ${quote(`${directory}/.im-suite.XXXXXX`)})`,
    `trap 'rm -f -- "$temporary"' EXIT`,
    'cat >"$temporary"',
    `chmod -- ${quote(file.mode)} "$temporary"`,
    `chown -- ${quote(file.owner)} "$temporary"`,
    'wanted=$(sha256sum <"$temporary")',
    'if [ ! -e "$applied" ] && [ -e "$path" ] && [ ! -e "$undo" ]; then',
    '  cp --archive -- "$path" "$undo.partial"',
    '  mv -- "$undo.partial" "$undo"',
    "fi",
    'if cmp -s -- "$temporary" "$path" && [ "$(stat -c %a:%u:%g -- "$temporary")" = "$(stat -c %a:%u:%g -- "$path")" ] &&',
    '  [ "$(cat -- "$applied" 2>/dev/null)" = "$wanted" ]; then exit 0; fi',
    ...(file.validate === undefined ? [] : [`timeout 60 ${commandLine(file.validate)} "$temporary" >&2`]),
    // The record exists before the rename, empty: from here on, what lies at the path is ours.
    '[ -e "$applied" ] || : >"$applied"',
    'mv -f -- "$temporary" "$path"',
    ...(file.reload === undefined ? [] : [`timeout 60 ${commandLine(file.reload)} >&2`]),
    'printf "%s\\n" "$wanted" >"$applied"',
  );
}

/**
 * Removes the file, or puts back what was there before us, and removes the directories that this leaves empty, unless they are another's.
 */
export function renderHostFileDelete(file: Pick<HostFileScript, "path" | "reload" | "keepDirectory">): string {
  const { applied, undo } = records(file.path);
  return script(
    `path=${quote(file.path)} applied=${quote(applied)} undo=${quote(undo)}`,
    'if [ -e "$undo" ]; then mv -f -- "$undo" "$path"; else rm -f -- "$path"; fi',
    'rm -f -- "$applied"',
    ...(file.reload === undefined
      ? []
      : [`timeout 60 ${commandLine(file.reload)} >&2 || echo "the reload after removing $path failed" >&2`]),
    ...(file.keepDirectory
      ? []
      : [
          'directory=$(dirname -- "$path")',
          'case "$directory" in /etc/im-suite*|/var/lib/im-suite*) rmdir --parents --ignore-fail-on-non-empty -- "$directory" 2>/dev/null || : ;; esac',
        ]),
    `rmdir --ignore-fail-on-non-empty -- ${quote(appliedDirectory)} ${quote(undoDirectory)} 2>/dev/null || :`,
    "rmdir --ignore-fail-on-non-empty -- /var/lib/im-suite 2>/dev/null || :",
  );
}

/**
 * Makes the missing directories of a path: parents readable by all, the last with the given mode. Touches none that exists.
 * Several files are written at once: a directory that another script makes between look and `mkdir` is fine.
 */
function makeDirectories(directory: string, mode: string): string[] {
  const parts = directory.split("/").filter((part) => part !== "");
  const parents = parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
  return [
    'make_directory() { [ -d "$2" ] || mkdir -m "$1" -- "$2" 2>/dev/null || [ -d "$2" ]; }',
    ...(parents.length === 0 ? [] : [`for parent in ${commandLine(parents)}; do make_directory 0755 "$parent"; done`]),
    `make_directory ${quote(mode)} ${quote(directory)}`,
  ];
}
