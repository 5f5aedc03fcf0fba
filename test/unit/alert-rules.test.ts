import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { repositoryRoot } from "../../lib/paths.ts";
import { type PairRuleOptions, pairRuleGroups } from "../../templates/alert-rules/pair.ts";
import type { AlertRuleOptions } from "../../templates/alert-rules/rule.ts";
import { alertRuleGroups, renderAlertRules, renderRuleGroups } from "../../templates/alert-rules.ts";

const everything: AlertRuleOptions = {
  server: "a",
  redis: true,
  minio: true,
  backend: true,
  admin: true,
  backendMetrics: true,
  tls: true,
  healthCheckIntervalMinutes: 5,
  backup: { binaryLogMinutes: 5 },
  growth: { queries: true, monthlyTotals: { 1: 800, 2: 1350, 3: 3000 } },
};

interface RenderedRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

const rulesIn = (text: string): RenderedRule[] =>
  (parse(text).groups as { rules: RenderedRule[] }[])
    .flatMap((group) => group.rules)
    .filter((rule) => rule.alert !== undefined);
const rules = (options: AlertRuleOptions): RenderedRule[] => rulesIn(renderAlertRules(options));
const names = rules(everything).map((rule) => rule.alert);
const pairEverything: PairRuleOptions = { witness: true, virtualIp: true, redis: true, minio: true, backend: true };
const pairRules = (options: PairRuleOptions) => rulesIn(renderRuleGroups(pairRuleGroups(options), "test"));
const all = [...rules(everything), ...pairRules(pairEverything)];
const allNames = all.map((rule) => rule.alert);

/** Anchors as GitHub makes them of headings that are one word. */
function anchors(page: string): string[] {
  const text = readFileSync(join(repositoryRoot, page), "utf8");
  return [...text.matchAll(/^##+ (\w+)$/gm)].map((match) => (match[1] as string).toLowerCase());
}

describe("every alert", () => {
  test("has a severity, a service, a summary, a description with its value, and a runbook that exists in both languages", () => {
    expect(allNames.length).toBeGreaterThan(50);
    expect(new Set(allNames).size).toBe(allNames.length);
    const english = anchors("docs/runbooks/alerts.md");
    const chinese = anchors("docs/runbooks/alerts.zh-CN.md");
    for (const rule of all) {
      expect(rule.labels["severity"], rule.alert).toMatch(/^(critical|warning|info|none)$/);
      expect(rule.labels["service"], rule.alert).toBeTruthy();
      expect(rule.annotations["summary"], rule.alert).toBeTruthy();
      expect(rule.annotations["description"], rule.alert).toMatch(/\{\{ \$value( \| printf "%\.\df")? \}\}/);
      const [page, anchor] = (rule.annotations["runbook_url"] as string).split("#");
      expect(page).toBe("docs/runbooks/alerts.md");
      expect(english, rule.alert).toContain(anchor);
      expect(chinese, rule.alert).toContain(anchor);
    }
    // Both ways: a runbook of an alert that is gone sends people looking for it.
    expect([...english].sort()).toEqual(allNames.map((name) => name.toLowerCase()).sort());
    expect([...chinese].sort()).toEqual([...english].sort());
  });

  test("has a promtool test that it fires, and not before its time", () => {
    const folder = join(repositoryRoot, "test", "validators", "alert-tests");
    const tests = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
    const checks = tests.flatMap(
      (text) => parse(text).tests as { promql_expr_test?: { expr: string; exp_samples: { value: number }[] }[] }[],
    );
    const checked = (alert: string, state: string, value: number) =>
      checks.some((one) =>
        one.promql_expr_test?.some(
          (check) =>
            check.expr.includes(`alertname="${alert}",alertstate="${state}"`) && check.exp_samples[0]?.value === value,
        ),
      );
    for (const rule of all) {
      expect(checked(rule.alert, "firing", 1), rule.alert).toBe(true);
      if (rule.for !== "0s") expect(checked(rule.alert, "pending", 1), rule.alert).toBe(true);
    }
  });
});

test("the roadmap's five keep its names, durations, severities, thresholds and words", () => {
  const roadmap = [
    ["HighCPUUsage", "5m", "warning", "> 80", "CPU 使用率过高", "CPU 使用率超过 80%，当前值: {{ $value }}%"],
    ["HighMemoryUsage", "5m", "warning", "> 85", "内存使用率过高", "内存使用率超过 85%，当前值: {{ $value }}%"],
    ["DiskSpaceLow", "5m", "warning", "> 85", "磁盘空间不足", "磁盘使用率超过 85%，当前值: {{ $value }}%"],
    ["MySQLDown", "1m", "critical", 'mysql_up == 0 or up{job="mysql"} == 0', "MySQL 服务宕机", "MySQL 服务不可用"],
    ["RedisDown", "1m", "critical", 'redis_up == 0 or up{job="redis"} == 0', "Redis 服务宕机", "Redis 服务不可用"],
  ] as const;
  const found = rules(everything);
  for (const [name, duration, severity, expression, summary, description] of roadmap) {
    const rule = found.find((one) => one.alert === name);
    expect(rule?.for, name).toBe(duration);
    expect(rule?.labels["severity"], name).toBe(severity);
    expect(rule?.expr.endsWith(expression), name).toBe(true);
    expect(rule?.annotations["summary"], name).toBe(summary);
    expect(rule?.annotations["description"]?.startsWith(description), name).toBe(true);
  }
});

test("what the suite does not have has no alert: it would be silent for ever, or fire for ever", () => {
  const nothing = {
    ...{ redis: false, minio: false, backend: false, admin: false, backendMetrics: false, tls: false },
    ...{ backup: undefined, growth: undefined },
  };
  const left = rules({ ...everything, ...nothing }).map((rule) => rule.alert);
  const gone = names.filter((name) => !left.includes(name));
  expect(gone.sort()).toEqual([
    "AdminPageDown",
    "BackendDown",
    "BackendErrorRateHigh",
    "BackendLatencyHigh",
    "BackupFailed",
    "BackupMissing",
    "BackupNeverProven",
    "BackupRepositoryFailing",
    "BackupTooOld",
    "BackupUnproven",
    "BinaryLogBackupTooOld",
    "BinaryLogGap",
    "GrowthNotMeasured",
    "MinIODown",
    "MinIODriveOffline",
    "RecoveryTooSlow",
    "RedisDown",
    "RedisEvicting",
    "RedisMemoryHigh",
    "RedisRestartLoop",
    "RestoreTestFailed",
    "StageTwoIsDue",
    "TLSCertificateExpiring",
    "TLSEndpointFailing",
  ]);
  const groups = alertRuleGroups({ ...everything, ...nothing });
  expect(groups.every((group) => group.rules.length > 0)).toBe(true);
});

test("a health check is stale after three missed rounds, whatever the interval", () => {
  const stale = rules({ ...everything, healthCheckIntervalMinutes: 10 }).find(
    (one) => one.alert === "HealthCheckStale",
  );
  expect(stale?.expr).toContain("> 1800");
});

test("users and messages that nobody counts are no alert; load and outages still are", () => {
  const growth = { queries: false, monthlyTotals: { 1: 800, 2: 1350, 3: 3000 } };
  const left = rules({ ...everything, growth }).map((rule) => rule.alert);
  expect(left).toContain("StageTwoIsDue");
  expect(left).not.toContain("GrowthNotMeasured");
});

test("stage 2 is due by the roadmap's triggers, and the message has their values and the costs", () => {
  const rule = rules(everything).find((one) => one.alert === "StageTwoIsDue");
  for (const condition of [
    'trigger="registered_users"} > 100 ',
    'trigger="daily_active_users"} > 50 ',
    'trigger="messages_per_day"} > 10000 ',
    'trigger="cpu_percent"} > 70 ',
    'trigger="outages"} > 0)',
  ]) {
    expect(rule?.expr).toContain(condition);
  }
  expect(rule?.labels["severity"]).toBe("info");
  expect(rule?.annotations["description"]).toContain("阶段 1 800 元，阶段 2 1350 元，阶段 3 3000 元");
});

test("binary logs are too old after three missed rounds, whatever the interval, and never before half an hour", () => {
  const tooOld = (binaryLogMinutes: number) =>
    rules({ ...everything, backup: { binaryLogMinutes } }).find((one) => one.alert === "BinaryLogBackupTooOld")?.expr;
  expect(tooOld(5)).toMatch(/> 30$/);
  expect(tooOld(60)).toMatch(/> 180$/);
});

test("a pair without a witness, a virtual IP, Redis, MinIO and backend has no alerts of them", () => {
  const nothing = { witness: false, virtualIp: false, redis: false, minio: false, backend: false };
  const left = pairRules(nothing).map((rule) => rule.alert);
  const gone = pairRules(pairEverything).flatMap((rule) => (left.includes(rule.alert) ? [] : [rule.alert]));
  expect(gone.sort()).toEqual([
    "MinIOReplicationBehind",
    "PairImagesDiffer",
    "RedisReplicationBroken",
    "ReplicaBackendDown",
    "VirtualIpHolders",
    "VoterDown",
    "VotesAway",
  ]);
});
