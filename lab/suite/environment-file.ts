/**
 * The `.env` file of docker compose, written and read so that a value may hold any character except NUL and line breaks.
 *
 * Only double quotes can do that. Tried with compose 2.26: between single quotes `\'` stands for a quote, but a backslash
 * before a quote, or at the end, cannot be written at all; without quotes `#` and blanks end a value. Between double quotes
 * a backslash keeps a backslash, a double quote and a dollar sign as they are.
 */

/** One value as it stands behind `NAME=`. @throws Error for a character that no .env file can hold. */
export function quoteEnvironmentValue(value: string): string {
  if (/[\0\r\n]/.test(value)) throw new Error("a value of an .env file cannot hold a line break or NUL");
  return `"${value.replaceAll(/[\\"$]/g, "\\$&")}"`;
}

/** A whole .env file. */
export function renderEnvironmentFile(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoteEnvironmentValue(value)}\n`)
    .join("");
}

/** Reads what `renderEnvironmentFile` wrote. Comments and lines of another form are skipped. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z0-9_]+)="((?:[^"\\]|\\.)*)"$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    values[match[1]] = match[2].replaceAll(/\\(.)/g, "$1");
  }
  return values;
}
