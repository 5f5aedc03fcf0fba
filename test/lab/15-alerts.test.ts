import { afterAll, beforeAll, expect, it } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { labNetwork } from "../../lab/addresses.ts";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";
import { message, type Sink, smtpSink, webhookSink } from "../support/message-sinks.ts";

// The receivers are on this machine, at the address by which the lab's servers see it.
const here = labNetwork.gateway;
let hooks: Sink;
let mails: Sink;

async function set(path: string, value: string, ...options: string[]): Promise<void> {
  const args = ["config", "set", ...options, "--path", path, "-s", adoptStack];
  const result = await labPulumi(args, { input: value });
  expect(result.exitCode, `${path}: ${result.stderr}`).toBe(0);
}

beforeAll(async () => {
  hooks = await webhookSink(here);
  mails = await smtpSink(here);
  await set("im:alerts.mail.smarthost", `${here}:${mails.port}`);
  await set("im:alerts.mail.from", "im-suite@example.com");
  await set("im:alerts.mail.to[0]", "ops@example.com");
  await set("im:alerts.mail.requireTls", "false");
  await set("im:alertCredentials.webhooks.ops", `http://${here}:${hooks.port}/ops`, "--secret");
  await set("im:alertCredentials.feishuRobotUrl", `http://${here}:${hooks.port}/feishu`, "--secret");
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
});

afterAll(async () => {
  await onServer("a", "docker unpause im-mysql-prod 2>/dev/null || true");
  for (const key of ["im:alerts", "im:alertCredentials"]) await labPulumi(["config", "rm", key, "-s", adoptStack]);
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
  await hooks.close();
  await mails.close();
});

it("every target answers, and every rule is healthy, in the Prometheus beside the suite's own", async () => {
  await eventually(60, async () => {
    const targets = JSON.parse(await printed("a", "curl -sf http://127.0.0.1:9091/api/v1/targets"));
    const all = targets.data.activeTargets as { health: string; labels: { job: string }; lastError: string }[];
    expect(all.map((one) => one.labels.job).sort()).toEqual([
      ...["alertmanager", "backend", "blackbox", "minio", "mysql", "node"],
      ...["probe-admin", "probe-backend", "probe-minio", "prometheus", "redis"],
    ]);
    for (const one of all) expect(one.health, `${one.labels.job}: ${one.lastError}`).toBe("up");
  });
  await eventually(60, async () => {
    const rules = JSON.parse(await printed("a", "curl -sf http://127.0.0.1:9091/api/v1/rules"));
    const all = (rules.data.groups as { rules: { name: string; health: string; lastError?: string }[] }[]).flatMap(
      (group) => group.rules,
    );
    expect(all).toHaveLength(26);
    for (const rule of all) expect(rule.health, `${rule.name}: ${rule.lastError}`).toBe("ok");
  });
});

it("a paused MySQL is told by mail, webhook and robot within 1 m + 40 s, and its return too", async () => {
  await onServer("a", "docker pause im-mysql-prod");
  const fault = Date.now();
  const down = await Promise.all([
    message(hooks, "/ops", "MySQL 服务宕机", 110),
    message(hooks, "/feishu", "MySQL 服务宕机", 110),
    message(mails, "", "MySQL 服务不可用", 110),
  ]);
  await onServer("a", "docker unpause im-mysql-prod");
  const healed = Date.now();
  const delays = down.map((one) => (one.at - fault) / 1000);
  const over = await Promise.all([
    message(hooks, "/ops", '"status":"resolved"', 120),
    message(hooks, "/feishu", "已恢复", 120),
    message(mails, "", "[告警恢复]", 120),
  ]);
  const resolved = over.map((one) => (one.at - healed) / 1000);
  console.log(`delivered after ${delays.join(", ")} s; resolved after ${resolved.join(", ")} s`);
  for (const delay of delays) {
    expect(delay).toBeGreaterThanOrEqual(60);
    expect(delay).toBeLessThanOrEqual(100);
  }
});
