/**
 * Text in columns on a terminal. A Chinese character is two columns wide, a combining mark none: without that a table with
 * both languages does not line up.
 */

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const noWidth = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u;

/** Columns that a text takes. Colours (ANSI sequences) take none. */
export function displayWidth(text: string): number {
  let width = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour.
  for (const character of text.replaceAll(/\u001b\[[0-9;]*m/g, "")) {
    width += noWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  }
  return width;
}

/** Rows under a heading, columns two blanks apart, nothing behind the last one. */
export function renderTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  emphasise: (heading: string) => string = (text) => text,
): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => displayWidth(row[column] ?? ""))));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell))))
      .join("  ")
      .trimEnd();
  return `${[emphasise(line(heading)), ...rows.map(line)].join("\n")}\n`;
}
