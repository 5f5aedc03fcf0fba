import { type DashboardDefinition, onServer, share, upOrDown } from "./definition.ts";

const disks = `{${onServer},fstype!~"squashfs|iso9660|erofs|tmpfs|ramfs"}`;
/** Without the ends of Docker's own wires, of which every container has one. */
const devices = `{${onServer},device!~"lo|veth.*|br-.*|docker.*"}`;
const cpuBusy = `100 - avg by (server) (rate(node_cpu_seconds_total{${onServer},mode="idle"}[$__rate_interval])) * 100`;
const memoryUsed = `(1 - node_memory_MemAvailable_bytes{${onServer}} / node_memory_MemTotal_bytes{${onServer}}) * 100`;

/** The server, its containers, and what the outside sees of the suite. */
export const hostDashboard: DashboardDefinition = {
  uid: "im-suite-host",
  title: "IM 服务器 (IM host)",
  description: "服务器、容器、健康检查和探测。Server, containers, health checks and probes.",
  rows: [
    {
      title: "概览 (Overview)",
      panels: [
        {
          kind: "stat",
          title: "触发中的告警 (Firing alerts)",
          description: "不含心跳告警。Without the watchdog, which always fires.",
          expressions: [
            { expr: `count(ALERTS{alertstate="firing",severity!="none",${onServer}}) or vector(0)`, legend: "" },
          ],
          unit: "none",
          thresholds: [{ from: 1, color: "red" }],
        },
        {
          kind: "stat",
          title: "CPU 使用率 (CPU usage)",
          expressions: [{ expr: cpuBusy, legend: "{{server}}" }],
          ...share(80),
          decimals: 1,
        },
        {
          kind: "stat",
          title: "内存使用率 (Memory usage)",
          expressions: [{ expr: memoryUsed, legend: "{{server}}" }],
          ...share(85),
          decimals: 1,
        },
        {
          kind: "stat",
          title: "最满的磁盘 (Fullest disk)",
          expressions: [
            {
              expr: `max by (server) ((1 - node_filesystem_avail_bytes${disks} / node_filesystem_size_bytes) * 100)`,
              legend: "{{server}}",
            },
          ],
          ...share(85),
          decimals: 1,
        },
        {
          kind: "stat",
          title: "运行时间 (Uptime)",
          expressions: [{ expr: `time() - node_boot_time_seconds{${onServer}}`, legend: "{{server}}" }],
          unit: "s",
          decimals: 0,
        },
        {
          kind: "stat",
          title: "监控目标 (Targets up)",
          description: "Prometheus 能采集到的目标比例。Share of the targets that answer Prometheus.",
          expressions: [{ expr: `avg by (server) (up{${onServer}}) * 100`, legend: "{{server}}" }],
          unit: "percent",
          min: 0,
          max: 100,
          below: "red",
          thresholds: [{ from: 100, color: "green" }],
          decimals: 0,
        },
      ],
    },
    {
      title: "探测和健康检查 (Probes and health checks)",
      panels: [
        {
          kind: "stat",
          title: "外部探测 (Probes)",
          description: "像客户端一样访问。What a client would see.",
          expressions: [{ expr: `probe_success{${onServer}}`, legend: "{{server}} {{job}}" }],
          ...upOrDown,
          width: 12,
        },
        {
          kind: "stat",
          title: "健康检查项 (Health checks)",
          expressions: [{ expr: `im_health_check_ok{${onServer}}`, legend: "{{server}} {{check}}" }],
          ...upOrDown,
          width: 12,
        },
        {
          kind: "graph",
          title: "探测耗时 (Probe duration)",
          expressions: [{ expr: `probe_duration_seconds{${onServer}}`, legend: "{{server}} {{job}}" }],
          unit: "s",
          width: 12,
        },
        {
          kind: "graph",
          title: "距上次健康检查 (Time since the last health check)",
          expressions: [{ expr: `time() - im_health_check_timestamp_seconds{${onServer}}`, legend: "{{server}}" }],
          unit: "s",
          width: 12,
        },
      ],
    },
    {
      title: "CPU 和内存 (CPU and memory)",
      panels: [
        {
          kind: "graph",
          title: "CPU 按类型 (CPU by mode)",
          expressions: [
            {
              expr: `sum by (server, mode) (rate(node_cpu_seconds_total{${onServer},mode!="idle"}[$__rate_interval])) / on (server) group_left () count by (server) (node_cpu_seconds_total{${onServer},mode="idle"}) * 100`,
              legend: "{{server}} {{mode}}",
            },
          ],
          unit: "percent",
          stacked: true,
        },
        {
          kind: "graph",
          title: "负载 (Load)",
          description: "长期高于 CPU 核数时有任务在排队。Longer above the number of processors: work is waiting.",
          expressions: [
            { expr: `node_load1{${onServer}}`, legend: "{{server}} 1m" },
            { expr: `node_load15{${onServer}}`, legend: "{{server}} 15m" },
            {
              expr: `count by (server) (node_cpu_seconds_total{${onServer},mode="idle"})`,
              legend: "{{server}} 核数 (processors)",
            },
          ],
          unit: "short",
        },
        {
          kind: "graph",
          title: "内存 (Memory)",
          expressions: [
            {
              expr: `node_memory_MemTotal_bytes{${onServer}} - node_memory_MemAvailable_bytes{${onServer}}`,
              legend: "{{server}} 已用 (used)",
            },
            { expr: `node_memory_MemAvailable_bytes{${onServer}}`, legend: "{{server}} 可用 (available)" },
          ],
          unit: "bytes",
          stacked: true,
        },
        {
          kind: "graph",
          title: "等待资源的时间 (Time waiting for resources)",
          description: "任务等待 CPU、磁盘、内存的时间比例。Share of the time in which something waits.",
          expressions: [
            {
              expr: `rate(node_pressure_cpu_waiting_seconds_total{${onServer}}[$__rate_interval]) * 100`,
              legend: "{{server}} CPU",
            },
            {
              expr: `rate(node_pressure_io_waiting_seconds_total{${onServer}}[$__rate_interval]) * 100`,
              legend: "{{server}} 磁盘 (disk)",
            },
            {
              expr: `rate(node_pressure_memory_waiting_seconds_total{${onServer}}[$__rate_interval]) * 100`,
              legend: "{{server}} 内存 (memory)",
            },
          ],
          unit: "percent",
          emptyWhen: "the kernel is older than 4.20 or has no pressure information",
        },
        {
          kind: "graph",
          title: "交换分区 (Swap)",
          expressions: [
            {
              expr: `node_memory_SwapTotal_bytes{${onServer}} - node_memory_SwapFree_bytes{${onServer}}`,
              legend: "{{server}} 已用 (used)",
            },
          ],
          unit: "bytes",
        },
        {
          kind: "graph",
          title: "被内核杀死的进程 (Killed for memory)",
          expressions: [{ expr: `increase(node_vmstat_oom_kill{${onServer}}[1h])`, legend: "{{server}}" }],
          unit: "short",
          thresholds: [{ from: 1, color: "red" }],
        },
      ],
    },
    {
      title: "磁盘 (Disks)",
      panels: [
        {
          kind: "bars",
          title: "磁盘使用率 (Disk usage)",
          expressions: [
            {
              expr: `(1 - node_filesystem_avail_bytes${disks} / node_filesystem_size_bytes) * 100`,
              legend: "{{server}} {{mountpoint}}",
            },
          ],
          ...share(85),
          decimals: 1,
        },
        {
          kind: "graph",
          title: "剩余空间 (Free space)",
          expressions: [{ expr: `node_filesystem_avail_bytes${disks}`, legend: "{{server}} {{mountpoint}}" }],
          unit: "bytes",
        },
        {
          kind: "bars",
          title: "inode 使用率 (Inode usage)",
          expressions: [
            {
              expr: `(1 - node_filesystem_files_free${disks} / (node_filesystem_files > 0)) * 100`,
              legend: "{{server}} {{mountpoint}}",
            },
          ],
          ...share(85),
          decimals: 1,
        },
        {
          kind: "graph",
          title: "磁盘吞吐 (Disk throughput)",
          expressions: [
            {
              expr: `rate(node_disk_read_bytes_total{${onServer}}[$__rate_interval])`,
              legend: "{{server}} {{device}} 读 (read)",
            },
            {
              expr: `rate(node_disk_written_bytes_total{${onServer}}[$__rate_interval])`,
              legend: "{{server}} {{device}} 写 (write)",
            },
          ],
          unit: "Bps",
        },
        {
          kind: "graph",
          title: "磁盘操作 (Disk operations)",
          expressions: [
            {
              expr: `rate(node_disk_reads_completed_total{${onServer}}[$__rate_interval])`,
              legend: "{{server}} {{device}} 读 (read)",
            },
            {
              expr: `rate(node_disk_writes_completed_total{${onServer}}[$__rate_interval])`,
              legend: "{{server}} {{device}} 写 (write)",
            },
          ],
          unit: "iops",
        },
        {
          kind: "graph",
          title: "磁盘忙碌时间 (Disk busy)",
          expressions: [
            {
              expr: `rate(node_disk_io_time_seconds_total{${onServer}}[$__rate_interval]) * 100`,
              legend: "{{server}} {{device}}",
            },
          ],
          ...share(95),
        },
      ],
    },
    {
      title: "网络 (Network)",
      panels: [
        {
          kind: "graph",
          title: "网络流量 (Network traffic)",
          expressions: [
            {
              expr: `rate(node_network_receive_bytes_total${devices}[$__rate_interval])`,
              legend: "{{server}} {{device}} 收 (in)",
            },
            {
              expr: `rate(node_network_transmit_bytes_total${devices}[$__rate_interval])`,
              legend: "{{server}} {{device}} 发 (out)",
            },
          ],
          unit: "Bps",
        },
        {
          kind: "graph",
          title: "丢包和错误 (Drops and errors)",
          expressions: [
            {
              expr: `rate(node_network_receive_drop_total${devices}[$__rate_interval]) + rate(node_network_receive_errs_total${devices}[$__rate_interval])`,
              legend: "{{server}} {{device}} 收 (in)",
            },
            {
              expr: `rate(node_network_transmit_drop_total${devices}[$__rate_interval]) + rate(node_network_transmit_errs_total${devices}[$__rate_interval])`,
              legend: "{{server}} {{device}} 发 (out)",
            },
          ],
          unit: "cps",
        },
        {
          kind: "graph",
          title: "TCP 连接 (TCP connections)",
          expressions: [
            { expr: `node_netstat_Tcp_CurrEstab{${onServer}}`, legend: "{{server}} 已建立 (established)" },
            { expr: `node_sockstat_TCP_tw{${onServer}}`, legend: "{{server}} 等待关闭 (time wait)" },
          ],
          unit: "short",
        },
      ],
    },
    {
      title: "容器 (Containers)",
      panels: [
        {
          kind: "stat",
          title: "容器状态 (Containers running)",
          expressions: [{ expr: `im_container_running{${onServer}}`, legend: "{{server}} {{name}}" }],
          ...upOrDown,
          width: 24,
          height: 6,
        },
        {
          kind: "graph",
          title: "容器 CPU (Container CPU)",
          description: "100% 是一个核。100 % is one processor.",
          expressions: [
            {
              expr: `rate(im_container_cpu_seconds_total{${onServer}}[5m]) * 100`,
              legend: "{{server}} {{name}}",
            },
          ],
          unit: "percent",
        },
        {
          kind: "graph",
          title: "容器内存 (Container memory)",
          expressions: [{ expr: `im_container_memory_bytes{${onServer}}`, legend: "{{server}} {{name}}" }],
          unit: "bytes",
        },
        {
          kind: "bars",
          title: "占内存上限 (Share of the memory limit)",
          expressions: [
            {
              expr: `im_container_memory_bytes{${onServer}} / im_container_memory_limit_bytes * 100`,
              legend: "{{server}} {{name}}",
            },
          ],
          ...share(90),
          decimals: 0,
        },
        {
          kind: "graph",
          title: "重启次数 (Restarts)",
          description: "Docker 自动重启的次数。By Docker itself, since the container was made.",
          expressions: [{ expr: `im_container_restart_count{${onServer}}`, legend: "{{server}} {{name}}" }],
          unit: "short",
        },
        {
          kind: "graph",
          title: "容器运行时间 (Container uptime)",
          expressions: [
            { expr: `time() - im_container_start_time_seconds{${onServer}}`, legend: "{{server}} {{name}}" },
          ],
          unit: "s",
        },
        {
          kind: "stat",
          title: "容器健康 (Container health)",
          description: "只有带健康检查的容器。Only containers with a health check of their own.",
          expressions: [{ expr: `im_container_healthy{${onServer}}`, legend: "{{server}} {{name}}" }],
          ...upOrDown,
          width: 8,
          height: 8,
          emptyWhen: "no container of the suite has a health check",
        },
      ],
    },
  ],
};
