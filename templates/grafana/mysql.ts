import { type DashboardDefinition, onServer, share, upOrDown } from "./definition.ts";

const status = (name: string) => `mysql_global_status_${name}{${onServer}}`;
const perSecond = (name: string) => `rate(mysql_global_status_${name}{${onServer}}[$__rate_interval])`;

export const mysqlDashboard: DashboardDefinition = {
  uid: "im-suite-mysql",
  title: "IM MySQL (IM MySQL)",
  description: "MySQL 的连接、查询、InnoDB 和锁。Connections, queries, InnoDB and locks.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "MySQL 状态 (MySQL state)",
          expressions: [{ expr: `mysql_up{${onServer}}`, legend: "{{server}}" }],
          ...upOrDown,
        },
        {
          kind: "stat",
          title: "运行时间 (Uptime)",
          expressions: [{ expr: status("uptime"), legend: "{{server}}" }],
          unit: "s",
          decimals: 0,
          below: "yellow",
          thresholds: [{ from: 3600, color: "green" }],
        },
        {
          kind: "stat",
          title: "连接使用率 (Connections in use)",
          expressions: [
            {
              expr: `${status("threads_connected")} / mysql_global_variables_max_connections * 100`,
              legend: "{{server}}",
            },
          ],
          ...share(80),
          decimals: 1,
        },
        {
          kind: "stat",
          title: "每秒语句 (Statements per second)",
          expressions: [{ expr: perSecond("questions"), legend: "{{server}}" }],
          unit: "ops",
          decimals: 1,
        },
        {
          kind: "stat",
          title: "慢查询 (Slow queries per minute)",
          expressions: [{ expr: `${perSecond("slow_queries")} * 60`, legend: "{{server}}" }],
          unit: "short",
          decimals: 1,
          thresholds: [
            { from: 1, color: "yellow" },
            { from: 10, color: "red" },
          ],
        },
        {
          kind: "stat",
          title: "缓冲池命中率 (Buffer pool hit rate)",
          description: "低于 95% 时考虑加大 innodb_buffer_pool_size。Below 95 %: think of a larger buffer pool.",
          expressions: [
            {
              expr: `(1 - ${perSecond("innodb_buffer_pool_reads")} / (${perSecond("innodb_buffer_pool_read_requests")} > 0)) * 100`,
              legend: "{{server}}",
            },
          ],
          unit: "percent",
          min: 0,
          max: 100,
          decimals: 2,
          below: "red",
          thresholds: [
            { from: 90, color: "yellow" },
            { from: 95, color: "green" },
          ],
        },
      ],
    },
    {
      title: "连接 (Connections)",
      panels: [
        {
          kind: "graph",
          title: "连接数 (Connections)",
          expressions: [
            { expr: status("threads_connected"), legend: "{{server}} 当前 (now)" },
            { expr: status("max_used_connections"), legend: "{{server}} 历史最高 (highest so far)" },
            { expr: `mysql_global_variables_max_connections{${onServer}}`, legend: "{{server}} 上限 (limit)" },
          ],
          unit: "short",
        },
        {
          kind: "graph",
          title: "正在执行 (Running threads)",
          expressions: [{ expr: status("threads_running"), legend: "{{server}}" }],
          unit: "short",
        },
        {
          kind: "graph",
          title: "失败的连接 (Failed connections)",
          expressions: [
            { expr: perSecond("aborted_connects"), legend: "{{server}} 连接失败 (could not connect)" },
            { expr: perSecond("aborted_clients"), legend: "{{server}} 异常断开 (cut off)" },
          ],
          unit: "cps",
        },
      ],
    },
    {
      title: "语句 (Statements)",
      panels: [
        {
          kind: "graph",
          title: "语句按类型 (Statements by kind)",
          expressions: [
            {
              expr: `sum by (server, command) (rate(mysql_global_status_commands_total{${onServer},command=~"select|insert|update|delete|replace|commit|rollback"}[$__rate_interval]))`,
              legend: "{{server}} {{command}}",
            },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "慢查询趋势 (Slow queries over time)",
          expressions: [{ expr: `${perSecond("slow_queries")} * 60`, legend: "{{server}} 每分钟 (per minute)" }],
          unit: "short",
          thresholds: [{ from: 10, color: "red" }],
        },
        {
          kind: "graph",
          title: "没有用索引的查询 (Queries without an index)",
          expressions: [
            { expr: perSecond("select_scan"), legend: "{{server}} 全表扫描 (full scan)" },
            { expr: perSecond("select_full_join"), legend: "{{server}} 无索引连接 (join without index)" },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "临时表 (Temporary tables)",
          expressions: [
            { expr: perSecond("created_tmp_tables"), legend: "{{server}} 全部 (all)" },
            { expr: perSecond("created_tmp_disk_tables"), legend: "{{server}} 落盘 (on disk)" },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "读写的行 (Rows)",
          expressions: [
            {
              expr: `sum by (server, operation) (rate(mysql_global_status_innodb_row_ops_total{${onServer}}[$__rate_interval]))`,
              legend: "{{server}} {{operation}}",
            },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "网络流量 (Network traffic)",
          expressions: [
            { expr: perSecond("bytes_received"), legend: "{{server}} 收 (in)" },
            { expr: perSecond("bytes_sent"), legend: "{{server}} 发 (out)" },
          ],
          unit: "Bps",
        },
      ],
    },
    {
      title: "InnoDB",
      panels: [
        {
          kind: "graph",
          title: "缓冲池 (Buffer pool)",
          expressions: [
            { expr: status("innodb_buffer_pool_bytes_data"), legend: "{{server}} 数据 (data)" },
            { expr: status("innodb_buffer_pool_bytes_dirty"), legend: "{{server}} 未写盘 (dirty)" },
            {
              expr: `mysql_global_variables_innodb_buffer_pool_size{${onServer}}`,
              legend: "{{server}} 大小 (size)",
            },
          ],
          unit: "bytes",
        },
        {
          kind: "graph",
          title: "行锁等待 (Row lock waits)",
          expressions: [
            { expr: perSecond("innodb_row_lock_waits"), legend: "{{server}} 等待 (waits)" },
            { expr: status("innodb_row_lock_current_waits"), legend: "{{server}} 当前 (now)" },
          ],
          unit: "short",
        },
        {
          kind: "graph",
          title: "行锁等待时间 (Time in row locks)",
          description: "每秒内等待锁的秒数。Seconds of waiting in each second.",
          expressions: [{ expr: `${perSecond("innodb_row_lock_time")} / 1000`, legend: "{{server}}" }],
          unit: "s",
        },
        {
          kind: "graph",
          title: "磁盘读写 (Disk reads and writes)",
          expressions: [
            { expr: perSecond("innodb_data_read"), legend: "{{server}} 读 (read)" },
            { expr: perSecond("innodb_data_written"), legend: "{{server}} 写 (written)" },
            { expr: perSecond("innodb_os_log_written"), legend: "{{server}} 重做日志 (redo log)" },
          ],
          unit: "Bps",
        },
        {
          kind: "graph",
          title: "刷盘 (Flushes)",
          expressions: [
            { expr: perSecond("innodb_os_log_fsyncs"), legend: "{{server}} 重做日志 (redo log)" },
            { expr: perSecond("innodb_data_fsyncs"), legend: "{{server}} 数据 (data)" },
          ],
          unit: "ops",
        },
        {
          kind: "graph",
          title: "打开的表 (Open tables)",
          expressions: [
            { expr: status("open_tables"), legend: "{{server}} 打开 (open)" },
            { expr: `mysql_global_variables_table_open_cache{${onServer}}`, legend: "{{server}} 缓存 (cache)" },
          ],
          unit: "short",
        },
      ],
    },
  ],
};
