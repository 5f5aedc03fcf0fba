import { describe, expect, test } from "vitest";
import { parseConfiguration } from "../../config/load.ts";
import {
  localRepository,
  renderKnownHosts,
  renderMinioClientConfig,
  renderRepositoryEnvironment,
} from "../../templates/backup/repositories.ts";
import { renderRestoreProgram } from "../../templates/backup/restore-program.ts";
import { renderBackupService, renderBackupTimer } from "../../templates/backup/units.ts";
import { createdConfiguration } from "./fixtures.ts";
import { shellcheck } from "./shellcheck.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";
const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----\n";
const sftp = { name: "second", type: "sftp", host: "203.0.113.20", user: "backup", path: "/srv/im", hostKey } as const;
const s3 = { name: "store", type: "s3", endpoint: "https://s3.example.com", bucket: "im-backup" } as const;

function parse(backup: unknown, backupCredentials: unknown = {}) {
  return parseConfiguration({ ...createdConfiguration(), backup, backupCredentials });
}

describe("configuration", () => {
  test("by default on: two in the morning in China, seven days, on the server only", () => {
    const { backup } = parseConfiguration(createdConfiguration());
    expect(backup).toMatchObject({ enabled: true, time: "02:00", timeZone: "Asia/Shanghai", offSite: [] });
    expect(backup.keep.daily).toBe(7);
  });

  test("off-site repositories with their credentials", () => {
    const { backup, backupCredentials } = parse(
      { offSite: [sftp, s3] },
      { second: { privateKey }, store: { accessKey: "a", secretKey: "b" } },
    );
    expect(backup.offSite.map((one) => one.name)).toEqual(["second", "store"]);
    expect(backupCredentials["second"]?.privateKey).toBe(privateKey);
  });

  test.each<[string, unknown, unknown, RegExp]>([
    ["a time that is none", { time: "2 am" }, {}, /im:backup\.time = "2 am": expected a time such as 02:00/],
    ["a time zone that is none", { timeZone: "Mars/Olympus" }, {}, /im:backup\.timeZone .* expected a time zone/],
    [
      "an sftp repository without its key",
      { offSite: [sftp] },
      {},
      /pulumi config set --secret --path im:backupCredentials\.second\.privateKey/,
    ],
    [
      "two repositories of one name",
      {
        offSite: [
          { name: "x", type: "directory", path: "/mnt/a" },
          { name: "x", type: "directory", path: "/mnt/b" },
        ],
      },
      {},
      /a name of its own/,
    ],
    [
      "the name of the one on the server",
      { offSite: [{ name: "local", type: "directory", path: "/mnt/a" }] },
      {},
      /a name of its own/,
    ],
    [
      "credentials of nobody",
      {},
      { other: { accessKey: "canary-access" } },
      /no repository in im:backup\.offSite has this name/,
    ],
    ["a misspelt key", { keep: { dayly: 7 } }, {}, /im:backup\.keep\.dayly: unknown key/],
  ])("refuses %s", (_, backup, credentials, said) => {
    expect(() => parse(backup, credentials)).toThrow(said);
  });

  test("a refusal never shows a secret", () => {
    const bad = () => parse({ offSite: [sftp] }, { second: { privateKey: "canary-not-a-key" } });
    expect(bad).toThrow(/expected the text of a private ssh key/);
    expect(bad).not.toThrow(/canary/);
  });
});

describe("how restic reaches a repository", () => {
  test("on the server, by S3, by sftp", () => {
    expect(renderRepositoryEnvironment(localRepository, undefined)).toBe(
      "RESTIC_REPOSITORY=/var/lib/im-suite/backup/repository\n",
    );
    expect(
      renderRepositoryEnvironment(
        { ...s3, prefix: "im-suite", appendOnly: false },
        { accessKey: "key", secretKey: `'"$\`#= ` },
      ),
    ).toBe(
      `RESTIC_REPOSITORY=s3:https://s3.example.com/im-backup/im-suite\nAWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY='"$\`#= \n`,
    );
    const text = renderRepositoryEnvironment({ ...sftp, port: 2222 }, { privateKey });
    expect(text).toContain("RESTIC_REPOSITORY=sftp:backup@second:/srv/im\n");
    expect(text).toContain("-o StrictHostKeyChecking=yes");
    expect(text).toContain("-p 2222 -l backup 203.0.113.20 -s sftp");
    expect(text).not.toContain("canary");
    expect(renderKnownHosts({ ...sftp, port: 22 })).toBe(`second ${hostKey}\n`);
  });

  test("MinIO's client gets keys of any characters", () => {
    const config = JSON.parse(renderMinioClientConfig("access", `密'"\\$`));
    expect(config.aliases.suite).toMatchObject({ accessKey: "access", secretKey: `密'"\\$` });
  });
});

test("the timer names its time zone and catches up on a missed run", () => {
  const timer = renderBackupTimer("im-backup", "02:00", { timeZone: "Asia/Shanghai", randomDelayMinutes: 15 });
  expect(timer).toContain("OnCalendar=*-*-* 02:00:00 Asia/Shanghai\n");
  expect(timer).toContain("Persistent=true\n");
  expect(timer).toContain("RandomizedDelaySec=15min\n");
  expect(renderBackupService("Backup", "/bin/im-backup", 0.5)).toContain("CPUQuota=50%\n");
});

test("the restore program of a suite with MySQL alone is sound bash", () => {
  const mysql = { container: "im-mysql", optionFile: "/etc/im-suite/credentials/mysql-root.cnf" };
  const bounds = { cpus: 0.5, memoryMiB: 1024, keep: { daily: 7, weekly: 4, monthly: 6 } };
  const plan = {
    server: "a",
    mysql,
    configurationPaths: ["/with 'quote"],
    repositories: ["local"],
    pointInTimeDays: 7,
    appendOnly: [],
    keyFile: "/key",
  };
  shellcheck(new Map([["im-restore", renderRestoreProgram({ ...plan, ...bounds })]]));
});
