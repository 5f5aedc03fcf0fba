import type { LabAlias } from "../../lab/addresses.ts";
import { onServer } from "../../lab/servers.ts";
import type { RunResult } from "../../lib/process.ts";
import { printed } from "./lab.ts";

/** Where the backups of a server lie, and the key that opens them. */
export const backupFolder = "/var/lib/im-suite/backup";
export const backupKey = "/var/lib/im-suite/secrets/backup-key";

/** The report that a run leaves behind, as far as tests read it. */
export interface BackupReport {
  readonly proven: boolean;
  readonly problems: readonly string[];
  readonly parts: Readonly<Record<string, number>>;
  readonly repositories: Readonly<Record<string, { readonly ok: number; readonly snapshot: string }>>;
}

/** What a test does with the backups of one server. */
export function backupsOf(alias: LabAlias) {
  const run = (script: string): Promise<RunResult> =>
    onServer(alias, script, { timeoutSeconds: 800, allowFailure: true });
  return {
    /** Runs one of the units to its end; resolves to its exit code. */
    start: async (unit: string): Promise<number> => (await run(`systemctl start ${unit}`)).exitCode,
    /** What im-restore says and how it ends. */
    restore: (args: string): Promise<RunResult> => run(`/var/lib/im-suite/bin/im-restore ${args}`),
    /** The newest report of a backup. */
    report: async (): Promise<BackupReport> =>
      JSON.parse(await printed(alias, `ls -t ${backupFolder}/reports/2*.json | sed -n 1p | xargs cat`)),
    /** One metric, as node_exporter serves it. */
    metric: (name: string) => printed(alias, `curl -fsS http://127.0.0.1:9100/metrics | grep '^${name} '`),
    /** The end of the log. */
    log: () => printed(alias, "tail -n 15 /var/log/im-backup.log"),
  };
}
