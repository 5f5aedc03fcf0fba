import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { askAlerts } from "../../commands/configure/alert-questions.ts";
import { FileAsker } from "../../commands/configure/ask.ts";
import { askBackups, type BackupQuestions } from "../../commands/configure/backup-questions.ts";
import {
  configurationOf,
  parsedConfiguration,
  readConfigurationFile,
  renderConfigurationFile,
  type Stage1Answers,
  secretAt,
  secretsOf,
} from "../../commands/configure/configuration-file.ts";
import { fingerprint, judgeSftp, judgeStore } from "../../commands/configure/server-checks.ts";

const folder = mkdtempSync(join(tmpdir(), "im-configure-protection-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const keyFile = join(folder, "key");
const privateKey = "-----BEGIN PRIVATE KEY-----\nb2Zm\n-----END PRIVATE KEY-----\n";
writeFileSync(keyFile, privateKey, { mode: 0o600 });

function asker(answers: Record<string, unknown>): FileAsker {
  const file = join(folder, "answers.json");
  rmSync(file, { force: true });
  writeFileSync(file, JSON.stringify(answers), { mode: 0o600 });
  return new FileAsker(file, () => undefined);
}

const alerts = async (
  answers: Record<string, unknown>,
  known: { alerts?: Record<string, unknown>; credentials?: Record<string, unknown> } = {},
) => {
  const ask = asker(answers);
  const result = await askAlerts({
    ask,
    tryMail: async (smarthost) => (smarthost.startsWith("smtp.") ? true : `cannot reach ${smarthost}`),
    alerts: known.alerts ?? {},
    credentials: known.credentials ?? {},
  });
  ask.requireAllTaken();
  return result;
};

describe("who hears of trouble", () => {
  test("nobody, when nothing is answered", async () => {
    expect(await alerts({})).toEqual({ alerts: undefined, credentials: {} });
  });

  test("mail with a login, a robot and a webhook", async () => {
    const answers = {
      "alerts.receivers": "mail, wecom, webhook",
      "alerts.mail.smarthost": "smtp.example.com:587",
      "alerts.mail.from": "im@example.com",
      "alerts.mail.to": "one@example.com, two@example.com",
      "alerts.mail.user": "im@example.com",
      "alertCredentials.mailPassword": 'it\'s "a" $pass',
      "alertCredentials.wecomRobotUrl": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1",
      "alertCredentials.webhooks.name": "duty",
      "alertCredentials.webhooks.duty": "http://198.51.100.7/hook",
    };
    expect(await alerts(answers)).toEqual({
      alerts: {
        mail: {
          smarthost: "smtp.example.com:587",
          from: "im@example.com",
          to: ["one@example.com", "two@example.com"],
          user: "im@example.com",
        },
      },
      credentials: {
        mailPassword: 'it\'s "a" $pass',
        wecomRobotUrl: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1",
        webhooks: { duty: "http://198.51.100.7/hook" },
      },
    });
  });

  test("stays as it is configured, further webhooks and what nobody asks about too", async () => {
    const known = {
      alerts: { repeatHours: 12 },
      credentials: { feishuRobotUrl: "https://open.feishu.cn/x", webhooks: { one: "https://a/", two: "https://b/" } },
    };
    expect(await alerts({}, known)).toEqual({
      alerts: { repeatHours: 12 },
      credentials: known.credentials,
    });
  });

  test("nobody any more", async () => {
    const known = {
      alerts: { mail: { smarthost: "smtp.example.com:25" } },
      credentials: { wecomRobotUrl: "https://x/" },
    };
    expect(await alerts({ "alerts.receivers": "none" }, known)).toEqual({ alerts: undefined, credentials: {} });
  });

  test.each([
    [{ "alerts.receivers": "mail, pager" }, '"pager" is none of mail, wecom'],
    [{ "alerts.receivers": "mail", "alerts.mail.smarthost": "smtp.example.com" }, "expected host:port"],
    [{ "alerts.receivers": "mail", "alerts.mail.smarthost": "mx.example.com:25" }, "cannot reach mx.example.com:25"],
    [
      {
        "alerts.receivers": "mail",
        "alerts.mail.smarthost": "smtp.example.com:25",
        "alerts.mail.from": "im@example.com",
        "alerts.mail.to": "one@example.com, two",
      },
      "two: expected a mail address",
    ],
    [
      { "alerts.receivers": "dingtalk", "alertCredentials.dingtalkRobotUrl": "oapi.dingtalk.com/robot" },
      "expected http://… or https://…",
    ],
    [{ "alerts.receivers": "webhook", "alertCredentials.webhooks.name": "On Duty" }, "expected names of a-z"],
  ])("%j is refused", async (answers, sentence) => {
    await expect(alerts(answers)).rejects.toThrow(sentence);
  });
});

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIaYQrytIcgeUML8sNaKJjX4bkct/46+g+u+XlB6Cx08";
const tried: unknown[] = [];
const backups = async (answers: Record<string, unknown>, known: Partial<BackupQuestions> = {}) => {
  const ask = asker(answers);
  tried.length = 0;
  const result = await askBackups({
    ask,
    tell: () => undefined,
    tries: {
      hostKeys: async (host) => (host === "198.51.100.9" ? [hostKey] : []),
      sftp: async (login) => {
        tried.push(login);
        return login.path === "/srv/missing" ? "is not there" : true;
      },
      store: async (store) => {
        tried.push(store);
        return true;
      },
    },
    backup: {},
    credentials: {},
    ...known,
  });
  ask.requireAllTaken();
  return result;
};

describe("backups", () => {
  test("are made at two o'clock in China, on the server alone, when nothing is answered", async () => {
    expect(await backups({})).toEqual({
      backup: { enabled: true, time: "02:00", timeZone: "Asia/Shanghai", offSite: [] },
      credentials: {},
    });
  });

  test("can be off, and what was configured stays for later", async () => {
    const known = { backup: { time: "03:00" } };
    expect(await backups({ "backup.enabled": false }, known)).toEqual({
      backup: { time: "03:00", enabled: false },
      credentials: {},
    });
  });

  const sftpAnswers = {
    "backup.time": "01:30",
    "backup.timeZone": "UTC",
    "backup.offSite.type": "sftp",
    "backup.offSite.name": "second",
    "backup.offSite.host": "198.51.100.9",
    "backup.offSite.port": "2222",
    "backup.offSite.hostKey": fingerprint(hostKey),
    "backup.offSite.user": "backup",
    "backup.offSite.path": "/srv/im",
    "backupCredentials.second.privateKeyFile": keyFile,
  };
  const sftp = {
    name: "second",
    type: "sftp" as const,
    host: "198.51.100.9",
    port: 2222,
    user: "backup",
    path: "/srv/im",
    hostKey,
  };

  test("go to another server, whose key is pinned and whose login was tried", async () => {
    expect(await backups(sftpAnswers)).toEqual({
      backup: { enabled: true, time: "01:30", timeZone: "UTC", offSite: [sftp] },
      credentials: { second: { privateKey } },
    });
    expect(tried).toMatchObject([{ host: "198.51.100.9", port: 2222, hostKey, privateKey }]);
  });

  test("stay there with Enter: no fingerprint is asked for the pinned key, no file for the private key", async () => {
    const backup = { offSite: [sftp], keep: { daily: 14 } };
    const result = await backups({}, { backup, credentials: { second: { privateKey } } });
    expect(result.backup).toMatchObject({ offSite: [sftp], keep: { daily: 14 } });
    expect(result.credentials).toEqual({ second: { privateKey } });
  });

  test("go to a store", async () => {
    const answers = {
      "backup.offSite.type": "s3",
      "backup.offSite.endpoint": "https://s3.example.com",
      "backup.offSite.bucket": "im-backup",
      "backupCredentials.off-site.accessKey": "access",
      "backupCredentials.off-site.secretKey": "secret",
    };
    expect(await backups(answers)).toMatchObject({
      backup: { offSite: [{ name: "off-site", type: "s3", endpoint: "https://s3.example.com", bucket: "im-backup" }] },
      credentials: { "off-site": { accessKey: "access", secretKey: "secret" } },
    });
  });

  test("several places, or a directory, are kept as they are", async () => {
    const offSite = [{ name: "disk", type: "directory" as const, path: "/mnt/backup" }];
    expect(await backups({}, { backup: { offSite } })).toMatchObject({ backup: { offSite } });
    expect(await backups({ "backup.offSite.type": "none" }, { backup: { offSite } })).toMatchObject({
      backup: { offSite: [] },
    });
  });

  test.each([
    [{ "backup.time": "25:00" }, "expected a time such as 02:00"],
    [{ "backup.timeZone": "China" }, "expected a time zone such as"],
    [
      { "backup.offSite.type": "sftp", "backup.offSite.host": "192.0.2.1" },
      "finds no ssh server at 192.0.2.1, port 22",
    ],
    [
      { ...sftpAnswers, "backup.offSite.hostKey": "SHA256:other" },
      "expected the fingerprint that the server's console shows",
    ],
    [{ ...sftpAnswers, "backup.offSite.path": "/srv/missing" }, "is not there"],
    [{ ...sftpAnswers, "backup.offSite.path": "srv" }, "expected an absolute path"],
    [{ ...sftpAnswers, "backupCredentials.second.privateKeyFile": "/nowhere" }, "there is no such file"],
    [{ "backup.offSite.type": "s3", "backup.offSite.endpoint": "s3.example.com" }, "expected http://… or https://…"],
  ])("%j is refused", async (answers, sentence) => {
    await expect(backups(answers)).rejects.toThrow(sentence);
  });
});

describe("what the other place says", () => {
  const login = { host: "h", user: "backup", path: "/srv/im" };
  test.each([
    ["opened\n", true],
    ["backup@h: Permission denied (publickey).", "does not accept this key for backup"],
    ['realpath "/srv/im": No such file', "/srv/im is not there: make it on h, owned by backup"],
    ["ssh: connect to host h port 22: Connection timed out", "could not be tried: ssh: connect"],
  ])("sftp: %j", (answer, expected) => {
    if (expected === true) expect(judgeSftp(answer, login)).toBe(true);
    else expect(judgeSftp(answer, login)).toContain(expected);
  });

  const store = { endpoint: "https://s3.example.com", bucket: "im" };
  test.each([
    ["<LocationConstraint/>\nstatus=200", true],
    ["<Code>AccessDenied</Code>\nstatus=403", true],
    ["<Code>NoSuchBucket</Code>\nstatus=404", "there is no bucket im"],
    ["<Code>SignatureDoesNotMatch</Code>\nstatus=403", "does not accept this secret key"],
    ["\nstatus=000", "does not reach https://s3.example.com"],
  ])("store: %j", (answer, expected) => {
    if (expected === true) expect(judgeStore(answer, store)).toBe(true);
    else expect(judgeStore(answer, store)).toContain(expected);
  });
});

describe("the file", () => {
  const server = { address: "203.0.113.10", sshPort: 22, privateKeyFile: "~/.ssh/x", hostKey };
  const answers: Stage1Answers = {
    server,
    suite: { mode: "create", images: {} },
    alerts: {
      alerts: { repeatHours: 6 },
      credentials: { wecomRobotUrl: "https://w/", webhooks: { ops: "https://o/" } },
    },
    backup: {
      backup: {
        enabled: true,
        time: "02:00",
        timeZone: "UTC",
        offSite: [{ name: "store", type: "s3", endpoint: "https://s/", bucket: "bucket" }],
      },
      credentials: { store: { accessKey: "canary-a", secretKey: "canary-s" } },
    },
  };
  const written = (given: Stage1Answers, text: string) =>
    renderConfigurationFile(text, configurationOf(given, readConfigurationFile(text)), [...secretsOf(given).keys()]);

  test("has what differs from the defaults; secrets are apart, by path", () => {
    const { config } = parse(written(answers, ""));
    expect(config["im:alerts"]).toEqual({ repeatHours: 6 });
    expect(config["im:backup"]).toMatchObject({ enabled: true, timeZone: "UTC" });
    expect(config["im:backup"]).not.toHaveProperty("time");
    expect(JSON.stringify(config)).not.toMatch(/canary|https:\/\/[wo]\//);
    expect(Object.fromEntries(secretsOf(answers))).toEqual({
      "alertCredentials.wecomRobotUrl": "https://w/",
      "alertCredentials.webhooks.ops": "https://o/",
      "backupCredentials.store.accessKey": "canary-a",
      "backupCredentials.store.secretKey": "canary-s",
    });
    expect(parsedConfiguration(answers, {}).backupCredentials).toEqual({
      store: { accessKey: "canary-a", secretKey: "canary-s" },
    });
  });

  const encrypted = `config:
  im:alertCredentials:
    wecomRobotUrl:
      secure: v1:a
    feishuRobotUrl:
      secure: v1:b
    webhooks:
      ops:
        secure: v1:c
      old:
        secure: v1:d
  im:backupCredentials:
    gone:
      privateKey:
        secure: v1:e
`;

  test("keeps encrypted what is still needed, and loses the rest", () => {
    const { config } = parse(written(answers, encrypted));
    expect(config["im:alertCredentials"]).toEqual({
      wecomRobotUrl: { secure: "v1:a" },
      webhooks: { ops: { secure: "v1:c" } },
    });
    expect(config).not.toHaveProperty("im:backupCredentials");
  });

  test("a second run changes not a byte", () => {
    const once = written(answers, encrypted);
    expect(written(answers, once)).toBe(once);
  });

  test("without these questions everything of theirs stays", () => {
    const { alerts: _alerts, backup: _backup, ...unasked } = answers;
    expect(parse(written(unasked, encrypted)).config["im:alertCredentials"]).toEqual(
      parse(encrypted).config["im:alertCredentials"],
    );
  });

  test("a value that did not change is found in clear by its path", () => {
    expect(secretAt({ alertCredentials: { webhooks: { ops: "x" } } }, "alertCredentials.webhooks.ops")).toBe("x");
    expect(secretAt({}, "alertCredentials.webhooks.ops")).toBeUndefined();
  });
});
