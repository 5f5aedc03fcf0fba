import { createOnceDirectory } from "../../config/names.ts";
import { quote, script } from "../../lib/shell.ts";

/**
 * The create-once files of one secret, from which every step of a rotation reads how far it is:
 *
 * - NAME              the secret that counts, unless there is
 * - NAME.next         the one that a rotation which is not through brings in
 * - NAME.previous     the one that may still open something and has to be refused
 * - NAME.generation   how many times NAME was made
 *
 * Every one of them is written whole or not at all. Docs: decisions/0011-rotation.md.
 */
export const secretFileFunctions = `secrets=${quote(createOnceDirectory)}
mkdir -p -m 0700 -- "$secrets"
# The script of a killed run may still be at work on this server.
exec 8>"$secrets/.lock"
flock --wait 90 8 || { echo "another rotation step still runs after 90 s" >&2; exit 1; }

# keep NAME: writes stdin to a file, on the disk before it has its name.
keep() {
  local temporary
  temporary=$(mktemp -- "$secrets/.new.XXXXXX")
  cat >"$temporary"
  chmod 0400 -- "$temporary"
  sync -- "$temporary"
  mv -f -- "$temporary" "$secrets/$1"
}
# newest NAME: the secret that everybody shall use.
newest() { if [ -s "$secrets/$1.next" ]; then cat -- "$secrets/$1.next"; else cat -- "$secrets/$1"; fi; }
# before NAME: the one that may still be in use, or nothing.
before() { if [ -s "$secrets/$1.next" ]; then cat -- "$secrets/$1"; elif [ -s "$secrets/$1.previous" ]; then cat -- "$secrets/$1.previous"; fi; }
generation_of() { if [ -s "$secrets/$1.generation" ]; then cat -- "$secrets/$1.generation"; else echo 1; fi; }
# promote NAME GENERATION: what was next counts from now on. The generation first: without it, a crash would draw once more.
promote() {
  if [ "$(generation_of "$1")" -lt "$2" ]; then printf '%s\\n' "$2" | keep "$1.generation"; fi
  if [ -s "$secrets/$1.next" ]; then
    keep "$1.previous" <"$secrets/$1"
    mv -f -- "$secrets/$1.next" "$secrets/$1"
  fi
}
forget() { rm -f -- "$secrets/$1.previous"; }`;

export interface CreateOnceScript {
  readonly fileName: string;
  /** Letters and digits of a secret that is drawn on the server. */
  readonly length: number;
  /** A higher one than the server's own is the order to draw a new secret. */
  readonly generation: number;
}

/**
 * Makes the secret when the server has none (the candidate comes on stdin), draws the next one when a higher generation is
 * asked for, and prints the one that everybody shall use.
 */
export function renderCreateOnceSecret({ fileName, length, generation }: CreateOnceScript): string {
  return script(
    // Stdin is read in any case: a script that ends with input unread fails in ssh's copy, now and then.
    "candidate=$(cat)",
    secretFileFunctions,
    `name=${quote(fileName)} generation=${generation}`,
    'if [ ! -s "$secrets/$name" ] && [ ! -s "$secrets/$name.next" ]; then',
    '  printf "%s\\n" "$generation" | keep "$name.generation"',
    '  printf "%s" "$candidate" | keep "$name"',
    // One at a time: neither a next one nor an old one that still has to be refused may be there.
    'elif [ ! -s "$secrets/$name.next" ] && [ ! -s "$secrets/$name.previous" ] && [ "$generation" -gt "$(generation_of "$name")" ]; then',
    `  drawn=$(head -c 4096 /dev/urandom | tr -dc A-Za-z0-9 | cut -c 1-${length})`,
    `  [ "\${#drawn}" -eq ${length} ]`,
    '  printf "%s" "$drawn" | keep "$name.next"',
    "fi",
    'newest "$name"',
  );
}
