import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { connectAsRoot, suiteFingerprint, suiteNames } from "../../lab/suite.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { backupsOf } from "../support/backup.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";

const logFile = cacheDirectory("lab", "traffic", "test-backup.jsonl");
const { start, restore, report, metric, log } = backupsOf("a");
let root: Awaited<ReturnType<typeof connectAsRoot>>;

beforeAll(async () => {
  // The traffic's log is added to: errors of an earlier run that broke off are not ours.
  rmSync(logFile, { force: true });
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
  root = await connectAsRoot(undefined, suiteNames.database);
  for (const table of ["kept", "kept_too"]) {
    await root.query(`DROP TABLE IF EXISTS ${table}`);
    await root.query(`CREATE TABLE ${table} (id INT PRIMARY KEY, word VARCHAR(20))`);
    await root.query(`INSERT INTO ${table} VALUES (1, '一'), (2, 'it''s')`);
  }
});

afterAll(async () => {
  await stopTraffic();
  await root.query("DROP TABLE IF EXISTS kept, kept_too");
  await root.end();
});

describe("a backup under traffic", () => {
  it("saves MySQL, Redis, objects and configuration, proves the dump, and loses no write of the suite", async () => {
    const before = await suiteFingerprint();
    await startTraffic({ clients: 10, rate: 50, logFile });
    const exitCode = await start("im-backup.service");
    await stopTraffic();
    expect(exitCode, await log()).toBe(0);
    const { proven, problems, parts, repositories } = await report();
    expect({ proven, problems }).toEqual({ proven: true, problems: [] });
    expect(Object.keys(parts).sort()).toEqual(["minio", "mysql", "redis"]);
    expect(repositories["local"]?.ok).toBe(1);
    expect(await verifyTraffic(logFile)).toMatchObject({ lost: 0, corrupted: 0, errors: 0 });
    expect(await suiteFingerprint()).toEqual(before);
    const age = Date.now() / 1000 - Number((await metric("im_backup_last_success_timestamp_seconds")).split(" ")[1]);
    expect(age).toBeLessThan(120);
  });

  it("is restored by the nightly test into containers without network, and every table is the same", async () => {
    expect(await start("im-restore-test.service"), await log()).toBe(0);
    expect(await log()).toMatch(
      /✅ Restore test: snapshot [0-9a-f]{8} is whole: \d+ tables, \d+ Redis keys, \d+ objects, \d+ binary logs without a gap/,
    );
    expect(await metric("im_restore_test_ok")).toBe("im_restore_test_ok 1");
    expect(await printed("a", "docker ps -aq --filter label=im-suite.throw-away")).toBe("");
  });

  it("holds the suite's own configuration, and not the key", async () => {
    const place = "/root/im-restored";
    await onServer("a", `rm -rf ${place}; /var/lib/im-suite/bin/im-restore restore --to ${place} --part configuration`);
    try {
      expect(await printed("a", `cmp ${place}/root/im-suite/.env /root/im-suite/.env && echo same`)).toBe("same");
      expect(await printed("a", `find ${place} -name backup-key`)).toBe("");
    } finally {
      await onServer("a", `rm -rf ${place}`);
    }
  });
});

describe("a run that was missed", () => {
  it("is made as soon as the timer is there again, as after a boot", async () => {
    const newest = "ls -t /var/lib/im-suite/backup/reports/2*.json | sed -n 1p";
    const before = await printed("a", newest);
    // When the timer last elapsed is the time of this file: systemd reads it when it starts the timer, at boot too.
    await onServer(
      "a",
      "systemctl stop im-backup.timer; touch -d '2 days ago' /var/lib/systemd/timers/stamp-im-backup.timer; systemctl start im-backup.timer",
    );
    await eventually(300, async () => {
      expect(await printed("a", newest)).not.toBe(before);
      expect(await printed("a", "systemctl is-active im-backup.service || true")).toBe("inactive");
    });
    const { proven, problems } = await report();
    expect({ proven, problems }).toEqual({ proven: true, problems: [] });
  });
});

describe("im-restore in place", () => {
  const messages = async () =>
    Number(
      ((await root.query("SELECT COUNT(*) AS rows_of_it FROM messages"))[0] as { rows_of_it: number }[])[0]?.rows_of_it,
    );

  const both = [
    { id: 1, word: "一" },
    { id: 2, word: "it's" },
  ];
  const kept = async (table: string) => (await root.query(`SELECT id, word FROM ${table} ORDER BY id`))[0];

  it("a table that was dropped by mistake comes back alone, with every row of the backup", async () => {
    await root.query("DROP TABLE kept");
    const { exitCode, stdout, stderr } = await restore(
      `restore --in-place --part mysql --table ${suiteNames.database}.kept --yes`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    expect(await kept("kept")).toEqual(both);
  });

  it("two tables at once", async () => {
    await root.query("DELETE FROM kept");
    await root.query("DROP TABLE kept_too");
    const tables = ["kept", "kept_too"].map((table) => `--table ${suiteNames.database}.${table}`).join(" ");
    const { exitCode, stdout, stderr } = await restore(`restore --in-place --part mysql ${tables} --yes`);
    expect(exitCode, stdout + stderr).toBe(0);
    expect(await kept("kept")).toEqual(both);
    expect(await kept("kept_too")).toEqual(both);
  });

  it("all of MySQL: refuses while the application is connected, and does it when it is not", async () => {
    await root.end();
    const refused = await restore("restore --in-place --part mysql --yes");
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stdout).toContain(`MySQL serves ${suiteNames.user}. Stop the application first`);
    await onServer("a", "docker stop im-backend-prod", { timeoutSeconds: 60 });
    try {
      const { exitCode, stdout, stderr } = await restore("restore --in-place --part mysql --yes");
      expect(exitCode, stdout + stderr).toBe(0);
    } finally {
      await onServer("a", "docker start im-backend-prod");
      root = await connectAsRoot(undefined, suiteNames.database);
    }
    expect(await messages()).toBeGreaterThan(100_000);
    await eventually(60, async () => {
      await onServer("a", "curl -fsS --max-time 5 http://127.0.0.1:8080/health");
    });
  });

  it("Redis and objects, without a restart", async () => {
    const before = (await suiteFingerprint())["im-redis-prod"];
    for (const part of ["redis", "minio"]) {
      const { exitCode, stdout, stderr } = await restore(`restore --in-place --part ${part} --yes`);
      expect(exitCode, stdout + stderr).toBe(0);
      expect(stdout).toContain(`${part} is back as of`);
    }
    expect((await suiteFingerprint())["im-redis-prod"]).toEqual(before);
    expect(
      await printed("a", "systemctl start im-health-check.service && tail -n 12 /var/log/health-check.log"),
    ).toContain("✅ Redis: 正常");
  });
});
