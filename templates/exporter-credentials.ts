/**
 * mysqld_exporter reads its option file with a parser of its own, not MySQL's: only generated passwords of letters and digits
 * are written here.
 */
export function renderMysqldExporterOptions(options: {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
}): string {
  if (!/^[A-Za-z0-9]+$/.test(options.password)) throw new Error("the exporter's password must be letters and digits");
  return `[client]\nuser=${options.user}\npassword=${options.password}\nhost=${options.host}\nport=${options.port}\n`;
}

/** redis_exporter's password file: JSON, so any character survives. The key must equal the exporter's address. */
export function renderRedisExporterPasswords(address: string, password: string): string {
  return `${JSON.stringify({ [address]: password })}\n`;
}
