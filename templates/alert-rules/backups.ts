import { promisedRecoveryMinutes } from "../../config/backup-schema.ts";
import type { AlertRule, AlertRuleGroup } from "./rule.ts";

/** A day and two hours: a backup that runs every night is never so old, unless one was missed. */
const oldestHours = 26;

/**
 * Backups, by what their programs write for node_exporter. Before the first run there is nothing to read: then an alert waits as
 * long as a backup may be old, so that switching backups on is not an alarm.
 */
export function backupRules(options: { readonly server: string; readonly binaryLogMinutes: number }): AlertRuleGroup {
  // Three rounds missed, and never less than half an hour: the nightly run may hold them up.
  const oldestMinutes = Math.max(30, options.binaryLogMinutes * 3);
  const never = (metric: string) => `${metric} == 0 or absent(${metric}{server="${options.server}"})`;
  // 0 says that there was none yet; its age would be half a century.
  const hoursSince = (metric: string) => `(time() - (${metric} > 0)) / 3600`;
  const success = "im_backup_last_success_timestamp_seconds";
  const verified = "im_backup_verified_timestamp_seconds";
  const rules: AlertRule[] = [
    {
      name: "BackupFailed",
      expr: "im_backup_last_run_ok == 0",
      for: "1m",
      severity: "warning",
      service: "backup",
      summary: "备份失败",
      description: "服务器 {{ $labels.server }} 最近一次备份有错误，当前值: {{ $value }}",
    },
    {
      name: "BackupTooOld",
      expr: `${hoursSince(success)} > ${oldestHours}`,
      for: "5m",
      severity: "critical",
      service: "backup",
      summary: "备份过旧",
      description: `服务器 {{ $labels.server }} 超过 ${oldestHours} 小时没有成功的备份，当前值: {{ $value | printf "%.1f" }} 小时`,
    },
    {
      name: "BackupMissing",
      expr: never(success),
      for: `${oldestHours}h`,
      severity: "critical",
      service: "backup",
      summary: "从未成功备份",
      description: `服务器 {{ $labels.server }} 启用备份 ${oldestHours} 小时以来没有一次成功的备份（当前值: {{ $value }}）`,
    },
    {
      name: "BackupRepositoryFailing",
      expr: "im_backup_repository_ok == 0",
      for: "1m",
      severity: "warning",
      service: "backup",
      summary: "备份仓库写入失败",
      description:
        "服务器 {{ $labels.server }} 最近一次备份没有存入仓库 {{ $labels.repository }}，当前值: {{ $value }}",
    },
    {
      name: "RestoreTestFailed",
      expr: "im_restore_test_ok == 0",
      for: "1m",
      severity: "critical",
      service: "backup",
      summary: "恢复演练失败",
      description: "服务器 {{ $labels.server }} 的备份没有通过恢复演练，可能无法恢复，当前值: {{ $value }}",
    },
    {
      name: "BackupUnproven",
      expr: `${hoursSince(verified)} > ${oldestHours}`,
      for: "5m",
      severity: "critical",
      service: "backup",
      summary: "备份未经验证",
      description: `服务器 {{ $labels.server }} 超过 ${oldestHours} 小时没有通过恢复演练的备份，当前值: {{ $value | printf "%.1f" }} 小时`,
    },
    {
      name: "BackupNeverProven",
      expr: never(verified),
      for: `${oldestHours}h`,
      severity: "critical",
      service: "backup",
      summary: "备份从未经过验证",
      description: `服务器 {{ $labels.server }} 启用备份 ${oldestHours} 小时以来没有一次通过恢复演练（当前值: {{ $value }}）`,
    },
    {
      name: "RecoveryTooSlow",
      expr: `im_recovery_expected_seconds / 60 > ${promisedRecoveryMinutes}`,
      for: "5m",
      severity: "warning",
      service: "backup",
      summary: "恢复时间超过承诺",
      description: `按恢复演练的实测，服务器 {{ $labels.server }} 丢失后需要超过 ${promisedRecoveryMinutes} 分钟才能恢复，当前值: {{ $value | printf "%.0f" }} 分钟`,
    },
    {
      name: "BinaryLogBackupTooOld",
      expr: `(time() - (im_binary_log_backup_last_success_timestamp_seconds > 0)) / 60 > ${oldestMinutes}`,
      for: "5m",
      severity: "critical",
      service: "backup",
      summary: "二进制日志备份过旧",
      description: `服务器 {{ $labels.server }} 超过 ${oldestMinutes} 分钟没有备份 MySQL 二进制日志，无法恢复到最近的时间点，当前值: {{ $value | printf "%.0f" }} 分钟`,
    },
    {
      name: "BinaryLogGap",
      expr: "im_binary_log_backup_gap == 1",
      for: "5m",
      severity: "warning",
      service: "backup",
      summary: "二进制日志缺失",
      description:
        "服务器 {{ $labels.server }} 缺少最近一次备份之后的某个二进制日志，下一次备份之前无法恢复到更晚的时间点，当前值: {{ $value }}",
    },
  ];
  return { name: "im_backup", rules };
}
