import { type DashboardDefinition, onServer, upOrDown } from "./definition.ts";

const requests = (more = "") => `rate(im_http_requests_total{${onServer}${more}}[$__rate_interval])`;
const durations = `rate(im_http_request_duration_seconds_bucket{${onServer}}[$__rate_interval])`;
const quantile = (share: number) => `histogram_quantile(${share}, sum by (server, le) (${durations}))`;
const noRequests = "nobody has sent a request since the backend's start, or im:monitoring.backendMetricsPath is empty";

export const backendDashboard: DashboardDefinition = {
  uid: "im-suite-backend",
  title: "IM 后端 (IM backend)",
  description: "后端 API 的请求、错误和响应时间。Requests, errors and response times of the backend.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "后端状态 (Backend state)",
          expressions: [{ expr: `probe_success{job="probe-backend",${onServer}}`, legend: "{{server}}" }],
          ...upOrDown,
        },
        {
          kind: "stat",
          title: "每秒请求 (Requests per second)",
          expressions: [{ expr: `sum by (server) (${requests()})`, legend: "{{server}}" }],
          unit: "reqps",
          decimals: 1,
          emptyWhen: noRequests,
        },
        {
          kind: "stat",
          title: "错误比例 (Error rate)",
          description: "5xx 占全部请求的比例。Share of 5xx.",
          expressions: [
            {
              expr: `(sum by (server) (${requests(',status=~"5.."')}) or sum by (server) (${requests()}) * 0) / (sum by (server) (${requests()}) > 0) * 100`,
              legend: "{{server}}",
            },
          ],
          unit: "percent",
          min: 0,
          max: 100,
          decimals: 2,
          thresholds: [
            { from: 1, color: "yellow" },
            { from: 5, color: "red" },
          ],
          emptyWhen: noRequests,
        },
        {
          kind: "stat",
          title: "95% 响应时间 (95th percentile)",
          expressions: [{ expr: quantile(0.95), legend: "{{server}}" }],
          unit: "s",
          thresholds: [
            { from: 0.25, color: "yellow" },
            { from: 0.5, color: "red" },
          ],
          emptyWhen: noRequests,
        },
        {
          kind: "stat",
          title: "数据库连接 (Database connections)",
          expressions: [{ expr: `im_database_connections{${onServer}}`, legend: "{{server}}" }],
          unit: "short",
          emptyWhen: "the backend has no metrics",
        },
        {
          kind: "stat",
          title: "健康检查耗时 (Duration of /health)",
          expressions: [{ expr: `probe_duration_seconds{job="probe-backend",${onServer}}`, legend: "{{server}}" }],
          unit: "s",
          thresholds: [
            { from: 1, color: "yellow" },
            { from: 3, color: "red" },
          ],
        },
      ],
    },
    {
      title: "请求 (Requests)",
      panels: [
        {
          kind: "graph",
          title: "请求按状态码 (Requests by status)",
          expressions: [{ expr: `sum by (server, status) (${requests()})`, legend: "{{server}} {{status}}" }],
          unit: "reqps",
          stacked: true,
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "请求按接口 (Requests by route)",
          expressions: [{ expr: `topk(10, sum by (server, route) (${requests()}))`, legend: "{{server}} {{route}}" }],
          unit: "reqps",
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "5xx 按接口 (5xx by route)",
          expressions: [
            { expr: `sum by (server, route) (${requests(',status=~"5.."')})`, legend: "{{server}} {{route}}" },
          ],
          unit: "reqps",
          emptyWhen: "no request has failed",
        },
      ],
    },
    {
      title: "响应时间 (Response times)",
      panels: [
        {
          kind: "graph",
          title: "响应时间 (Response time)",
          expressions: [
            { expr: quantile(0.5), legend: "{{server}} 50%" },
            { expr: quantile(0.95), legend: "{{server}} 95%" },
            { expr: quantile(0.99), legend: "{{server}} 99%" },
          ],
          unit: "s",
          thresholds: [{ from: 0.5, color: "red" }],
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "95% 响应时间按接口 (95th percentile by route)",
          expressions: [
            {
              expr: `topk(10, histogram_quantile(0.95, sum by (server, route, le) (${durations})))`,
              legend: "{{server}} {{route}}",
            },
          ],
          unit: "s",
          emptyWhen: noRequests,
        },
        {
          kind: "graph",
          title: "依赖的错误 (Errors of what it depends on)",
          expressions: [
            {
              expr: `sum by (server) (rate(im_database_errors_total{${onServer}}[$__rate_interval]))`,
              legend: "{{server}} MySQL",
            },
            {
              expr: `sum by (server) (rate(im_redis_errors_total{${onServer}}[$__rate_interval]))`,
              legend: "{{server}} Redis",
            },
            {
              expr: `sum by (server) (rate(im_object_errors_total{${onServer}}[$__rate_interval]))`,
              legend: "{{server}} MinIO",
            },
          ],
          unit: "cps",
          emptyWhen: "nothing has failed since the backend's start",
        },
      ],
    },
    {
      title: "容器 (Container)",
      panels: [
        {
          kind: "graph",
          title: "后端 CPU (Backend CPU)",
          description: "100% 是一个核。100 % is one processor.",
          expressions: [
            {
              expr: `rate(im_container_cpu_seconds_total{${onServer},name=~".*backend.*"}[5m]) * 100`,
              legend: "{{server}} {{name}}",
            },
          ],
          unit: "percent",
          width: 12,
        },
        {
          kind: "graph",
          title: "后端内存 (Backend memory)",
          expressions: [
            { expr: `im_container_memory_bytes{${onServer},name=~".*backend.*"}`, legend: "{{server}} {{name}}" },
          ],
          unit: "bytes",
          width: 12,
        },
      ],
    },
  ],
};
