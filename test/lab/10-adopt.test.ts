import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer, rebootServer } from "../../lab/servers.ts";
import { suiteCredentials, suiteFingerprint } from "../../lab/suite.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import { eventually, printed, pulumiOk, serverStateScript, settleKilledPulumi, tail } from "../support/lab.ts";

const up = ["up", "--yes", "--skip-preview", "-s", adoptStack];
const destroy = ["destroy", "--yes", "--skip-preview", "-s", adoptStack];
const logFile = cacheDirectory("lab", "traffic", "test-adopt.jsonl");
/** Of every process on this machine and on the servers, while stage 1 came up. */
let commandLines: ReadonlySet<string> = new Set();
let before: { fingerprint: unknown; server: string; accounts: string };

/**
 * MySQL's accounts with their privileges and its global variables, as root sees them through the suite's own container. GTID sets
 * grow with the traffic.
 */
async function mysqlAccounts(): Promise<string> {
  const password = suiteCredentials().mysqlRootPassword;
  const result = await onServer(
    "a",
    `IFS= read -r MYSQL_PWD; export MYSQL_PWD
sql() { docker exec -i -e MYSQL_PWD im-mysql-prod mysql -uroot -N -B; }
sql <<<"SELECT CONCAT('SHOW GRANTS FOR ', QUOTE(user), '@', QUOTE(host), ';') FROM mysql.user ORDER BY user, host" | sql
sql <<<"SELECT * FROM performance_schema.global_variables WHERE variable_name NOT LIKE 'gtid%' ORDER BY 1"`,
    { input: `${password}\n` },
  );
  return result.stdout;
}

beforeAll(async () => {
  // A lab that an earlier run left with stage 1 in place starts over: the baseline must be the untouched server.
  await pulumiOk(destroy);
  before = {
    fingerprint: await suiteFingerprint(),
    server: await printed("a", serverStateScript),
    accounts: await mysqlAccounts(),
  };
  rmSync(logFile, { force: true });
  await startTraffic({ clients: 10, rate: 50, logFile });
});

afterAll(async () => {
  await stopTraffic();
});

describe("stage 1 on an adopted suite, under traffic", () => {
  it("shows only additions in the preview", async () => {
    const result = await pulumiOk(["preview", "-s", adoptStack, "--json"]);
    const steps = JSON.parse(result.stdout).steps as { op: string }[];
    expect(new Set(steps.map((step) => step.op))).toEqual(new Set(["create"]));
  });

  it("comes up, although an earlier run of it was killed at several points", async () => {
    const watch = watchCommandLines();
    // Half-done is what a closed laptop leaves. A killed Pulumi may leave its own lock, and half a state file.
    for (const seconds of [2, 3, 4]) {
      const killed = await labPulumi(up, { timeoutSeconds: seconds });
      expect(killed.exitCode, `ended before it could be killed after ${seconds} s`).not.toBe(0);
      await settleKilledPulumi(adoptStack);
    }
    await pulumiOk(up);
    commandLines = watch.stop();
  });

  it("has no changes in a second up, nor after a refresh", async () => {
    await pulumiOk([...up, "--expect-no-changes"]);
    await pulumiOk([...up, "--refresh", "--expect-no-changes"]);
  });

  it("touched none of the suite's containers", async () => {
    expect(await suiteFingerprint()).toEqual(before.fingerprint);
  });

  it("serves metrics of the server, MySQL, Redis and HTTP on the loopback only", async () => {
    const metric = async (port: number, pattern: string) =>
      printed("a", `curl -fsS --max-time 10 http://127.0.0.1:${port}/metrics | grep -E '${pattern}'`);
    await eventually(30, async () => expect(await metric(9104, "^mysql_up ")).toBe("mysql_up 1"));
    expect(await metric(9121, "^redis_up ")).toBe("redis_up 1");
    expect(await metric(9100, "^node_memory_MemAvailable_bytes ")).not.toBe("");
    const probe =
      "curl -fsS 'http://127.0.0.1:9115/probe?module=http_ok&target=http://127.0.0.1:8080/health' | grep '^probe_success '";
    expect(await printed("a", probe)).toBe("probe_success 1");
    for (const port of [9100, 9104, 9115, 9121]) {
      expect(
        await printed("a", `curl -s --max-time 3 -o /dev/null -w '%{http_code}' http://198.18.0.11:${port}/ || true`),
        String(port),
      ).toBe("000");
    }
  });

  it("checks the suite's health with real questions", async () => {
    await onServer("a", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    const log = await printed("a", "tail -n 12 /var/log/health-check.log");
    for (const line of [
      "✅ MySQL: 正常",
      "✅ Redis: 正常",
      "✅ MinIO: 正常",
      "✅ 后端 API: 正常",
      "✅ 管理后台: 正常",
      "✅ 磁盘空间 /: 正常",
    ]) {
      expect(log).toContain(line);
    }
    // node_exporter reads the file that the check wrote.
    const metrics = await printed("a", "curl -fsS http://127.0.0.1:9100/metrics | grep '^im_health_check_ok'");
    expect(metrics).toContain('im_health_check_ok{check="mysql"} 1');
    expect(metrics).not.toMatch(/} 0$/m);
    expect(await printed("a", "systemctl is-active im-health-check.timer")).toBe("active");
  });

  it("keeps every acknowledged write and makes no error", async () => {
    await stopTraffic();
    const verdict = await verifyTraffic(logFile);
    expect(verdict.acknowledged).toBeGreaterThan(500);
    expect(verdict).toMatchObject({ lost: 0, corrupted: 0, errors: 0 });
  });
});

describe("a service that runs but does not answer", () => {
  it("is unhealthy: exit code, log line and metric", async () => {
    // `docker ps | grep` would still find it.
    await onServer("a", "docker pause im-redis-prod");
    try {
      const result = await onServer("a", "systemctl start im-health-check.service", {
        timeoutSeconds: 150,
        allowFailure: true,
      });
      expect(result.exitCode).not.toBe(0);
      expect(await printed("a", "tail -n 12 /var/log/health-check.log")).toContain("❌ Redis: 异常");
      expect(await printed("a", "cat /var/lib/im-suite/metrics/health-check.prom")).toContain(
        'im_health_check_ok{check="redis"} 0',
      );
    } finally {
      await onServer("a", "docker unpause im-redis-prod");
    }
    await eventually(30, async () => {
      await onServer("a", "systemctl start im-health-check.service", { timeoutSeconds: 150 });
    });
  });
});

describe("secrets", () => {
  it("are in no state, log, process list, label or file but their own", async () => {
    const outputs = JSON.parse(
      (await pulumiOk(["stack", "output", "credentials", "--show-secrets", "--json", "-s", adoptStack])).stdout,
    );
    const secrets = leaves(outputs).filter((value) => value.length >= 12);
    expect(secrets.length).toBeGreaterThanOrEqual(5);
    const state = (await pulumiOk(["stack", "export", "-s", adoptStack])).stdout;
    for (const secret of secrets) {
      // Never print the secret itself in a failure.
      expect(
        state.includes(secret) || state.includes(JSON.stringify(secret).slice(1, -1)),
        "a secret is in the state in clear",
      ).toBe(false);
    }
    // The watch saw our own work at all: ssh's command on the server is one of its lines.
    expect([...commandLines].some((line) => line.includes("timeout --kill-after=10"))).toBe(true);
    const ours = [...commandLines, ...logs()];
    expect(
      secrets.some((secret) => ours.some((text) => text.includes(secret))),
      "a secret was in a process list or a log",
    ).toBe(false);
    // On the server: the secrets travel on stdin; what is searched, and where it may be, is ours to say.
    const found = await onServer(
      "a",
      `secrets=$(mktemp -p /run); trap 'rm -f "$secrets"' EXIT; cat >"$secrets"
echo processes; ps -eo args | grep -F -f "$secrets" || true
echo labels; docker ps -aq --filter label=im-suite.stage | xargs -r docker inspect | grep -c -F -f "$secrets" || true
echo journal; journalctl --no-pager -q | grep -c -F -f "$secrets" || true
echo files; grep -rlF -f "$secrets" /etc /var/log /var/lib/im-suite /root /tmp --exclude-dir=im-suite-data 2>/dev/null || true`,
      { input: `${secrets.join("\n")}\n`, timeoutSeconds: 120 },
    );
    const sections = found.stdout.trim().split("\n");
    const files = sections.slice(sections.indexOf("files") + 1);
    const allowed =
      /^\/etc\/im-suite\/(credentials|mysqld-exporter|redis-exporter)\/|^\/root\/im-suite\/|^\/var\/lib\/im-suite\/secrets\/backup-key$/;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    expect(sections.slice(0, sections.indexOf("files"))).toEqual(["processes", "labels", "0", "journal", "0"]);
    for (const file of files.filter((name) => name.startsWith("/etc/im-suite/"))) {
      expect(await printed("a", `stat -c %a ${file}`), file).toMatch(/^[46]00$/);
    }
  });
});

describe("after a reboot of the server", () => {
  it("everything is back and a preview with refresh has no changes", async () => {
    await rebootServer("a");
    await eventually(120, async () => {
      await onServer("a", "systemctl start im-health-check.service", { timeoutSeconds: 100 });
    });
    await pulumiOk(["preview", "--refresh", "--expect-no-changes", "-s", adoptStack]);
  });
});

describe("destroy", () => {
  it("puts the server back as it was: files, units, containers, MySQL accounts", async () => {
    const result = await labPulumi(destroy);
    expect(result.exitCode, tail(result, 30)).toBe(0);
    expect((await printed("a", serverStateScript)).split("\n")).toEqual(before.server.split("\n"));
    expect(await mysqlAccounts()).toBe(before.accounts);
  });

  it("and the next up brings stage 1 again", async () => {
    const result = await pulumiOk(up);
    expect(result.stdout).toMatch(/created/);
  });
});

/** The logs that the set-up, Pulumi and the lab write on this machine. */
function logs(): string[] {
  const folder = cacheDirectory("logs");
  const files = existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}`) : [];
  return [...files, cacheDirectory("lab", "lab.log")]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "utf8"));
}

function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(leaves);
}
