import { afterAll, beforeAll, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import {
  type AlertReceivers,
  configureReceivers,
  forgetReceivers,
  openReceivers,
  tellAndResolve,
} from "../support/alert-receivers.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";

// The suite is the operator's: nothing of ours may stop its containers. The fault is a pause, which it survives unchanged.
const up = ["up", "--yes", "--skip-preview", "-s", adoptStack];
let receivers: AlertReceivers;

beforeAll(async () => {
  receivers = await openReceivers();
  await configureReceivers(adoptStack, receivers);
  await pulumiOk(up);
});

afterAll(async () => {
  await onServer("a", "docker unpause im-mysql-prod im-redis-prod 2>/dev/null || true");
  await forgetReceivers(adoptStack);
  await pulumiOk(up);
  await receivers?.close();
  // The last secret is gone. The container still mounts the folder, and could not be made anew without it.
  expect(await printed("a", "stat --format %F /etc/im-suite/alertmanager-secrets")).toBe("directory");
});

const prometheus = async (path: string) =>
  JSON.parse(await printed("a", `curl --silent --fail --max-time 10 http://127.0.0.1:9091/api/v1/${path}`));

it("every target answers, and every rule is healthy, in the Prometheus beside the suite's own", async () => {
  await eventually(90, async () => {
    const targets = (await prometheus("targets")).data.activeTargets as {
      health: string;
      labels: { job: string };
      lastError: string;
    }[];
    const jobs = targets.map((one) => one.labels.job);
    for (const job of ["alertmanager", "backend", "blackbox", "minio", "mysql", "node", "prometheus", "redis"]) {
      expect(jobs).toContain(job);
    }
    for (const job of ["probe-admin", "probe-backend", "probe-minio"]) expect(jobs).toContain(job);
    for (const one of targets) expect(one.health, `${one.labels.job}: ${one.lastError}`).toBe("up");
  });
  await eventually(90, async () => {
    const groups = (await prometheus("rules")).data.groups as {
      rules: { name: string; health: string; lastError?: string }[];
    }[];
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(30);
    for (const rule of rules) expect(rule.health, `${rule.name}: ${rule.lastError}`).toBe("ok");
  });
});

it.each([
  { service: "mysql", alert: "MySQLDown", summary: "MySQL 服务宕机", description: "MySQL 服务不可用" },
  { service: "redis", alert: "RedisDown", summary: "Redis 服务宕机", description: "Redis 服务不可用" },
])("a paused $service is told by mail, webhook and robot within 1 m + 40 s, and its return too", async (fault) => {
  const container = `im-${fault.service}-prod`;
  const started = await printed("a", `docker inspect -f '{{.Id}} {{.State.StartedAt}} {{.State.Pid}}' ${container}`);
  const times = await tellAndResolve(receivers, {
    ...fault,
    breakIt: () => onServer("a", `docker pause ${container}`),
    mendIt: () => onServer("a", `docker unpause ${container}`),
  });
  console.log(`${fault.alert}: ${JSON.stringify(times)}`);
  for (const seconds of times.delivered) {
    expect(seconds).toBeGreaterThanOrEqual(60);
    expect(seconds).toBeLessThanOrEqual(100);
  }
  expect(await printed("a", `docker inspect -f '{{.Id}} {{.State.StartedAt}} {{.State.Pid}}' ${container}`)).toBe(
    started,
  );
});
