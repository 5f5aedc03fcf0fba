import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { connectAsRoot, suiteFingerprint, suiteNames } from "../../lab/suite.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { printed, pulumiOk } from "../support/lab.ts";

const logFile = cacheDirectory("lab", "traffic", "test-backup.jsonl");
const directory = "/var/lib/im-suite/backup";
const key = "/var/lib/im-suite/secrets/backup-key";

interface Report {
  readonly proven: boolean;
  readonly problems: readonly string[];
  readonly parts: Readonly<Record<string, number>>;
  readonly repositories: Readonly<Record<string, { readonly ok: number; readonly snapshot: string }>>;
}

/** Runs one of the units to its end. */
async function start(unit: string): Promise<number> {
  const options = { timeoutSeconds: 800, allowFailure: true };
  return (await onServer("a", `systemctl start ${unit}`, options)).exitCode;
}

/** The newest report of a backup. */
async function report(): Promise<Report> {
  return JSON.parse(await printed("a", `ls -t ${directory}/reports/2*.json | head -n 1 | xargs cat`));
}

const metric = (name: string) => printed("a", `curl -fsS http://127.0.0.1:9100/metrics | grep '^${name} '`);
const log = () => printed("a", "tail -n 15 /var/log/im-backup.log");

beforeAll(async () => {
  // The traffic's log is added to: errors of an earlier run that broke off are not ours.
  rmSync(logFile, { force: true });
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
});

afterAll(async () => {
  await stopTraffic();
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
      /✅ Restore test: snapshot [0-9a-f]{8} is whole: \d+ tables, \d+ Redis keys, \d+ objects/,
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

describe("a table that was dropped by mistake", () => {
  it("comes back alone, with every row of the backup", async () => {
    const root = await connectAsRoot(undefined, suiteNames.database);
    try {
      await root.query("CREATE TABLE kept (id INT PRIMARY KEY, word VARCHAR(20))");
      await root.query("INSERT INTO kept VALUES (1, '一'), (2, 'it''s')");
      expect(await start("im-backup.service"), await log()).toBe(0);
      await root.query("DROP TABLE kept");
      const command = `/var/lib/im-suite/bin/im-restore restore --in-place --part mysql --table ${suiteNames.database}.kept --yes`;
      await onServer("a", command, { timeoutSeconds: 600 });
      const [rows] = await root.query("SELECT id, word FROM kept ORDER BY id");
      expect(rows).toEqual([
        { id: 1, word: "一" },
        { id: 2, word: "it's" },
      ]);
    } finally {
      await root.query("DROP TABLE IF EXISTS kept");
      await root.end();
    }
  });
});

describe("what can go wrong", () => {
  it("a wrong key: backup and test fail, say so, and the last success stays", async () => {
    const before = await printed("a", `cat ${directory}/last-success`);
    await onServer("a", `cp -p ${key} /root/kept-key; chmod 0600 ${key}; echo wrong >${key}`);
    try {
      expect(await start("im-backup.service")).not.toBe(0);
      expect(await log()).toContain("wrong password or no key found");
      expect(await start("im-restore-test.service")).not.toBe(0);
      expect(await metric("im_restore_test_ok")).toBe("im_restore_test_ok 0");
      expect(await printed("a", `cat ${directory}/last-success`)).toBe(before);
    } finally {
      await onServer("a", `rm -f ${key}; mv /root/kept-key ${key}`);
    }
  });

  it("MySQL does not answer: the rest is saved as partial, and the run fails", async () => {
    await onServer("a", "docker pause im-mysql-prod");
    // `docker exec` into a paused container is refused at once.
    try {
      expect(await start("im-backup.service")).not.toBe(0);
      const { problems, repositories } = await report();
      expect(problems.join()).toContain("mysql: ");
      expect(repositories["local"]?.ok).toBe(1);
    } finally {
      await onServer("a", "docker unpause im-mysql-prod");
    }
  });

  it("killed half-way: the next run takes the leftovers away and is complete", async () => {
    await onServer(
      "a",
      "systemctl start --no-block im-backup.service; sleep 4; systemctl kill --signal=KILL im-backup.service; sleep 1",
    );
    expect(await start("im-backup.service"), await log()).toBe(0);
    expect((await report()).problems).toEqual([]);
    expect(await start("im-restore-test.service"), await log()).toBe(0);
  });

  it("a pack that rots is found by the test", async () => {
    const pack = await printed("a", `ls -S ${directory}/repository/data/*/* | head -n 1`);
    await onServer(
      "a",
      `cp -p ${pack} /root/kept-pack; chmod 0600 ${pack}; printf XXXX | dd of=${pack} bs=1 seek=500 conv=notrunc`,
    );
    try {
      expect(await start("im-restore-test.service")).not.toBe(0);
      expect(await log()).toMatch(/could not be restored|is damaged/);
    } finally {
      await onServer("a", `rm -f ${pack}; mv /root/kept-pack ${pack}`);
    }
    expect(await start("im-restore-test.service"), await log()).toBe(0);
  });
});
