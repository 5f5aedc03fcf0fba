import { type DashboardDefinition, onServer, share, upOrDown } from "./definition.ts";

const now = (name: string) => `redis_${name}{${onServer}}`;
const perSecond = (name: string) => `rate(redis_${name}{${onServer}}[$__rate_interval])`;

export const redisDashboard: DashboardDefinition = {
  uid: "im-suite-redis",
  title: "IM Redis (IM Redis)",
  description: "Redis 的内存、命令、键和持久化。Memory, commands, keys and persistence.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "Redis 状态 (Redis state)",
          expressions: [{ expr: now("up"), legend: "{{server}}" }],
          ...upOrDown,
        },
        {
          kind: "stat",
          title: "运行时间 (Uptime)",
          expressions: [{ expr: now("uptime_in_seconds"), legend: "{{server}}" }],
          unit: "s",
          decimals: 0,
          below: "yellow",
          thresholds: [{ from: 3600, color: "green" }],
        },
        {
          kind: "stat",
          title: "占内存上限 (Share of the memory limit)",
          description: "没有设置 maxmemory 时为空。Empty without a limit.",
          expressions: [
            { expr: `${now("memory_used_bytes")} / (redis_memory_max_bytes > 0) * 100`, legend: "{{server}}" },
          ],
          ...share(85),
          decimals: 1,
          emptyWhen: "an adopted Redis has no maxmemory",
        },
        {
          kind: "stat",
          title: "每秒命令 (Commands per second)",
          expressions: [{ expr: perSecond("commands_processed_total"), legend: "{{server}}" }],
          unit: "ops",
          decimals: 1,
        },
        {
          kind: "stat",
          title: "命中率 (Hit rate)",
          expressions: [
            {
              expr: `${perSecond("keyspace_hits_total")} / (${perSecond("keyspace_hits_total")} + ${perSecond("keyspace_misses_total")} > 0) * 100`,
              legend: "{{server}}",
            },
          ],
          unit: "percent",
          min: 0,
          max: 100,
          decimals: 1,
          emptyWhen: "nobody reads a key",
        },
        {
          kind: "stat",
          title: "距上次存盘 (Since the last save)",
          expressions: [{ expr: `time() - ${now("rdb_last_save_timestamp_seconds")}`, legend: "{{server}}" }],
          unit: "s",
          decimals: 0,
        },
      ],
    },
    {
      title: "内存和键 (Memory and keys)",
      panels: [
        {
          kind: "graph",
          title: "内存 (Memory)",
          expressions: [
            { expr: now("memory_used_bytes"), legend: "{{server}} 已用 (used)" },
            { expr: now("memory_used_rss_bytes"), legend: "{{server}} 占用系统 (resident)" },
            { expr: `${now("memory_max_bytes")} > 0`, legend: "{{server}} 上限 (limit)" },
          ],
          unit: "bytes",
        },
        {
          kind: "graph",
          title: "键数 (Keys)",
          expressions: [
            { expr: `${now("db_keys")} > 0`, legend: "{{server}} {{db}}" },
            { expr: `${now("db_keys_expiring")} > 0`, legend: "{{server}} {{db}} 会过期 (expiring)" },
          ],
          unit: "short",
          emptyWhen: "Redis holds no key",
        },
        {
          kind: "graph",
          title: "过期和淘汰 (Expired and evicted)",
          description: "淘汰表示内存不足，正在丢数据。Evictions mean that data is thrown away for want of memory.",
          expressions: [
            { expr: perSecond("expired_keys_total"), legend: "{{server}} 过期 (expired)" },
            { expr: perSecond("evicted_keys_total"), legend: "{{server}} 淘汰 (evicted)" },
          ],
          unit: "ops",
        },
      ],
    },
    {
      title: "命令和客户端 (Commands and clients)",
      panels: [
        {
          kind: "graph",
          title: "命令 (Commands)",
          expressions: [
            {
              expr: `topk(10, sum by (server, cmd) (${perSecond("commands_total")}))`,
              legend: "{{server}} {{cmd}}",
            },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "平均耗时 (Mean time per command)",
          expressions: [
            {
              expr: `sum by (server) (${perSecond("commands_duration_seconds_total")}) / (sum by (server) (${perSecond("commands_total")}) > 0)`,
              legend: "{{server}}",
            },
          ],
          unit: "s",
        },
        {
          kind: "graph",
          title: "客户端 (Clients)",
          expressions: [
            { expr: now("connected_clients"), legend: "{{server}} 连接 (connected)" },
            { expr: now("blocked_clients"), legend: "{{server}} 阻塞 (blocked)" },
          ],
          unit: "short",
        },
        {
          kind: "graph",
          title: "网络流量 (Network traffic)",
          expressions: [
            { expr: perSecond("net_input_bytes_total"), legend: "{{server}} 收 (in)" },
            { expr: perSecond("net_output_bytes_total"), legend: "{{server}} 发 (out)" },
          ],
          unit: "Bps",
        },
        {
          kind: "graph",
          title: "被拒绝的连接和错误 (Rejected connections and errors)",
          expressions: [
            { expr: perSecond("rejected_connections_total"), legend: "{{server}} 拒绝连接 (rejected)" },
            { expr: perSecond("total_error_replies"), legend: "{{server}} 错误应答 (error replies)" },
          ],
          unit: "cps",
        },
        {
          kind: "graph",
          title: "慢日志长度 (Slow log length)",
          expressions: [{ expr: now("slowlog_length"), legend: "{{server}}" }],
          unit: "short",
        },
      ],
    },
    {
      title: "持久化 (Persistence)",
      panels: [
        {
          kind: "stat",
          title: "最近一次 RDB (Last RDB save)",
          expressions: [{ expr: now("rdb_last_bgsave_status"), legend: "{{server}}" }],
          ...upOrDown,
          width: 6,
        },
        {
          kind: "stat",
          title: "AOF 写入 (AOF writes)",
          expressions: [{ expr: now("aof_last_write_status"), legend: "{{server}}" }],
          ...upOrDown,
          width: 6,
        },
        {
          kind: "stat",
          title: "未存盘的修改 (Changes since the last save)",
          expressions: [{ expr: now("rdb_changes_since_last_save"), legend: "{{server}}" }],
          unit: "short",
          width: 6,
        },
        {
          kind: "stat",
          title: "存盘耗时 (Duration of the last save)",
          expressions: [{ expr: now("rdb_last_bgsave_duration_sec"), legend: "{{server}}" }],
          unit: "s",
          width: 6,
        },
      ],
    },
  ],
};
