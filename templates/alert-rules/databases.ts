import type { AlertRuleGroup } from "./rule.ts";

/** MySQL, beyond "down". */
export function mysqlRules(): AlertRuleGroup {
  const slow = "rate(mysql_global_status_slow_queries[5m])";
  return {
    name: "im_mysql",
    rules: [
      {
        name: "MySQLConnectionsHigh",
        expr: "mysql_global_status_threads_connected / mysql_global_variables_max_connections * 100 > 80",
        for: "5m",
        severity: "warning",
        service: "mysql",
        summary: "MySQL 连接数接近上限",
        description: "服务器 {{ $labels.server }} 的 MySQL 连接数超过上限的 80%，当前值: {{ $value }}%",
      },
      {
        name: "MySQLSlowQueriesSurge",
        // An average of rates, not a rate of a day: that would count the hours before our first sample as quiet ones.
        expr: `${slow} * 60 > 10 unless ${slow} <= 3 * avg_over_time(${slow}[1d:10m] offset 30m)`,
        for: "10m",
        severity: "warning",
        service: "mysql",
        summary: "MySQL 慢查询激增",
        description:
          "服务器 {{ $labels.server }} 每分钟慢查询超过 10 条且超过平时的 3 倍，当前值: {{ $value }} 条/分钟",
      },
      {
        name: "MySQLRestartLoop",
        expr: "resets(mysql_global_status_uptime[30m]) >= 2",
        for: "1m",
        severity: "critical",
        service: "mysql",
        summary: "MySQL 反复重启",
        description: "服务器 {{ $labels.server }} 的 MySQL 30 分钟内重启次数: {{ $value }}",
      },
    ],
  };
}

/** Redis, beyond "down". */
export function redisRules(): AlertRuleGroup {
  return {
    name: "im_redis",
    rules: [
      {
        name: "RedisMemoryHigh",
        // Without a limit Redis says 0, and a share of nothing is no number.
        expr: "redis_memory_used_bytes / (redis_memory_max_bytes > 0) * 100 > 85",
        for: "5m",
        severity: "warning",
        service: "redis",
        summary: "Redis 内存接近上限",
        description: "服务器 {{ $labels.server }} 的 Redis 内存超过上限的 85%，当前值: {{ $value }}%",
      },
      {
        name: "RedisEvicting",
        expr: "rate(redis_evicted_keys_total[5m]) * 60 > 0",
        for: "5m",
        severity: "warning",
        service: "redis",
        summary: "Redis 正在淘汰数据",
        description: "服务器 {{ $labels.server }} 的 Redis 因内存不足正在淘汰键，当前值: {{ $value }} 个/分钟",
      },
      {
        name: "RedisRestartLoop",
        expr: "resets(redis_uptime_in_seconds[30m]) >= 2",
        for: "1m",
        severity: "critical",
        service: "redis",
        summary: "Redis 反复重启",
        description: "服务器 {{ $labels.server }} 的 Redis 30 分钟内重启次数: {{ $value }}",
      },
    ],
  };
}
