/**
 * A MySQL option file (my.cnf) with credentials. A password of an adopted suite may contain any character, and the
 * option file has a syntax of its own: `#` starts a comment, a backslash escapes, blanks at the ends are cut.
 */

/** One value, quoted so that the MySQL option file parser gives back exactly these characters. */
export function quoteOptionValue(value: string): string {
  if (/[\r\n\0]/.test(value)) throw new Error("an option file value cannot contain a line break or NUL");
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

export interface MysqlClientOptions {
  readonly user: string;
  readonly password: string;
  readonly host?: string;
  readonly port?: number;
}

/** The `[client]` section that `mysql --defaults-extra-file=` reads. */
export function renderMysqlOptionFile(options: MysqlClientOptions): string {
  const lines = [
    "[client]",
    `user=${quoteOptionValue(options.user)}`,
    `password=${quoteOptionValue(options.password)}`,
  ];
  if (options.host !== undefined) lines.push(`host=${quoteOptionValue(options.host)}`);
  if (options.port !== undefined) lines.push(`port=${options.port}`);
  return `${lines.join("\n")}\n`;
}
