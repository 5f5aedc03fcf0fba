import type { AlertRuleGroup } from "./rule.ts";

/** Who watches the watchers. */
export function monitoringRules(): AlertRuleGroup {
  return {
    name: "im_monitoring",
    rules: [
      {
        name: "TargetMissing",
        // A missing MySQL or Redis exporter is already MySQLDown or RedisDown.
        expr: 'up{job!~"mysql|redis"} == 0',
        for: "5m",
        severity: "warning",
        service: "monitoring",
        summary: "监控目标丢失",
        description:
          "Prometheus 采集不到 {{ $labels.job }}（{{ $labels.instance }}，服务器 {{ $labels.server }}），当前值: {{ $value }}",
      },
      {
        name: "MonitoringConfigNotApplied",
        expr: "prometheus_config_last_reload_successful == 0 or alertmanager_config_last_reload_successful == 0",
        for: "5m",
        severity: "warning",
        service: "monitoring",
        summary: "监控配置没有生效",
        description:
          "服务器 {{ $labels.server }} 的 {{ $labels.job }} 拒绝了新配置，仍在使用旧配置，当前值: {{ $value }}",
      },
      {
        name: "AlertsNotDelivered",
        expr: "increase(alertmanager_notifications_failed_total[5m]) > 0",
        for: "5m",
        severity: "warning",
        service: "monitoring",
        summary: "告警发送失败",
        description:
          "服务器 {{ $labels.server }} 的告警无法通过 {{ $labels.integration }} 发出，5 分钟内失败次数: {{ $value }}",
      },
      {
        name: "Watchdog",
        // Always firing: when its message stops, the alerting itself is dead.
        expr: "vector(1)",
        for: "0s",
        severity: "none",
        service: "watchdog",
        summary: "监控心跳",
        description: "这条告警一直存在，证明告警链路正常，当前值: {{ $value }}",
      },
    ],
  };
}
