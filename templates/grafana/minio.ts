import { type DashboardDefinition, onServer, share, upOrDown } from "./definition.ts";

const now = (name: string) => `minio_${name}{${onServer}}`;
const perSecond = (name: string) => `rate(minio_${name}{${onServer}}[$__rate_interval])`;
const noRequests = "MinIO was started and has had no request of this kind yet";

export const minioDashboard: DashboardDefinition = {
  uid: "im-suite-minio",
  title: "IM MinIO (IM MinIO)",
  description: "MinIO 的容量、请求和错误。Capacity, requests and errors, from MinIO's own metrics.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "MinIO 状态 (MinIO state)",
          expressions: [{ expr: `probe_success{job="probe-minio",${onServer}}`, legend: "{{server}}" }],
          ...upOrDown,
        },
        {
          kind: "stat",
          title: "离线的盘 (Drives offline)",
          expressions: [{ expr: now("cluster_drive_offline_total"), legend: "{{server}}" }],
          unit: "none",
          thresholds: [{ from: 1, color: "red" }],
        },
        {
          kind: "stat",
          title: "空间使用率 (Space in use)",
          description: "MinIO 所在的盘，包含其他文件。Of the disk it lies on, other files included.",
          expressions: [
            {
              expr: `(1 - ${now("cluster_capacity_usable_free_bytes")} / minio_cluster_capacity_usable_total_bytes) * 100`,
              legend: "{{server}}",
            },
          ],
          ...share(85),
          decimals: 1,
        },
        {
          kind: "stat",
          title: "对象数 (Objects)",
          description: "MinIO 定期统计，启动后几分钟才有。Counted by MinIO now and then, minutes after its start.",
          expressions: [{ expr: now("cluster_usage_object_total"), legend: "{{server}}" }],
          unit: "short",
          emptyWhen: "MinIO has not counted since its start",
        },
        {
          kind: "stat",
          title: "对象大小 (Size of the objects)",
          expressions: [{ expr: now("cluster_usage_total_bytes"), legend: "{{server}}" }],
          unit: "bytes",
          emptyWhen: "MinIO has not counted since its start",
        },
        {
          kind: "stat",
          title: "运行时间 (Uptime)",
          expressions: [{ expr: now("node_process_uptime_seconds"), legend: "{{server}}" }],
          unit: "s",
          decimals: 0,
          below: "yellow",
          thresholds: [{ from: 3600, color: "green" }],
        },
      ],
    },
    {
      title: "请求 (Requests)",
      panels: [
        {
          kind: "graph",
          title: "请求按接口 (Requests by API)",
          expressions: [
            { expr: `sum by (server, api) (${perSecond("s3_requests_total")})`, legend: "{{server}} {{api}}" },
          ],
          unit: "reqps",
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "错误 (Errors)",
          expressions: [
            {
              expr: `sum by (server, api) (${perSecond("s3_requests_4xx_errors_total")})`,
              legend: "{{server}} {{api}} 4xx",
            },
            {
              expr: `sum by (server, api) (${perSecond("s3_requests_5xx_errors_total")})`,
              legend: "{{server}} {{api}} 5xx",
            },
          ],
          unit: "reqps",
          emptyWhen: "no request has failed since MinIO's start",
        },
        {
          kind: "graph",
          title: "被拒绝的请求 (Rejected requests)",
          expressions: [
            { expr: perSecond("s3_requests_rejected_auth_total"), legend: "{{server}} 认证 (authentication)" },
            { expr: perSecond("s3_requests_rejected_invalid_total"), legend: "{{server}} 无效 (invalid)" },
            { expr: perSecond("s3_requests_rejected_timestamp_total"), legend: "{{server}} 时钟 (clock)" },
          ],
          unit: "reqps",
        },
        {
          kind: "graph",
          title: "50 毫秒内首字节 (First byte within 50 ms)",
          description: "比例越高越快。The higher the faster.",
          expressions: [
            {
              expr: `sum by (server, api) (minio_s3_requests_ttfb_seconds_distribution{${onServer},le="0.050"}) / (sum by (server, api) (minio_s3_requests_ttfb_seconds_distribution{${onServer},le="+Inf"}) > 0) * 100`,
              legend: "{{server}} {{api}}",
            },
          ],
          unit: "percent",
          min: 0,
          max: 100,
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "流量 (Traffic)",
          expressions: [
            { expr: perSecond("s3_traffic_received_bytes"), legend: "{{server}} 收 (in)" },
            { expr: perSecond("s3_traffic_sent_bytes"), legend: "{{server}} 发 (out)" },
          ],
          unit: "Bps",
        },
        {
          kind: "graph",
          title: "等待中的请求 (Waiting requests)",
          expressions: [{ expr: now("s3_requests_waiting_total"), legend: "{{server}}" }],
          unit: "short",
        },
      ],
    },
    {
      title: "资源 (Resources)",
      panels: [
        {
          kind: "graph",
          title: "剩余空间 (Free space)",
          expressions: [{ expr: now("cluster_capacity_usable_free_bytes"), legend: "{{server}}" }],
          unit: "bytes",
        },
        {
          kind: "graph",
          title: "内存 (Memory)",
          expressions: [{ expr: now("node_process_resident_memory_bytes"), legend: "{{server}}" }],
          unit: "bytes",
        },
        {
          kind: "graph",
          title: "CPU (CPU)",
          description: "100% 是一个核。100 % is one processor.",
          expressions: [{ expr: `${perSecond("node_process_cpu_total_seconds")} * 100`, legend: "{{server}}" }],
          unit: "percent",
        },
      ],
    },
  ],
};
