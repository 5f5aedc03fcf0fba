import type { AlertRule, AlertRuleGroup } from "./rule.ts";

/** What there is of a pair: a rule exists only when something measures it. */
export interface PairRuleOptions {
  readonly witness: boolean;
  /** The virtual IP is on one of the two servers. */
  readonly virtualIp: boolean;
  readonly redis: boolean;
  readonly minio: boolean;
  readonly backend: boolean;
}

/** Alerts of stage 2, by the controllers' own metrics: the label `server` is whose controller says it. */
export function pairRuleGroups(options: PairRuleOptions): readonly AlertRuleGroup[] {
  const groups = [
    { name: "im_pair", rules: [...controllers(), ...(options.virtualIp ? [virtualIp()] : [])] },
    { name: "im_pair_replication", rules: [...replication(), ...engines(options)] },
    ...(options.witness ? [{ name: "im_pair_votes", rules: votes() }] : []),
  ];
  return groups.filter((group) => group.rules.length > 0);
}

function controllers(): AlertRule[] {
  return [
    {
      name: "PairWithoutLeader",
      // Without any controller that answers there is nothing to add up: that is the same to clients.
      expr: "(sum(im_failover_leader) or vector(0)) == 0",
      for: "20s",
      severity: "critical",
      service: "pair",
      summary: "双机没有主节点",
      description: "没有任何服务器是主节点，写入停止（主节点数: {{ $value }}）",
    },
    {
      name: "PairTwoLeaders",
      // Both are read within ten seconds, not at once: a switchover looks like two for one round.
      expr: "sum(im_failover_leader) > 1",
      for: "20s",
      severity: "critical",
      service: "pair",
      summary: "双机出现两个主节点",
      description: "两台服务器都自称主节点，数量: {{ $value }}",
    },
    {
      name: "PairNotWhole",
      expr: "sum by(server) (im_failover_sync_set_member) < 2 and on(server) im_failover_leader == 1",
      for: "1m",
      severity: "critical",
      service: "pair",
      summary: "双机失去冗余",
      description: "服务器 {{ $labels.server }} 单独运行，此时故障不会自动切换（同步成员数: {{ $value }}）",
    },
    {
      name: "PairLeaderChanged",
      expr: "max(max_over_time(im_failover_epoch[10m])) - min(min_over_time(im_failover_epoch[10m])) > 0",
      for: "0s",
      severity: "warning",
      service: "pair",
      summary: "主节点发生过切换",
      description: "最近 10 分钟内主节点切换次数: {{ $value }}",
    },
    {
      name: "FailoverControllerDown",
      expr: 'up{job="failover"} == 0',
      for: "30s",
      severity: "critical",
      service: "pair",
      summary: "故障切换控制器失联",
      description: "服务器 {{ $labels.server }} 的控制器没有响应，它既不能接管也不会被隔离（当前值: {{ $value }}）",
    },
    {
      name: "FailoverControllerStuck",
      expr: "im_failover_look_age_seconds > 10",
      for: "20s",
      severity: "critical",
      service: "pair",
      summary: "故障切换控制器卡住",
      description: "服务器 {{ $labels.server }} 的控制器距上次检查已有 {{ $value }} 秒",
    },
    {
      name: "PairInMaintenance",
      expr: "max(im_failover_maintenance) == 1",
      for: "1h",
      severity: "warning",
      service: "pair",
      summary: "双机处于维护模式",
      description: "维护模式已超过 1 小时，期间不会自动切换（当前值: {{ $value }}）",
    },
  ];
}

function virtualIp(): AlertRule {
  return {
    name: "VirtualIpHolders",
    expr: "(sum(im_failover_vip_held) or vector(0)) != 1",
    for: "30s",
    severity: "critical",
    service: "pair",
    summary: "虚拟 IP 持有者数量不对",
    description: "应当恰好一台服务器持有虚拟 IP，当前值: {{ $value }}",
  };
}

function replication(): AlertRule[] {
  return [
    {
      name: "ReplicationStopped",
      expr: "im_failover_replication_running == 0",
      for: "1m",
      severity: "critical",
      service: "mysql",
      summary: "MySQL 复制停止",
      description: "服务器 {{ $labels.server }} 的复制没有运行（当前值: {{ $value }}）",
    },
    {
      name: "ReplicationLagging",
      expr: "im_failover_replication_lag_seconds > 5",
      for: "1m",
      severity: "warning",
      service: "mysql",
      summary: "MySQL 复制延迟",
      description: "服务器 {{ $labels.server }} 的复制延迟（即切换时的额外时间）: {{ $value }} 秒",
    },
    {
      name: "SemiSyncFellBack",
      expr: "im_failover_semi_sync_active == 0 and on(server) im_failover_semi_sync_enabled == 1",
      for: "10s",
      severity: "critical",
      service: "mysql",
      summary: "半同步复制失效",
      description: "服务器 {{ $labels.server }} 的提交不再等待副本确认（当前值: {{ $value }}）",
    },
    {
      name: "CommitsUnprotected",
      // Alone, without semi-sync, commits are not counted here: it is a commit that a replica was meant to have.
      expr: "increase(im_failover_semi_sync_unacknowledged_total[5m]) > 0 and on(server) im_failover_semi_sync_enabled == 1",
      for: "0s",
      severity: "critical",
      service: "mysql",
      summary: "有提交未经副本确认",
      description: "服务器 {{ $labels.server }} 最近 5 分钟有提交未经副本确认就返回了客户端，数量: {{ $value }}",
    },
    {
      name: "SemiSyncStranger",
      expr: "im_failover_semi_sync_clients > 1",
      for: "20s",
      severity: "critical",
      service: "mysql",
      summary: "有陌生副本在确认提交",
      description: "服务器 {{ $labels.server }} 的半同步副本多于一个，确认不再可信，当前值: {{ $value }}",
    },
    {
      name: "CommitsWaiting",
      expr: "im_failover_semi_sync_wait_seconds > 5",
      for: "10s",
      severity: "critical",
      service: "mysql",
      summary: "提交在等待副本",
      description: "服务器 {{ $labels.server }} 的提交等待副本确认已有 {{ $value }} 秒，写入被阻塞",
    },
    {
      name: "ReplicaCloning",
      expr: "im_failover_cloning == 1",
      for: "30m",
      severity: "warning",
      service: "mysql",
      summary: "副本重建时间过长",
      description: "服务器 {{ $labels.server }} 重建副本已超过 30 分钟（当前值: {{ $value }}）",
    },
  ];
}

function engines(options: PairRuleOptions): AlertRule[] {
  return [
    ...(options.redis
      ? [
          {
            name: "RedisReplicationBroken",
            expr: "im_failover_redis_link_up == 0",
            for: "2m",
            severity: "warning",
            service: "redis",
            summary: "Redis 复制中断",
            description: "服务器 {{ $labels.server }} 的 Redis 没有跟上主节点（当前值: {{ $value }}）",
          } satisfies AlertRule,
        ]
      : []),
    ...(options.minio
      ? [
          {
            name: "MinIOReplicationBehind",
            expr: "max by(server, site) (im_minio_replication_queued_objects) > 1000 or max by(server, site) (im_minio_replication_failed_objects) > 0 or max by(server, site) (im_minio_replication_link_up) == 0",
            for: "10m",
            severity: "warning",
            service: "minio",
            summary: "MinIO 复制落后",
            description: "站点 {{ $labels.site }} 的对象没有及时复制到另一台服务器（当前值: {{ $value }}）",
          } satisfies AlertRule,
        ]
      : []),
    ...(options.backend
      ? [
          {
            name: "ReplicaBackendDown",
            expr: "im_failover_backend_healthy == 0 and on(server) im_failover_leader == 0",
            for: "5m",
            severity: "warning",
            service: "backend",
            summary: "备用后端不可用",
            description: "服务器 {{ $labels.server }} 的后端没有正常响应，切换后服务可能不可用（当前值: {{ $value }}）",
          } satisfies AlertRule,
          {
            name: "PairImagesDiffer",
            expr: "count by(service) (count by(service, image) (im_suite_image_info)) > 1",
            for: "10m",
            severity: "warning",
            service: "backend",
            summary: "两台服务器的镜像不一致",
            // service is what differs here, and the routing label of the alert.
            description: "两台服务器运行的镜像不一致，镜像数: {{ $value }}",
          } satisfies AlertRule,
        ]
      : []),
  ];
}

function votes(): AlertRule[] {
  return [
    {
      name: "VoterDown",
      expr: 'up{job="etcd"} == 0 or etcd_server_has_leader == 0',
      for: "1m",
      severity: "warning",
      service: "votes",
      summary: "投票节点失联",
      description: "投票节点 {{ $labels.server }} 没有响应，再失去一个将无法切换（当前值: {{ $value }}）",
    },
    {
      name: "VotesAway",
      expr: "max(im_failover_votes_away_seconds) > 10",
      for: "20s",
      severity: "critical",
      service: "votes",
      summary: "投票服务不可用",
      description: "etcd 已有 {{ $value }} 秒没有应答，此时故障不会自动切换",
    },
  ];
}
