import { backupDirectory, backupLog } from "../config/names.ts";
import { onServer } from "./servers.ts";

export interface FirstBackup {
  readonly backupSeconds: number;
  readonly proven: boolean;
  /** One line for the summary: what came back, or what went wrong. */
  readonly proof: string;
}

interface RestoreTestReport {
  readonly tables: number;
  readonly redisKeys: number;
  readonly objects: number;
  readonly restoreSeconds: number;
  readonly problems: readonly string[];
}

/** Makes a backup of the lab's suite now and proves it, by the very units that do it every night. */
export async function runFirstBackup(): Promise<FirstBackup> {
  const started = performance.now();
  const backup = await runUnit("im-backup.service");
  const backupSeconds = (performance.now() - started) / 1000;
  if (!backup) return { backupSeconds, proven: false, proof: `the backup failed: ${backupLog} on server A` };
  const proven = await runUnit("im-restore-test.service");
  const newest = await onServer("a", `ls -t ${backupDirectory}/reports/restore-test-*.json | sed -n 1p | xargs cat`);
  const report = JSON.parse(newest.stdout) as RestoreTestReport;
  const proof = proven
    ? `${report.tables} tables, ${report.redisKeys} Redis keys, ${report.objects} objects back in ${report.restoreSeconds} s, all the same`
    : report.problems.join("; ");
  return { backupSeconds, proven, proof };
}

async function runUnit(unit: string): Promise<boolean> {
  const result = await onServer("a", `systemctl start ${unit}`, { timeoutSeconds: 1800, allowFailure: true });
  return result.exitCode === 0;
}
