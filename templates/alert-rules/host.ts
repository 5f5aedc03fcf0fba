import type { AlertRule, AlertRuleGroup, AlertRuleOptions } from "./rule.ts";

/** File systems that can fill up. A squashfs or a CD is always full, and a tmpfs is memory. */
const fileSystems = '{fstype!~"squashfs|iso9660|erofs|tmpfs|ramfs"}';

/**
 * The roadmap's five, with its names, thresholds, durations, severities and texts. What differs, and why: `server` is kept through the
 * aggregation, because messages are grouped by it; and a database is also down when its exporter runs and says so: `up` alone
 * is the exporter's, which survives its database.
 */
export function roadmapRules(options: AlertRuleOptions): AlertRuleGroup {
  const mysqlDown: AlertRule = {
    name: "MySQLDown",
    expr: 'mysql_up == 0 or up{job="mysql"} == 0',
    for: "1m",
    severity: "critical",
    service: "mysql",
    summary: "MySQL 服务宕机",
    description: "MySQL 服务不可用（服务器 {{ $labels.server }}，{{ $labels.instance }}，当前值: {{ $value }}）",
  };
  const redisDown: AlertRule = {
    name: "RedisDown",
    expr: 'redis_up == 0 or up{job="redis"} == 0',
    for: "1m",
    severity: "critical",
    service: "redis",
    summary: "Redis 服务宕机",
    description: "Redis 服务不可用（服务器 {{ $labels.server }}，{{ $labels.instance }}，当前值: {{ $value }}）",
  };
  return {
    name: "system_alerts",
    rules: [
      {
        name: "HighCPUUsage",
        expr: '100 - (avg by(instance, server) (irate(node_cpu_seconds_total{mode="idle"}[5m])) * 100) > 80',
        for: "5m",
        severity: "warning",
        service: "host",
        summary: "CPU 使用率过高",
        description: "CPU 使用率超过 80%，当前值: {{ $value }}%",
      },
      {
        name: "HighMemoryUsage",
        expr: "(1 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) * 100 > 85",
        for: "5m",
        severity: "warning",
        service: "host",
        summary: "内存使用率过高",
        description: "内存使用率超过 85%，当前值: {{ $value }}%",
      },
      {
        name: "DiskSpaceLow",
        expr: `(1 - (node_filesystem_avail_bytes${fileSystems} / node_filesystem_size_bytes)) * 100 > 85`,
        for: "5m",
        severity: "warning",
        service: "host",
        summary: "磁盘空间不足",
        description: "磁盘使用率超过 85%，当前值: {{ $value }}%",
      },
      mysqlDown,
      ...(options.redis ? [redisDown] : []),
    ],
  };
}

/** The server itself and our health check on it, beyond the roadmap. */
export function hostRules(options: AlertRuleOptions): AlertRuleGroup {
  // Three rounds missed: one may be late behind a slow answer.
  const staleSeconds = options.healthCheckIntervalMinutes * 3 * 60;
  const timestamp = "im_health_check_timestamp_seconds";
  return {
    name: "im_host",
    rules: [
      {
        name: "HostDown",
        // All of them: one dead exporter must not silence, by inhibition, the alerts of a living host.
        expr: 'max by(server) (up{job=~"node|mysql|redis"}) == 0',
        // Half the databases' minute: it must be known before their alerts leave, or it cannot hold them back.
        for: "30s",
        // And a minute longer: a host that is back has its services back a little later, and that is no news.
        keepFiringFor: "1m",
        severity: "critical",
        service: "host",
        summary: "服务器失联",
        description: "服务器 {{ $labels.server }} 上的所有采集器都没有响应（当前值: {{ $value }}）",
      },
      {
        name: "DiskWillFillIn24Hours",
        // The value is what is free now; a disk that is mostly empty and only copies a file is left alone.
        expr: `node_filesystem_avail_bytes${fileSystems} / node_filesystem_size_bytes * 100 < 40 and predict_linear(node_filesystem_avail_bytes${fileSystems}[6h], 24 * 3600) < 0`,
        for: "30m",
        severity: "warning",
        service: "host",
        summary: "磁盘将在 24 小时内写满",
        description:
          "按最近 6 小时的趋势，服务器 {{ $labels.server }} 的 {{ $labels.mountpoint }} 将在 24 小时内写满，当前剩余: {{ $value }}%",
      },
      {
        name: "InodesLow",
        expr: `(1 - (node_filesystem_files_free${fileSystems} / node_filesystem_files)) * 100 > 85`,
        for: "5m",
        severity: "warning",
        service: "host",
        summary: "inode 不足",
        description:
          "服务器 {{ $labels.server }} 的 {{ $labels.mountpoint }} inode 使用率超过 85%，当前值: {{ $value }}%",
      },
      {
        name: "HostRestartLoop",
        // By the time since the boot, sampled each minute: the boot time itself moves by a second when the clock is set.
        expr: "resets((time() - node_boot_time_seconds)[1h:1m]) >= 2",
        for: "1m",
        severity: "critical",
        service: "host",
        summary: "服务器反复重启",
        description: "服务器 {{ $labels.server }} 一小时内重启次数: {{ $value }}",
      },
      {
        name: "ContainerRestartLoop",
        // The exporters tell of MySQL and Redis; this of every container. By its start times, and by Docker's own count: a loop may be
        // faster than the looks at it.
        expr: "changes(im_container_start_time_seconds[30m]) >= 3 or im_container_restart_count - min_over_time(im_container_restart_count[30m]) >= 3",
        for: "1m",
        severity: "critical",
        service: "containers",
        summary: "容器反复重启",
        description: "服务器 {{ $labels.server }} 的容器 {{ $labels.name }} 30 分钟内重启次数: {{ $value }}",
      },
      {
        name: "ContainerNotRunning",
        expr: "im_container_running == 0",
        for: "5m",
        severity: "warning",
        service: "containers",
        summary: "容器没有运行",
        description: "服务器 {{ $labels.server }} 的容器 {{ $labels.name }} 没有运行，当前值: {{ $value }}",
      },
      {
        name: "ContainerMetricsStale",
        // Without them the two rules above are blind, and look as if all were well.
        expr: "im_container_metrics_ok == 0 or time() - im_container_metrics_timestamp_seconds > 600",
        for: "5m",
        severity: "warning",
        service: "containers",
        summary: "容器状态没有更新",
        description: "服务器 {{ $labels.server }} 读不到容器状态，当前值: {{ $value }}",
      },
      {
        name: "HealthCheckFailing",
        expr: "im_health_check_ok == 0",
        for: "1m",
        severity: "warning",
        service: "host",
        summary: "健康检查不通过",
        description: "服务器 {{ $labels.server }} 的健康检查项 {{ $labels.check }} 异常，当前值: {{ $value }}",
      },
      {
        name: "HealthCheckStale",
        expr: `time() - ${timestamp} > ${staleSeconds} or absent(${timestamp}{server="${options.server}"})`,
        for: "5m",
        severity: "warning",
        service: "host",
        summary: "健康检查没有运行",
        description: `服务器 {{ $labels.server }} 的健康检查超过 ${staleSeconds} 秒没有结果，当前值: {{ $value }}`,
      },
    ],
  };
}
