import { type DashboardDefinition, onServer, upOrDown } from "./definition.ts";

const hours = 3600;
const dayOld = {
  unit: "s",
  decimals: 1,
  thresholds: [
    { from: 25 * hours, color: "yellow" },
    { from: 26 * hours, color: "red" },
  ],
} as const;
const now = (name: string) => `im_${name}{${onServer}}`;

export const backupsDashboard: DashboardDefinition = {
  uid: "im-suite-backups",
  title: "IM 备份 (IM backups)",
  description:
    "备份是否成功、多大、多久，是否真的恢复过。Whether backups succeed, their size, and whether they were restored.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "距上次成功备份 (Since the last complete backup)",
          expressions: [{ expr: `time() - ${now("backup_last_success_timestamp_seconds")}`, legend: "{{server}}" }],
          ...dayOld,
          width: 6,
        },
        {
          kind: "stat",
          title: "距上次验证恢复 (Since the last proven restore)",
          description: "每晚自动恢复一次并核对。The nightly restore test.",
          expressions: [{ expr: `time() - ${now("backup_verified_timestamp_seconds")}`, legend: "{{server}}" }],
          ...dayOld,
          width: 6,
        },
        {
          kind: "stat",
          title: "最近一次运行 (Last run)",
          expressions: [{ expr: now("backup_last_run_ok"), legend: "{{server}}" }],
          ...upOrDown,
          width: 6,
        },
        {
          kind: "stat",
          title: "仓库 (Repositories)",
          description: "最近一次运行是否写入了各仓库。Whether the last run was saved in each.",
          expressions: [{ expr: now("backup_repository_ok"), legend: "{{server}} {{repository}}" }],
          ...upOrDown,
          width: 6,
        },
      ],
    },
    {
      title: "大小和时间 (Size and time)",
      panels: [
        {
          kind: "graph",
          title: "备份耗时 (Duration of a backup)",
          expressions: [{ expr: now("backup_duration_seconds"), legend: "{{server}}" }],
          unit: "s",
        },
        {
          kind: "graph",
          title: "各部分大小 (Size by part)",
          expressions: [{ expr: now("backup_size_bytes"), legend: "{{server}} {{part}}" }],
          unit: "bytes",
          stacked: true,
        },
        {
          kind: "graph",
          title: "新增数据 (Added to each repository)",
          expressions: [{ expr: now("backup_added_bytes"), legend: "{{server}} {{repository}}" }],
          unit: "bytes",
        },
      ],
    },
    {
      title: "任意时刻恢复 (Point in time)",
      panels: [
        {
          kind: "stat",
          title: "距上次保存二进制日志 (Since the last binary log backup)",
          description: "最多丢失这么多时间的数据。As much as a lost server would take with it.",
          expressions: [
            { expr: `time() - ${now("binary_log_backup_last_success_timestamp_seconds")}`, legend: "{{server}}" },
          ],
          unit: "s",
          decimals: 0,
          thresholds: [
            { from: 900, color: "yellow" },
            { from: 1800, color: "red" },
          ],
        },
        {
          kind: "stat",
          title: "二进制日志备份 (Binary log backup)",
          expressions: [{ expr: now("binary_log_backup_ok"), legend: "{{server}}" }],
          ...upOrDown,
        },
        {
          kind: "stat",
          title: "日志缺口 (Gap in the binary logs)",
          description:
            "有缺口时，缺口之后的时刻在下次备份前无法恢复。Behind a gap no moment can be restored until the next backup.",
          expressions: [{ expr: now("binary_log_backup_gap"), legend: "{{server}}" }],
          unit: "none",
          words: { 0: { text: "无 (none)", color: "green" }, 1: { text: "有 (gap)", color: "red" } },
        },
        {
          kind: "graph",
          title: "保留的二进制日志 (Kept binary logs)",
          expressions: [{ expr: now("binary_log_backup_bytes"), legend: "{{server}}" }],
          unit: "bytes",
          width: 12,
          height: 4,
        },
      ],
    },
    {
      title: "恢复验证 (Restore test)",
      panels: [
        {
          kind: "stat",
          title: "最近一次恢复测试 (Last restore test)",
          expressions: [{ expr: now("restore_test_ok"), legend: "{{server}}" }],
          ...upOrDown,
          width: 6,
          height: 8,
        },
        {
          kind: "stat",
          title: "丢失服务器后的预计恢复用时 (Expected recovery of a lost server)",
          description:
            "由恢复演练的实测算出；路线图承诺 30 分钟。Computed from the restore test; the roadmap promises 30 minutes.",
          expressions: [{ expr: now("recovery_expected_seconds"), legend: "{{server}}" }],
          unit: "s",
          thresholds: [
            { from: 1200, color: "yellow" },
            { from: 1800, color: "red" },
          ],
          width: 6,
          height: 8,
        },
        {
          kind: "graph",
          title: "恢复用时趋势 (Time to restore, over days)",
          expressions: [{ expr: now("restore_test_restore_seconds"), legend: "{{server}}" }],
          unit: "s",
          thresholds: [{ from: 1800, color: "red" }],
          width: 12,
        },
      ],
    },
  ],
};
