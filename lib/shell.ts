/**
 * The one place where text becomes shell. Every script that reaches a server is made by `script()`, every
 * value in it goes through `quote()`.
 */

/**
 * Opens every script. `umask 077`: a file that we forget to chmod is private, not public. `LC_ALL=C`: output that
 * we parse must not depend on the server's language. `PATH`: a non-interactive ssh session may lack sbin.
 */
export const PREAMBLE = [
  "set -euo pipefail",
  "umask 077",
  "export LC_ALL=C DEBIAN_FRONTEND=noninteractive",
  'export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
].join("\n");

/** Quotes one value as one word for a POSIX shell. Refuses NUL, which no shell word can hold. */
export function quote(value: string): string {
  if (value.includes("\0")) throw new Error("a shell word cannot contain a NUL character");
  if (value !== "" && /^[A-Za-z0-9_@%+=:,./-]+$/.test(value)) return value;
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a list of words into one command line. */
export function commandLine(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

/** A complete bash script: the preamble, then the lines. */
export function script(...lines: readonly string[]): string {
  return `${PREAMBLE}\n${lines.join("\n")}\n`;
}

/**
 * The command string that runs a script on a server, whatever the login shell is. `timeout` bounds it: neither
 * Pulumi's own timeout nor Ctrl-C stops a remote process. Stdin stays free for content.
 */
export function remoteCommand(text: string, timeoutSeconds: number): string {
  return `timeout --kill-after=10 ${timeoutSeconds} bash -c ${quote(text)}`;
}
