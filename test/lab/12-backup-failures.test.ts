import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { backupFolder, backupKey, backupsOf } from "../support/backup.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";

const logFile = cacheDirectory("lab", "traffic", "test-backup-failures.jsonl");
const { start, restore, report, metric, log } = backupsOf("a");

beforeAll(async () => {
  rmSync(logFile, { force: true });
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
});

afterAll(async () => {
  await stopTraffic();
});

describe("a disk that becomes full", () => {
  it("leaves the suite alone, is said, and with more room the next run is complete", async () => {
    // Room for the dump and the objects, not for the repository.
    await onServer("a", `mount -t tmpfs -o size=140m,mode=0700 tmpfs ${backupFolder}`);
    try {
      await startTraffic({ clients: 5, rate: 25, logFile });
      expect(await start("im-backup.service")).not.toBe(0);
      expect(await log()).toMatch(/repository local: .*no space left on device/i);
      expect(await metric("im_backup_last_run_ok")).toBe("im_backup_last_run_ok 0");
      expect(await metric("im_backup_last_success_timestamp_seconds")).toBe(
        "im_backup_last_success_timestamp_seconds 0",
      );
      await onServer("a", `mount -o remount,size=1g ${backupFolder}`);
      const exitCode = await start("im-backup.service");
      await stopTraffic();
      expect(exitCode, await log()).toBe(0);
      expect(await report()).toMatchObject({ problems: [], proven: true });
      expect(await verifyTraffic(logFile)).toMatchObject({ lost: 0, corrupted: 0, errors: 0 });
    } finally {
      await stopTraffic();
      await onServer("a", `systemctl stop im-binary-log-backup.service; umount ${backupFolder}`);
    }
  });
});

describe("what can go wrong", () => {
  it("a run that was killed half-way and a lock that a dead run left: the next run takes both away and is complete", async () => {
    const locks = () => printed("a", `ls ${backupFolder}/repository/locks | wc -l`);
    await onServer(
      "a",
      `export RESTIC_PASSWORD_FILE=${backupKey} RESTIC_CACHE_DIR=${backupFolder}/cache
systemctl stop im-binary-log-backup.timer
mkfifo /run/never; sleep 60 >/run/never & writer=$!
restic -r ${backupFolder}/repository backup --stdin </run/never >/dev/null 2>&1 & restic=$!
until [ "$(ls ${backupFolder}/repository/locks | wc -l)" -gt 0 ]; do sleep 0.2; done
kill -9 $restic $writer; rm -f /run/never
systemctl start --no-block im-backup.service; sleep 5; systemctl kill --signal=KILL im-backup.service; sleep 1
systemctl start im-binary-log-backup.timer`,
    );
    expect(await locks()).not.toBe("0");
    expect(await start("im-backup.service"), await log()).toBe(0);
    expect(await report()).toMatchObject({ problems: [], proven: true });
    await eventually(60, async () => expect(await locks()).toBe("0"));
  });

  it("MySQL is down at two in the morning: the rest is saved as partial, the run fails, and so do the binary logs", async () => {
    await onServer("a", "docker stop im-mysql-prod", { timeoutSeconds: 90 });
    try {
      expect(await start("im-backup.service")).not.toBe(0);
      const { problems, repositories } = await report();
      expect(problems.join()).toContain("mysql: ");
      expect(repositories["local"]?.ok).toBe(1);
      expect(await start("im-binary-log-backup.service")).not.toBe(0);
      expect(await log()).toContain("binary logs: MySQL in im-mysql-prod does not answer");
      expect(await metric("im_binary_log_backup_ok")).toBe("im_binary_log_backup_ok 0");
    } finally {
      await onServer("a", "docker start im-mysql-prod");
    }
    await eventually(60, async () => expect(await start("im-binary-log-backup.service")).toBe(0));
  });

  it("a wrong key: backup and test fail, say so, and the last success stays", async () => {
    const before = await printed("a", `cat ${backupFolder}/last-success`);
    await onServer("a", `cp -p ${backupKey} /root/kept-key; chmod 0600 ${backupKey}; echo wrong >${backupKey}`);
    try {
      expect(await start("im-backup.service")).not.toBe(0);
      expect(await log()).toContain("wrong password or no key found");
      expect(await start("im-restore-test.service")).not.toBe(0);
      expect(await metric("im_restore_test_ok")).toBe("im_restore_test_ok 0");
      expect(await printed("a", `cat ${backupFolder}/last-success`)).toBe(before);
    } finally {
      await onServer("a", `rm -f ${backupKey}; mv /root/kept-key ${backupKey}`);
    }
  });

  it("a pack that rots is found by the test", async () => {
    const pack = await printed("a", `ls -S ${backupFolder}/repository/data/*/* | sed -n 1p`);
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
  });

  it("two at once: the second one waits for the first, and a restore says that it does not wait for long", async () => {
    await onServer(
      "a",
      `exec 9>${backupFolder}/lock; flock 9; sleep 100 >/dev/null 2>&1 & echo $! >/run/holds-the-lock`,
    );
    try {
      const { exitCode, stdout } = await restore("restore --to /root/never --part redis");
      expect(exitCode).toBe(75);
      expect(stdout).toContain("another backup, restore test or restore still runs after 15 s");
    } finally {
      await onServer("a", "kill $(cat /run/holds-the-lock); rm -f /run/holds-the-lock");
    }
  });
});

describe("im-restore", () => {
  it.each([
    ["restore", "im-restore restore --to FOLDER"],
    ["destroy", "im-restore list"],
    ["restore --to", "im-restore list"],
    ["restore --to /root/x --in-place --part mysql", "--to and --in-place: expected one of them"],
    ["restore --in-place", "--in-place needs exactly one --part"],
    ["restore --in-place --part configuration", "is not put back in place"],
    ["restore --in-place --part mysqll", "--part mysqll: expected mysql, redis, minio or configuration"],
    ["restore --in-place --part redis --table im.users", "--table belongs to --part mysql"],
    ["restore --in-place --part mysql --table users", "--table users: expected SCHEMA.TABLE"],
    ["restore --in-place --part mysql --table im.nothing --yes", "the backup has no such table; nothing was changed"],
    ["restore --in-place --part redis --until 2026-01-01", "are for --part mysql alone"],
    ["restore --to /root/x --snapshot 00000000", "has no such snapshot"],
    ["restore --to /etc", "expected a folder that is new or empty"],
    ["list --repository nowhere", "--repository nowhere: expected one of: local"],
    ["restore --in-place --part redis </dev/null", "nothing was changed"],
  ])("%s", async (args, said) => {
    const { exitCode, stdout, stderr } = await restore(args);
    expect(exitCode).not.toBe(0);
    expect(stdout + stderr).toContain(said);
  });

  it("interrupted by Ctrl-C: says what it did, leaves nothing behind, and the same command works", async () => {
    const to = "/root/interrupted";
    const command = `/var/lib/im-suite/bin/im-restore restore --in-place --part mysql --table im.users --yes`;
    const script = `timeout --signal=INT 7 ${command}`;
    const { exitCode, stdout, stderr } = await onServer("a", script, { timeoutSeconds: 200, allowFailure: true });
    expect(exitCode, stdout + stderr).toBe(124);
    expect(stdout + stderr).toContain("im-restore: interrupted; nothing was changed");
    expect(await printed("a", "docker ps -aq --filter label=im-suite.throw-away")).toBe("");
    expect(await printed("a", `ls -d ${backupFolder}/restore-* ${backupFolder}/copy-mysql 2>/dev/null || true`)).toBe(
      "",
    );
    await onServer("a", `rm -rf ${to}; /var/lib/im-suite/bin/im-restore restore --to ${to} --part redis; rm -rf ${to}`);
  });
});
