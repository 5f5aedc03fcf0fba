import type { Controller } from "../controller.ts";

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The controller's metrics, in Prometheus's text format. Names and labels are a contract with alerts and dashboards. */
export function renderMetrics(controller: Controller): string {
  const { view, details } = controller.state;
  const { server, peer } = controller.configuration;
  const votes = view === undefined || view.votes === "away" ? undefined : view.votes;
  const set = view?.pair?.file.syncSet ?? votes?.syncSet ?? view?.lastSyncSet;
  const database = typeof view?.database === "object" ? view.database : undefined;
  const redis = typeof view?.redis === "object" ? view.redis : undefined;
  const lines: string[] = [];
  const metric = (name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]) => {
    if (samples.length === 0) return;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { labels = {}, value } of samples) {
      const text = Object.entries(labels).map(
        ([label, of]) => `${label}="${of.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
      );
      lines.push(`${name}${text.length === 0 ? "" : `{${text.join(",")}}`} ${value}`);
    }
  };
  const flag = (value: boolean | undefined): readonly Sample[] =>
    value === undefined ? [] : [{ value: value ? 1 : 0 }];
  const number = (value: number | undefined): readonly Sample[] => (value === undefined ? [] : [{ value }]);

  const { role } = controller.published;
  metric(
    "im_failover_role",
    "gauge",
    "1 for the role that others are told of this server",
    ["leader", "replica", "none"].map((one) => ({ labels: { role: one }, value: one === role ? 1 : 0 })),
  );
  metric("im_failover_leader", "gauge", "Whether this server is the leader to others", flag(role === "leader"));
  metric(
    "im_failover_look_age_seconds",
    "gauge",
    "Since the last look at everything began",
    number(controller.lookAge / 1000),
  );
  metric("im_failover_epoch", "gauge", "Grows by one with every promotion", number(set?.epoch));
  metric(
    "im_failover_sync_set_member",
    "gauge",
    "Whether a server has every acknowledged transaction",
    set === undefined
      ? []
      : [server.name, peer.name].map((name) => ({
          labels: { member: name },
          value: set.members.some((member) => member.server === name) ? 1 : 0,
        })),
  );
  metric(
    "im_failover_votes_away_seconds",
    "gauge",
    "How long etcd has not answered",
    number((view?.votesAwayFor ?? 0) / 1000),
  );
  metric(
    "im_failover_peer_silent_seconds",
    "gauge",
    "How long the other controller has not answered",
    number((view?.peerSilentFor ?? 0) / 1000),
  );
  metric(
    "im_failover_maintenance",
    "gauge",
    "Whether promotions are held",
    flag(view?.pair?.file.maintenance ?? votes?.maintenance),
  );
  metric(
    "im_failover_lease_remaining_seconds",
    "gauge",
    "Until the leader's lease ends; only on its holder",
    number(view?.lease === undefined ? undefined : view.lease.remaining / 1000),
  );
  metric(
    "im_failover_vip_held",
    "gauge",
    "Whether this server has the virtual address",
    flag(controller.published.holdsVip),
  );
  metric(
    "im_failover_cloning",
    "gauge",
    "Whether this server's data is being replaced by a copy",
    flag(controller.record.cloning),
  );
  metric(
    "im_failover_mysql_up",
    "gauge",
    "Whether mysqld answers the controller",
    flag(view === undefined ? undefined : database !== undefined),
  );
  metric("im_failover_mysql_writable", "gauge", "Whether clients can write here", flag(database?.writable));
  metric(
    "im_failover_semi_sync_enabled",
    "gauge",
    "Whether commits wait for the other server",
    flag(database?.semiSync.enabled),
  );
  metric(
    "im_failover_semi_sync_active",
    "gauge",
    "Whether they really do, without a way around",
    flag(database?.semiSync.active),
  );
  metric(
    "im_failover_semi_sync_clients",
    "gauge",
    "Receivers that acknowledge; more than one is an alarm",
    number(database?.semiSync.clients),
  );
  metric(
    "im_failover_semi_sync_wait_seconds",
    "gauge",
    "How long commits have waited without one being acknowledged",
    number(database === undefined ? undefined : database.oldestWaitMilliseconds / 1000),
  );
  metric(
    "im_failover_semi_sync_acknowledged_total",
    "counter",
    "Commits that a replica had before their client was told",
    number(details?.acknowledged),
  );
  metric(
    "im_failover_semi_sync_unacknowledged_total",
    "counter",
    "Commits whose client was told without a replica",
    number(details?.unacknowledged),
  );
  metric(
    "im_failover_replication_running",
    "gauge",
    "Whether receiver and applier run",
    flag(
      database?.replication === undefined
        ? undefined
        : database.replication.receiver === "connected" && database.replication.applier === "running",
    ),
  );
  metric(
    "im_failover_replication_lag_seconds",
    "gauge",
    "Age of what is received and not applied",
    number(database?.replication === undefined ? undefined : database.replication.lagMilliseconds / 1000),
  );
  metric(
    "im_failover_redis_up",
    "gauge",
    "Whether Redis answers the controller",
    controller.configuration.redis === undefined ? [] : flag(redis !== undefined),
  );
  metric(
    "im_failover_redis_leader",
    "gauge",
    "Whether this Redis was made the leader",
    flag(redis === undefined ? undefined : redis.assigned === "leader"),
  );
  metric(
    "im_failover_redis_link_up",
    "gauge",
    "Whether this Redis follows the other",
    flag(redis?.source === undefined ? undefined : redis.link === "up"),
  );
  metric("im_failover_redis_offset_bytes", "gauge", "Replication offset", number(controller.redisDetails?.offset));
  metric(
    "im_failover_redis_replicas",
    "gauge",
    "Replicas attached to this Redis",
    number(controller.redisDetails?.replicas),
  );
  metric(
    "im_failover_backend_healthy",
    "gauge",
    "Whether the suite's API answers here",
    flag(view === undefined || view.backend === "unknown" ? undefined : view.backend === "healthy"),
  );
  metric(
    "im_failover_events_total",
    "counter",
    "Events since the controller started, by name",
    [...controller.events.counts].sort().map(([event, value]) => ({ labels: { event }, value })),
  );
  return `${lines.join("\n")}\n`;
}
