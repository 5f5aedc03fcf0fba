import { beforeAll, describe, expect, it } from "vitest";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-off-site-key\n-----END OPENSSH PRIVATE KEY-----\n";
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIaYQrytIcgeUML8sNaKJjX4bkct/46+g+u+XlB6Cx08";
const credentials = {
  second: { privateKey },
  store: { accessKey: "canary-access", secretKey: `canary-secret-'"$\`` },
};

let all: readonly Registered[];
const commands = () => all.filter((one) => one.type === "command:remote:Command");
const file = (path: string) =>
  commands().find((one) => JSON.stringify(one.inputs["triggers"]) === JSON.stringify([path]));

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  const offSite = [
    { name: "second", type: "sftp", host: "203.0.113.20", user: "backup", path: "/srv/im-suite", hostKey },
    { name: "store", type: "s3", endpoint: "https://s3.example.com", bucket: "im-backup" },
  ];
  stage1(
    testConfiguration(
      { mode: "adopt" },
      {
        backup: {
          offSite,
        },
        backupCredentials: credentials,
      },
    ),
  );
  await settled();
});

describe("backups of an adopted suite", () => {
  it("save to every repository, the one on the server first", () => {
    const program = String(file("/var/lib/im-suite/bin/im-backup")?.inputs["stdin"]);
    expect(program).toContain("all_repositories=(local second store)");
    expect(program).toContain("mysql_container=im-mysql-prod");
    const binaryLogs = String(file("/var/lib/im-suite/bin/im-binary-log-backup")?.inputs["stdin"]);
    expect(binaryLogs).toContain("all_repositories=(local second store)");
    expect(binaryLogs).toContain("days=7\n");
  });

  it("keep every credential in secret stdin, and in files that only root reads", () => {
    for (const { name, type, inputs, secrets } of all) {
      const { stdin, ...rest } = inputs;
      expect(JSON.stringify(rest), `${type} ${name}`).not.toMatch(/canary-(access|secret|off-site)/);
      if (/canary-(access|secret|off-site)/.test(String(stdin ?? ""))) {
        expect(secrets, name).toContain("stdin");
        expect(String(inputs["create"]), name).toMatch(/chmod -- '?0?600/);
      }
    }
    const folder = "/etc/im-suite/backup/repositories";
    expect(file(`${folder}/second/ssh-key`)?.inputs["stdin"]).toBe(privateKey);
    expect(file(`${folder}/store/environment`)?.inputs["stdin"]).toContain("AWS_SECRET_ACCESS_KEY=canary-secret-");
  });

  it("make the key once: nothing removes it or the repository", () => {
    const key = commands().find((one) => one.name === "a-backup-key-command");
    expect(key?.inputs["delete"]).toBeUndefined();
    expect(key?.secrets).toContain("stdin");
    for (const { name, inputs } of commands()) {
      expect(String(inputs["delete"] ?? ""), name).not.toContain("im-suite/backup/repository");
    }
  });

  it("are three timers: the backup, the test that restores it, and the binary logs", () => {
    const units = "/etc/systemd/system";
    expect(file(`${units}/im-backup.timer`)?.inputs["stdin"]).toContain("OnCalendar=*-*-* 02:00:00 Asia/Shanghai");
    expect(file(`${units}/im-restore-test.timer`)?.inputs["stdin"]).toContain("04:00:00 Asia/Shanghai");
    expect(file(`${units}/im-binary-log-backup.timer`)?.inputs["stdin"]).toContain("OnUnitActiveSec=5min");
    expect(file(`${units}/im-binary-log-backup.service`)?.inputs["stdin"]).toContain(
      "ExecStart=/var/lib/im-suite/bin/im-binary-log-backup",
    );
  });
});
