import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptStack, writeAdoptConfiguration } from "../../lab/ensure-lab.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { connectAsRoot, suiteNames } from "../../lab/suite.ts";
import { backupFolder, backupsOf } from "../support/backup.ts";
import { printed, pulumiOk } from "../support/lab.ts";

const { start, restore, metric, log } = backupsOf("a");
const database = suiteNames.database;
const target = "/root/point-in-time";
let root: Awaited<ReturnType<typeof connectAsRoot>>;
/** Between the second and the third row. */
let beforeThird: string;
let dropped: string;

const now = async () =>
  String(
    ((await root.query("SELECT CONCAT(UTC_TIMESTAMP(6), ' +0000') AS moment"))[0] as { moment: string }[])[0]?.moment,
  );

const rows = async () => (await root.query(`SELECT id, word FROM ${database}.kept ORDER BY id`))[0];

const gtidModes = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];

/** MySQL changes it online, by one step at a time. */
async function gtidMode(wanted: string): Promise<void> {
  await root.query("SET GLOBAL enforce_gtid_consistency = ON");
  const [answer] = await root.query("SELECT @@gtid_mode AS mode");
  const goal = gtidModes.indexOf(wanted);
  for (let at = gtidModes.indexOf(String((answer as { mode: string }[])[0]?.mode)); at !== goal; ) {
    at += Math.sign(goal - at);
    await root.query(`SET GLOBAL gtid_mode = ${gtidModes[at]}`);
  }
}

/** Runs a statement and tells the GTID that it got. */
async function gtidOf(statement: string): Promise<string> {
  const executed = async () =>
    ((await root.query("SELECT @@GLOBAL.gtid_executed AS gtids"))[0] as { gtids: string }[])[0]?.gtids;
  const before = await executed();
  await root.query(statement);
  const [answer] = await root.query("SELECT GTID_SUBTRACT(?, ?) AS gtid", [await executed(), before]);
  return String((answer as { gtid: string }[])[0]?.gtid);
}

/** The adopted suite with these backups. */
async function configured(backup: Readonly<Record<string, unknown>>): Promise<void> {
  await writeAdoptConfiguration(readImages(), { backup });
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
}

beforeAll(async () => {
  await configured({ offSite: [{ name: "second", type: "directory", path: "/srv/second-repository" }] });
  root = await connectAsRoot(undefined, database);
  await gtidMode("ON");
  await root.query("DROP TABLE IF EXISTS kept");
  await root.query("CREATE TABLE kept (id INT PRIMARY KEY, word VARCHAR(20))");
  await root.query("INSERT INTO kept VALUES (1, '一')");
  expect(await start("im-backup.service"), await log()).toBe(0);
  // What many suites run with: no GTIDs. One chain holds transactions of both kinds.
  await gtidMode("OFF_PERMISSIVE");
  await root.query("INSERT INTO kept VALUES (2, 'it''s 👍')");
  await gtidMode("ON");
  await root.query("CREATE EVENT nightly_count ON SCHEDULE EVERY 1 DAY DO SELECT 1");
  await root.query("CREATE USER later@localhost IDENTIFIED BY 'Later_1234'");
  // Half of the way in one closed log, half in another.
  expect(await start("im-binary-log-backup.service"), await log()).toBe(0);
  beforeThird = await now();
  await root.query("INSERT INTO kept VALUES (3, 'third')");
  dropped = await gtidOf("DROP TABLE kept");
});

afterAll(async () => {
  await configured({});
  await onServer("a", `rm -rf ${target} /srv/second-repository`);
  for (const statement of [
    "DROP TABLE IF EXISTS kept",
    "DROP EVENT IF EXISTS nightly_count",
    "DROP USER IF EXISTS later@localhost",
  ]) {
    await root.query(statement);
  }
  // As the lab's suite was.
  await gtidMode("OFF");
  await root.query("SET GLOBAL enforce_gtid_consistency = OFF");
  await root.end();
});

describe("MySQL at any moment", () => {
  it("says from when until when", async () => {
    const { stdout } = await restore("moments");
    expect(stdout).toMatch(
      /MySQL can be restored to any moment\n {2}from {3}20.* \(snapshot [0-9a-f]{8}\)\n {2}until {2}20.*\nBinary logs: \S+\.\d{6} to \S+\.\d{6} of server /,
    );
  });

  it("just before the DROP by its GTID: the table is back with what was written after the backup", async () => {
    const { exitCode, stdout, stderr } = await restore(
      `restore --in-place --part mysql --table ${database}.kept --until-gtid ${dropped} --yes`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout).toContain(`(${dropped})`);
    expect(await rows()).toEqual([
      { id: 1, word: "一" },
      { id: 2, word: "it's 👍" },
      { id: 3, word: "third" },
    ]);
  });

  it("at an earlier moment, out of another repository alone, into a folder: the row of then, the event switched on, the account made after the backup", async () => {
    await onServer("a", `rm -rf ${target}`);
    const { exitCode, stdout, stderr } = await restore(
      `restore --to ${target} --part mysql --until '${beforeThird}' --repository second`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/3 transactions after it; the first one left out was committed at/);
    const dump = await printed("a", `grep -E 'INTO .kept|EVENT .nightly' ${target}/dump.sql`);
    expect(dump).toContain(`(1,'一'),(2,'it\\'s 👍');`);
    expect(dump).toMatch(/nightly_count` ON SCHEDULE EVERY 1 DAY .* ENABLE DO/);
    expect(await printed("a", `grep -c later ${target}/accounts.sql`)).toBe("2");
    expect(await printed("a", `grep -c im_backup_copy ${target}/accounts.sql || true`)).toBe("0");
    expect(await printed("a", "docker ps -aq --filter label=im-suite.throw-away")).toBe("");
  });
});

describe("what cannot be had is refused, and nothing is changed", () => {
  it.each([
    ["a moment in the future", "--until '2099-01-01 00:00:00 +0000'", "is in the future"],
    ["what is no moment", "--until tomorrow-ish", "expected a moment such as"],
    ["a moment before the oldest backup", "--until '2020-01-01 00:00:00 +0000'", "no complete backup from before"],
    ["an unknown GTID", "--until-gtid 00000000-0000-0000-0000-000000000000:7", "no such transaction"],
    ["what is no GTID", "--until-gtid yesterday", "expected a GTID such as"],
  ])("%s", async (_, option, said) => {
    const { exitCode, stdout, stderr } = await restore(
      `restore --in-place --part mysql --table ${database}.kept ${option} --yes`,
    );
    expect(exitCode).not.toBe(0);
    expect(stdout + stderr).toContain(said);
    expect(await rows()).toHaveLength(3);
  });

  it("a binary log that is gone: it says which one, and until when it is possible; the metric and the night's test say so too", async () => {
    const [[server]] = (await root.query("SELECT @@server_uuid AS uuid")) as unknown as [[{ uuid: string }]];
    const folder = `${backupFolder}/binary-logs/${server.uuid}/`;
    const lost = await printed("a", `ls ${folder} | grep -E '[.][0-9]+$' | sort -V | tail -n 1`);
    // A further one after it, so that the lost one is in the middle; and MySQL has it no more.
    await root.query(`INSERT INTO kept VALUES (4, 'fourth')`);
    expect(await start("im-binary-log-backup.service")).toBe(0);
    const [all] = await root.query("SHOW BINARY LOGS");
    await root.query(`PURGE BINARY LOGS TO '${(all as { Log_name: string }[]).at(-1)?.Log_name}'`);
    await onServer("a", `mv ${folder}${lost} /root/lost-log`);
    try {
      // What is saved next lacks it.
      await root.query("INSERT INTO kept VALUES (5, 'fifth')");
      expect(await start("im-binary-log-backup.service")).not.toBe(0);
      expect(await metric("im_binary_log_backup_gap")).toBe("im_binary_log_backup_gap 1");
      expect(await log()).toContain(`MySQL removed ${lost} before it was copied`);
      expect(await start("im-restore-test.service")).not.toBe(0);
      expect(await log()).toMatch(/binary logs: .* does not go on where|there is a gap before/);
      const { exitCode, stdout } = await restore(`restore --to ${target}2 --part mysql --until '${await now()}'`);
      expect(exitCode).not.toBe(0);
      expect(stdout).toContain(`the binary log ${lost} is missing: MySQL can be restored until`);
    } finally {
      await onServer("a", `mv /root/lost-log ${folder}${lost}`);
    }
    expect(await start("im-binary-log-backup.service"), await log()).toBe(0);
    expect(await metric("im_binary_log_backup_gap")).toBe("im_binary_log_backup_gap 0");
  });
});
