import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfiguration } from "../../config/load.ts";
import { script } from "../../lib/shell.ts";
import { listFiles } from "../../templates/backup/file-list.ts";
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

test("the list of hashes names every file, and hashes again only what changed", () => {
  const folder = mkdtempSync(join(tmpdir(), "im-file-list-"));
  const bash = (text: string) => {
    const head = `directory=${folder} staging=${folder}/staging; cd $staging`;
    const result = spawnSync("bash", ["-c", script(head, listFiles, text)], { encoding: "utf8" });
    expect(result.stderr).toBe("");
    return result.stdout;
  };
  const whole = "list_files; sha256sum --check --strict --quiet files.sha256; wc -l <files.sha256; sleep 0.05";
  try {
    mkdirSync(join(folder, "staging/minio"), { recursive: true });
    expect(bash(`echo one >'minio/图片 一'; echo two >'minio/back\\slash'; echo three >dump; ${whole}`)).toBe("3\n");
    // Only its hash in the list can tell that a file was not read again.
    bash("sed -i -E '/图片/s/^.{4}/0000/' files.sha256; sleep 0.05");
    expect(
      bash("echo four >dump; echo five >minio/new; list_files; wc -l <files.sha256; grep -c ^0000 files.sha256"),
    ).toBe("4\n1\n");
    expect(bash("sha256sum --check --quiet files.sha256 2>/dev/null || true")).toBe("./minio/图片 一: FAILED\n");
    // Gone, changed, and all at once.
    expect(bash(`rm minio/new; echo six >'minio/图片 一'; ${whole}`)).toBe("3\n");
    expect(bash(`for file in dump minio/*; do echo again >>"$file"; done; ${whole}`)).toBe("3\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
