import {
  type GrowthTriggerName,
  growthTriggerMetric,
  growthTriggerNames,
  growthTriggers,
} from "../../config/growth.ts";
import type { AlertRule, AlertRuleGroup, GrowthRuleOptions, RecordingRule } from "./rule.ts";

/** Alerts whose firing is an outage, as users see it. */
const outageAlerts = "HostDown|MySQLDown|RedisDown|MinIODown|BackendDown";

/**
 * The roadmap's triggers for stage 2, kept as one value each, and the alert that says which are reached. Evaluated once a minute:
 * the windows are days.
 */
export function growthRules(options: GrowthRuleOptions & { readonly server: string }): AlertRuleGroup {
  return {
    name: "im_growth",
    interval: "1m",
    records: [...sources, ...growthTriggerNames.map(trigger)],
    rules: [stageTwoIsDue(options), ...(options.queries ? [notMeasured(options.server)] : [])],
  };
}

const sources: readonly RecordingRule[] = [
  {
    record: "im_growth_cpu_percent",
    expr: 'max by(server) (100 - avg by(instance, server) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100)',
  },
  {
    record: "im_growth_cpu_percent_6h",
    // Of six measured hours (360 samples, a tenth may be missing): else the installation itself would be "sustained". Not a
    // rate of six hours: over a part of its window a rate is too small, and what is not idle too large.
    expr: "avg_over_time(im_growth_cpu_percent[6h]) and count_over_time(im_growth_cpu_percent[6h]) > 324",
  },
  { record: "im_growth_uptime_seconds", expr: "max by(server) (time() - node_boot_time_seconds)" },
  {
    record: "im_growth_suite_ok",
    // By the health check, or between two of them by an alert that fired, if only for seconds between two of these rounds.
    expr: [
      'min by(server) (im_health_check_ok{check=~"mysql|redis|minio|backend"})',
      `unless on(server) present_over_time(ALERTS{alertname=~"${outageAlerts}",alertstate="firing"}[90s])`,
      `or min by(server) (im_health_check_ok) * 0`,
    ].join(" "),
  },
];

const measured: Readonly<Record<GrowthTriggerName, string>> = {
  registered_users: "max by(server) (im_growth_registered_users)",
  // The most of a week: a Sunday must not take back what Friday said.
  daily_active_users: "max by(server) (max_over_time(im_growth_daily_active_users[7d]))",
  messages_per_day: "max by(server) (max_over_time(im_growth_messages_per_day[7d]))",
  cpu_percent: "max_over_time(im_growth_cpu_percent_6h[7d])",
  // Each time that the suite stopped being well, and each boot. 14 days: Prometheus keeps 15.
  outages: "resets(im_growth_suite_ok[14d]) + on(server) resets(im_growth_uptime_seconds[14d])",
};

const trigger = (name: GrowthTriggerName): RecordingRule => ({
  record: growthTriggerMetric,
  expr: measured[name],
  labels: { trigger: name },
});

function stageTwoIsDue({ monthlyTotals }: GrowthRuleOptions): AlertRule {
  const reached = growthTriggerNames.map(
    (name) => `${growthTriggerMetric}{trigger="${name}"} > ${growthTriggers[name].above}`,
  );
  const values = growthTriggerNames.map((name) => {
    const { chinese, above, unit } = growthTriggers[name];
    const query = `printf \`${growthTriggerMetric}{trigger="${name}",server="%s"}\` $labels.server`;
    return `${chinese} {{ with query (${query}) }}{{ . | first | value | printf "%.0f" }}${unit}{{ else }}未测得{{ end }}（> ${above}${unit}）`;
  });
  return {
    name: "StageTwoIsDue",
    expr: `count by(server) (${reached.join(" or ")})`,
    for: "30m",
    severity: "info",
    service: "growth",
    summary: "该进入阶段 2 了",
    description: `服务器 {{ $labels.server }} 达到的升级条件数: {{ $value }}。${values.join("，")}。每月费用: 阶段 1 ${monthlyTotals[1]} 元，阶段 2 ${monthlyTotals[2]} 元，阶段 3 ${monthlyTotals[3]} 元`,
  };
}

function notMeasured(server: string): AlertRule {
  const timestamp = "im_growth_timestamp_seconds";
  return {
    name: "GrowthNotMeasured",
    expr: `im_growth_query_ok == 0 or time() - ${timestamp} > 3 * 3600 or absent(${timestamp}{server="${server}"})`,
    for: "6h",
    severity: "info",
    service: "growth",
    summary: "增长指标没有测得",
    description:
      "服务器 {{ $labels.server }} 的增长指标 {{ $labels.query }} 没有测得（im:growth.queries），当前值: {{ $value }}",
  };
}
