/**
 * Every port that the project opens or expects on a server, in one place. The first group is the roadmap's suite and can
 * be changed by config; the second is ours.
 */
export const suitePorts = {
  mysql: 3307,
  redis: 6379,
  minio: 9000,
  minioConsole: 9001,
  backend: 8080,
  admin: 3001,
  prometheus: 9090,
  grafana: 3000,
} as const;

export const ownPorts = {
  /** Our Prometheus beside an adopted suite's own. */
  prometheus: 9091,
  alertmanager: 9093,
  nodeExporter: 9100,
  mysqldExporter: 9104,
  redisExporter: 9121,
  blackboxExporter: 9115,
} as const;

/** Ports of the pair beside the controller's own (config/failover.ts). */
export const pairPorts = {
  /** On 127.0.0.1 of both data servers: MySQL and Redis by role. */
  mysqlWrite: 3316,
  mysqlRead: 3317,
  redisLeader: 6389,
  /** MinIO as its peer reaches it. */
  minioReplication: 9010,
  /** On 127.0.0.1: the peer's controller without TLS, for Prometheus. */
  peerController: 8010,
  /** Metrics of etcd, on every voter: they give nothing away. */
  etcdMetrics: 2381,
} as const;
