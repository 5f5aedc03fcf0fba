import type { AlertRule, AlertRuleGroup, AlertRuleOptions } from "./rule.ts";

/** The services as a client sees them, by the blackbox exporter, and the backend by its own metrics. */
export function serviceRules(options: AlertRuleOptions): AlertRuleGroup {
  const rules: AlertRule[] = [];
  if (options.minio) {
    rules.push({
      name: "MinIODown",
      expr: 'probe_success{job="probe-minio"} == 0',
      for: "1m",
      severity: "critical",
      service: "minio",
      summary: "MinIO 服务宕机",
      description: "{{ $labels.instance }} 没有正常响应（服务器 {{ $labels.server }}，当前值: {{ $value }}）",
    });
    rules.push({
      name: "MinIODriveOffline",
      expr: "minio_cluster_drive_offline_total > 0",
      for: "1m",
      severity: "critical",
      service: "minio",
      summary: "MinIO 磁盘离线",
      description: "服务器 {{ $labels.server }} 的 MinIO 有磁盘离线，当前值: {{ $value }}",
    });
  }
  if (options.backend) {
    rules.push({
      name: "BackendDown",
      expr: 'probe_success{job="probe-backend"} == 0',
      for: "1m",
      severity: "critical",
      service: "backend",
      summary: "后端 API 不可用",
      description: "{{ $labels.instance }} 没有返回 ok（服务器 {{ $labels.server }}，当前值: {{ $value }}）",
    });
  }
  if (options.admin) {
    rules.push({
      name: "AdminPageDown",
      expr: 'probe_success{job="probe-admin"} == 0',
      for: "2m",
      severity: "warning",
      service: "admin",
      summary: "管理后台不可用",
      description: "{{ $labels.instance }} 没有正常响应（服务器 {{ $labels.server }}，当前值: {{ $value }}）",
    });
  }
  if (options.backend && options.backendMetrics) {
    rules.push(
      {
        name: "BackendErrorRateHigh",
        // At least six requests a minute: one failure among three is no rate.
        expr: 'sum by(server) (rate(im_http_requests_total{status=~"5.."}[5m])) / (sum by(server) (rate(im_http_requests_total[5m])) > 0.1) * 100 > 5',
        for: "5m",
        severity: "critical",
        service: "backend",
        summary: "后端错误率过高",
        description: "服务器 {{ $labels.server }} 的后端 5xx 比例超过 5%，当前值: {{ $value }}%",
      },
      {
        name: "BackendLatencyHigh",
        expr: "histogram_quantile(0.95, sum by(server, le) (rate(im_http_request_duration_seconds_bucket[5m]))) > 0.5",
        for: "10m",
        severity: "warning",
        service: "backend",
        summary: "后端响应变慢",
        description: "服务器 {{ $labels.server }} 的后端 95% 响应时间超过 0.5 秒，当前值: {{ $value }} 秒",
      },
    );
  }
  if (options.tls) {
    rules.push(
      {
        name: "TLSCertificateExpiring",
        expr: '(probe_ssl_earliest_cert_expiry{job="probe-tls"} - time()) / 86400 < 14',
        for: "1h",
        severity: "warning",
        service: "tls",
        summary: "TLS 证书即将过期",
        description: "{{ $labels.instance }} 的证书剩余天数不足 14 天，当前值: {{ $value }} 天",
      },
      {
        name: "TLSEndpointFailing",
        expr: 'probe_success{job="probe-tls"} == 0',
        for: "5m",
        severity: "critical",
        service: "tls",
        summary: "TLS 连接失败",
        description: "{{ $labels.instance }} 无法建立可信的 TLS 连接（证书可能已过期），当前值: {{ $value }}",
      },
    );
  }
  return { name: "im_services", rules };
}
