import { type DashboardDefinition, onServer, upOrDown } from "./definition.ts";

const now = (name: string) => `im_failover_${name}{${onServer}}`;

/** The pair of stage 2, by the controllers' own metrics. */
export const pairDashboard: DashboardDefinition = {
  uid: "im-suite-pair",
  title: "IM 双机 (IM Pair)",
  description: "主节点、同步集合、复制、虚拟 IP 和投票。Leader, sync set, replication, virtual IP and votes.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "主节点 (Leader)",
          expressions: [{ expr: now("leader"), legend: "{{server}}" }],
          unit: "none",
          words: { 1: { text: "主 (leads)", color: "green" }, 0: { text: "备 (follows)", color: "yellow" } },
        },
        {
          kind: "stat",
          title: "同步成员数 (Members of the sync set)",
          description: "有全部已确认写入的服务器数，低于 2 时没有自动切换。Below 2 there is no failover by itself.",
          expressions: [{ expr: `min(sum by (server) (${now("sync_set_member")}))`, legend: "members" }],
          unit: "none",
          below: "red",
          thresholds: [{ from: 2, color: "green" }],
        },
        {
          kind: "stat",
          title: "虚拟 IP (Virtual IP)",
          expressions: [{ expr: now("vip_held"), legend: "{{server}}" }],
          unit: "none",
          words: { 1: { text: "持有 (here)", color: "green" }, 0: { text: "无 (not here)", color: "yellow" } },
          emptyWhen: "there is no virtual IP",
        },
        {
          kind: "stat",
          title: "世代 (Epoch)",
          description: "每次切换加一。Grows by one with each move of the lead.",
          expressions: [{ expr: `max(${now("epoch")})`, legend: "epoch" }],
          unit: "none",
        },
        {
          kind: "stat",
          title: "维护模式 (Maintenance)",
          expressions: [{ expr: `max(${now("maintenance")})`, legend: "maintenance" }],
          unit: "none",
          words: { 1: { text: "维护中 (held)", color: "yellow" }, 0: { text: "自动 (automatic)", color: "green" } },
        },
        {
          kind: "stat",
          title: "控制器 (Controllers)",
          expressions: [{ expr: `up{job="failover",${onServer}}`, legend: "{{server}}" }],
          ...upOrDown,
        },
      ],
    },
    {
      title: "复制 (Replication)",
      panels: [
        {
          kind: "graph",
          title: "MySQL 复制延迟 (MySQL replication lag)",
          expressions: [{ expr: now("replication_lag_seconds"), legend: "{{server}}" }],
          unit: "s",
          thresholds: [{ from: 5, color: "red" }],
          emptyWhen: "no server follows",
        },
        {
          kind: "graph",
          title: "提交等待副本 (Commits that wait for the replica)",
          expressions: [{ expr: now("semi_sync_wait_seconds"), legend: "{{server}}" }],
          unit: "s",
        },
        {
          kind: "graph",
          title: "半同步提交 (Commits by acknowledgement)",
          description: "未确认的应当为零。Unacknowledged must stay zero while both are members.",
          expressions: [
            {
              expr: `rate(${now("semi_sync_acknowledged_total")}[$__rate_interval])`,
              legend: "{{server}} 已确认 (acknowledged)",
            },
            {
              expr: `rate(${now("semi_sync_unacknowledged_total")}[$__rate_interval])`,
              legend: "{{server}} 未确认 (unacknowledged)",
            },
          ],
          unit: "ops",
        },
        {
          kind: "stat",
          title: "半同步 (Semi-sync)",
          expressions: [{ expr: now("semi_sync_active"), legend: "{{server}}" }],
          unit: "none",
          words: { 1: { text: "等待副本 (waits)", color: "green" }, 0: { text: "不等待 (alone)", color: "yellow" } },
        },
        {
          kind: "stat",
          title: "Redis 跟随 (Redis follows)",
          expressions: [{ expr: now("redis_link_up"), legend: "{{server}}" }],
          ...upOrDown,
          emptyWhen: "the pair has no Redis, or none follows",
        },
        {
          kind: "graph",
          title: "Redis 复制偏移 (Redis replication offset)",
          expressions: [{ expr: now("redis_offset_bytes"), legend: "{{server}}" }],
          unit: "bytes",
          emptyWhen: "the pair has no Redis",
        },
        {
          kind: "graph",
          title: "MinIO 等待复制的对象 (MinIO objects that wait)",
          expressions: [
            { expr: `im_minio_replication_queued_objects{${onServer}}`, legend: "{{site}} 等待 (queued)" },
            { expr: `im_minio_replication_failed_objects{${onServer}}`, legend: "{{site}} 失败 (failed)" },
          ],
          unit: "short",
          emptyWhen: "the pair has no MinIO",
        },
      ],
    },
    {
      title: "投票和事件 (Votes and events)",
      panels: [
        {
          kind: "stat",
          title: "投票节点 (Voters)",
          expressions: [{ expr: `up{job="etcd",${onServer}}`, legend: "{{server}}" }],
          ...upOrDown,
          emptyWhen: "there is no witness",
        },
        {
          kind: "graph",
          title: "投票无应答 (Votes away)",
          expressions: [{ expr: now("votes_away_seconds"), legend: "{{server}}" }],
          unit: "s",
        },
        {
          kind: "graph",
          title: "对方无应答 (Peer silent)",
          expressions: [{ expr: now("peer_silent_seconds"), legend: "{{server}}" }],
          unit: "s",
        },
        {
          kind: "graph",
          title: "事件 (Events)",
          expressions: [{ expr: `increase(${now("events_total")}[$__rate_interval])`, legend: "{{server}} {{event}}" }],
          unit: "short",
          emptyWhen: "nothing happened",
        },
      ],
    },
  ],
};
