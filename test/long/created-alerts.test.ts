import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { onServer } from "../../lab/servers.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { run } from "../../lib/process.ts";
import {
  type AlertFault,
  type AlertReceivers,
  configureReceivers,
  openReceivers,
  tellAndResolve,
} from "../support/alert-receivers.ts";
import { type CreateStack, clearServer, configureCreateStack, forgetCreateState } from "../support/create-stack.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";
import { message } from "../support/message-sinks.ts";

const onB: CreateStack = { stack: "alerts-on-b", server: "b" };
const up = ["up", "--yes", "--skip-preview", "-s", onB.stack];
let receivers: AlertReceivers;

beforeAll(async () => {
  forgetCreateState(onB);
  await clearServer(onB.server);
  await configureCreateStack(onB);
  receivers = await openReceivers();
  await configureReceivers(onB.stack, receivers);
  await pulumiOk(up);
});

afterAll(async () => {
  await receivers?.close();
  await clearServer(onB.server);
  forgetCreateState(onB);
});

const prometheus = async (path: string) =>
  JSON.parse(await printed("b", `curl --silent --fail --globoff --max-time 10 'http://127.0.0.1:9090/api/v1/${path}'`));

describe("alerts of a created suite", () => {
  it("has every target up and every rule healthy", async () => {
    await eventually(90, async () => {
      const targets = (await prometheus("targets")).data.activeTargets;
      expect(targets.length).toBeGreaterThan(8);
      for (const one of targets) expect(one.health, `${one.labels.job}: ${one.lastError}`).toBe("up");
    });
    await eventually(90, async () => {
      const rules = (await prometheus("rules")).data.groups.flatMap(
        (group: { rules: { name: string; health: string; lastError?: string }[] }) => group.rules,
      );
      expect(rules.length).toBeGreaterThan(30);
      for (const rule of rules) expect(rule.health, `${rule.name}: ${rule.lastError}`).toBe("ok");
    });
  });

  const container = (name: string, alert: string, summary: string, description: string): AlertFault => ({
    alert,
    summary,
    description,
    breakIt: () => onServer("b", `docker stop ${name}`, { timeoutSeconds: 120 }),
    mendIt: () => onServer("b", `docker start ${name}`, { timeoutSeconds: 60 }),
  });

  it.each([
    container("im-mysql", "MySQLDown", "MySQL 服务宕机", "MySQL 服务不可用"),
    container("im-redis", "RedisDown", "Redis 服务宕机", "Redis 服务不可用"),
  ])("tells $alert to webhook, robot and mail within 1 m + 40 s, and its end", async (fault) => {
    const times = await tellAndResolve(receivers, fault);
    console.log(`${fault.alert}: ${JSON.stringify(times)}`);
    for (const seconds of times.delivered) {
      expect(seconds).toBeGreaterThanOrEqual(60);
      expect(seconds).toBeLessThanOrEqual(100);
    }
  });

  it("tells of a host that does not answer, and holds back what runs on it", async () => {
    const { hooks } = receivers;
    const exporters = "im-node-exporter im-mysqld-exporter im-redis-exporter";
    // What the faults before left must be over.
    await sleep(40_000);
    const before = hooks.messages.length;
    await onServer("b", `docker stop --time 1 ${exporters}`);
    const stopped = Date.now();
    try {
      const told = await message(hooks, "/ops", "服务器失联", 120, before);
      console.log(`HostDown: delivered after ${((told.at - stopped) / 1000).toFixed(1)} s`);
      await sleep(stopped + 130_000 - Date.now());
      // Prometheus says that both databases are down, and Alertmanager that it keeps that to itself.
      const firing = await printed(
        "b",
        "curl --silent --fail 'http://127.0.0.1:9093/api/v2/alerts?active=false&silenced=false&inhibited=true'",
      );
      const inhibited = (JSON.parse(firing) as { labels: { alertname: string } }[]).map((one) => one.labels.alertname);
      expect(inhibited).toEqual(expect.arrayContaining(["MySQLDown", "RedisDown"]));
    } finally {
      await onServer("b", `docker start ${exporters}`);
    }
    await message(hooks, "/ops", '"status":"resolved","labels":{"alertname":"HostDown"', 180, before);
    const sent = hooks.messages.slice(before).filter((one) => one.path === "/ops");
    const alerts = sent.flatMap((one) => JSON.parse(one.text).alerts as { labels: { alertname: string } }[]);
    // A busy machine may have other news of its own.
    const told = new Set(alerts.map((one) => one.labels.alertname));
    expect(told).toContain("HostDown");
    for (const held of ["MySQLDown", "RedisDown", "TargetMissing"]) expect(told).not.toContain(held);
  });
});

describe("when to move on", () => {
  const moveOn = async () => {
    const result = await run(process.execPath, ["commands/move-on.ts", "-s", onB.stack, "--lab", "--json"], {
      cwd: repositoryRoot,
    });
    expect(result.exitCode, result.stderr).toBe(0);
    return JSON.parse(result.stdout) as {
      stage2IsDue: boolean;
      triggers: { trigger: string; measured?: number; notMeasured?: string; due: boolean }[];
    };
  };
  const trigger = async (name: string) => (await moveOn()).triggers.find((one) => one.trigger === name);
  it("counts users and messages by an account that can read two tables and write nothing", async () => {
    const statement =
      "SHOW GRANTS; SELECT COUNT(*) FROM im_suite.messages; SELECT 1 FROM im_suite.attachments LIMIT 1;";
    const said = await asGrowth(statement);
    expect(said.split("\n").filter((line) => line.startsWith("GRANT"))).toEqual([
      "GRANT USAGE ON *.* TO `im_growth`@`localhost`",
      "GRANT SELECT ON `im_suite`.`messages` TO `im_growth`@`localhost`",
      "GRANT SELECT ON `im_suite`.`users` TO `im_growth`@`localhost`",
    ]);
    expect(said).toMatch(/ERROR 1142 .*SELECT command denied .*'attachments'/);
    expect(await asGrowth("INSERT INTO im_suite.users (name) VALUES ('x');")).toMatch(/ERROR 1142/);
  });

  it("says that stage 2 is due once there are 101 users: command, output and message", async () => {
    expect(await trigger("registered_users")).toMatchObject({ measured: 0, due: false });
    await asRoot(
      "INSERT INTO im_suite.users (name, display_name) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 101) SELECT CONCAT('growth-', i), 'x' FROM n;",
    );
    await onServer("b", "systemctl start im-growth.service");
    // One scrape, one round of the rules.
    await eventually(120, async () => {
      expect(await trigger("registered_users")).toMatchObject({ measured: 101, due: true });
    });
    expect((await moveOn()).stage2IsDue).toBe(true);
    const pending = (await prometheus("alerts")).data.alerts;
    const due = pending.find((one: { labels: { alertname: string } }) => one.labels.alertname === "StageTwoIsDue");
    expect(due.annotations.description).toContain("注册用户 101（> 100）");

    // The outputs say it after the next up, and an up for nothing but that is no change.
    await pulumiOk([...up, "--expect-no-changes"]);
    const outputs = JSON.parse((await pulumiOk(["stack", "output", "--json", "-s", onB.stack])).stdout);
    expect(outputs.moveOn.stage2IsDue).toBe(true);
    expect(outputs.moveOn.because.join("\n")).toContain("registered users (注册用户): 101, above 100");
    expect(outputs.nextSteps[0]).toMatch(/^Stage 2 is due /);
  });

  it("counts an outage that the health check sees", async () => {
    const suiteOk = async (value: string) =>
      await eventually(150, async () => {
        const [one] = (await prometheus("query?query=im_growth_suite_ok")).data.result;
        expect(one?.value[1]).toBe(value);
      });
    await onServer("b", "systemctl start im-health-check");
    await suiteOk("1");
    await onServer("b", "docker stop --time 2 im-redis; systemctl start im-health-check || true");
    try {
      await suiteOk("0");
    } finally {
      await onServer("b", "docker start im-redis; sleep 3; systemctl start im-health-check");
    }
    await eventually(90, async () => expect(await trigger("outages")).toMatchObject({ due: true }));
  });

  it("says what is missing when a table is, and fails nothing", async () => {
    const set = ["config", "set", "--path", "im:growth.queries.registeredUsers", "-s", onB.stack];
    await labPulumi(set, { input: "SELECT COUNT(*) FROM members" });
    await labPulumi(["config", "set", "--path", "im:growth.tables[0]", "-s", onB.stack], { input: "members" });
    await labPulumi(["config", "set", "--path", "im:growth.tables[1]", "-s", onB.stack], { input: "messages" });
    await labPulumi(["config", "set", "--path", "im:growth.queries.messagesPerDay", "-s", onB.stack], {
      input: `SELECT COUNT(*) FROM messages WHERE body <> '$(id) \`id\` "x" \\\\ 用户'`,
    });
    await pulumiOk(up);
    const journal = await printed(
      "b",
      "journalctl -u im-growth -n 8 --no-pager; systemctl is-failed im-growth || true",
    );
    expect(journal).toMatch(/registeredUsers: not measured: .*members' doesn't exist/);
    expect(journal).toMatch(/inactive$/);
    expect(await printed("b", "cat /var/lib/im-suite/metrics/growth.prom")).toContain(
      'im_growth_query_ok{query="registeredUsers"} 0',
    );
    expect((await trigger("messages_per_day"))?.measured).toBe(0);
  });
});

/** SQL with the growth account's own credentials; errors are part of what it prints. */
async function asGrowth(statement: string): Promise<string> {
  return await withCredentials("growth-mysql.cnf", statement);
}

async function asRoot(statement: string): Promise<string> {
  return await withCredentials("mysql-root.cnf", statement);
}

async function withCredentials(file: string, statement: string): Promise<string> {
  const client = `docker exec -i im-mysql sh -c 'umask 077; f=$(mktemp /dev/shm/test.XXXXXX); while IFS= read -r l; do [ "$l" = "#" ] && break; echo "$l"; done >"$f"; mysql --defaults-extra-file="$f" --force --skip-column-names 2>&1; rm "$f"'`;
  const text = `{ cat /etc/im-suite/credentials/${file}; echo '#'; cat; } | ${client} || true`;
  return (await onServer("b", text, { input: `${statement}\n` })).stdout.trim();
}
