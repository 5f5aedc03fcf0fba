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
          title: "恢复用时 (Time to have all data back)",
          description: "路线图承诺 30 分钟内恢复。The roadmap promises 30 minutes.",
          expressions: [{ expr: now("restore_test_restore_seconds"), legend: "{{server}}" }],
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
