import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labServers } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { writeLabConfiguration } from "../../lab/stack-configuration.ts";
import type { SuiteSecrets } from "../../lab/suite/credentials.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory, repositoryRoot } from "../../lib/paths.ts";
import { putComposeSuite, removeComposeSuite } from "../support/compose-suite.ts";
import { type CreateStack, clearServer, forgetCreateState } from "../support/create-stack.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";
import { rotate } from "../support/rotation.ts";

const onC: CreateStack = { stack: "rotate-adopted-on-c", server: "c" };
const logFile = cacheDirectory("lab", "traffic", "test-rotate-adopted.jsonl");
const up = ["up", "--yes", "--skip-preview", "-s", onC.stack];
let old: SuiteSecrets;

/** The code blocks of a runbook, in their order, each with the place where it is typed. */
function blocks(runbook: string): { readonly where: "server" | "machine"; readonly text: string }[] {
  const page = readFileSync(join(repositoryRoot, "docs", "runbooks", runbook), "utf8");
  return [...page.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => {
    const first = text.split("\n")[0] ?? "";
    if (/^# (on the server|在服务器上)/.test(first)) return { where: "server", text };
    if (/^# (on your machine|在您的电脑上)/.test(first)) return { where: "machine", text };
    throw new Error(`${runbook}: a block does not say where it is typed: ${first}`);
  });
}

/** Which of the new files a configuration key is asked for. */
const fileOf: Readonly<Record<string, string>> = {
  mysqlRootPassword: "mysql-root",
  redisPassword: "redis",
  minioSecretKey: "minio",
};

/** Types a block of commands as the operator would, answering what Pulumi asks. */
async function type(block: { readonly where: "server" | "machine"; readonly text: string }): Promise<void> {
  if (block.where === "server") {
    await onServer(onC.server, block.text, { timeoutSeconds: 400 });
    return;
  }
  for (const line of block.text.split("\n").filter((one) => one.startsWith("pulumi "))) {
    const key = /im:adoptedCredentials\.(\w+)/.exec(line)?.[1];
    if (key === undefined) {
      expect(line).toBe("pulumi up -s stage1");
      await pulumiOk(up);
      continue;
    }
    const value = await printed("c", `cat /root/rotate/${fileOf[key]}`);
    const words = line.replace("-s stage1", `-s ${onC.stack}`).split(" ").slice(1);
    await pulumiOk(words, { input: value });
  }
}

/** Whether each of the suite's services accepts a login; the secrets travel on stdin. */
async function accepts(
  secrets: Pick<SuiteSecrets, "mysqlRootPassword" | "mysqlApplicationPassword" | "redisPassword" | "minioSecretKey">,
) {
  const optionFile = (user: string, password: string) =>
    `[client]\nuser=${user}\npassword="${password.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"\n`;
  const mysql = async (user: string, password: string) => {
    const result = await onServer(
      "c",
      "docker exec -i im-mysql-prod mysql --defaults-extra-file=/dev/stdin -e 'DO 1'",
      { input: optionFile(user, password), allowFailure: true },
    );
    return result.exitCode === 0;
  };
  const redis = async (password: string) => {
    const bytes = [...Buffer.from(password, "utf8")].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    const result = await onServer("c", "docker exec -i im-redis-prod redis-cli", { input: `AUTH "${bytes}"\nPING\n` });
    return result.stdout.includes("PONG");
  };
  const minio = async (accessKey: string, secretKey: string) => {
    const suite = { url: "http://127.0.0.1:9000", accessKey, secretKey, api: "S3v4", path: "auto" };
    const result = await onServer(
      "c",
      `docker exec -i im-minio-prod sh -c 'mkdir -p /dev/shm/try && cat >/dev/shm/try/config.json && mc --config-dir /dev/shm/try ls suite; code=$?; rm -rf /dev/shm/try; exit $code'`,
      { input: JSON.stringify({ version: "10", aliases: { suite } }), allowFailure: true },
    );
    return result.exitCode === 0;
  };
  return {
    root: await mysql("root", secrets.mysqlRootPassword),
    application: await mysql("im", secrets.mysqlApplicationPassword),
    redis: await redis(secrets.redisPassword),
    minio: await minio(old.minioAccessKey, secrets.minioSecretKey),
  };
}

beforeAll(async () => {
  forgetCreateState(onC);
  await clearServer("c");
  await removeComposeSuite("c");
  old = await putComposeSuite("c");
  const { mysqlRootPassword, redisPassword, minioAccessKey, minioSecretKey } = old;
  await writeLabConfiguration({
    ...onC,
    suite: { mode: "adopt", without: ["prometheus", "grafana"] },
    images: readImages(),
    credentials: { mysqlRootPassword, redisPassword, minioAccessKey, minioSecretKey },
    more: { backup: { enabled: true } },
  });
  await pulumiOk(up);
  rmSync(logFile, { force: true });
  await startTraffic({ clients: 10, rate: 50, logFile, address: labServers.c.address });
});

afterAll(async () => {
  await stopTraffic();
  await clearServer("c");
  await removeComposeSuite("c");
  forgetCreateState(onC);
});

describe("the runbook for an adopted suite's own passwords, typed as it stands", () => {
  it("changes all of them under traffic: new ones accepted, old ones refused, nothing lost", async () => {
    const commands = blocks("rotate.md");
    expect(commands.length).toBeGreaterThan(10);
    const [last, ...before] = commands.toReversed();
    for (const block of before.toReversed()) await type(block);

    const value = async (name: string) => await printed("c", `cat /root/rotate/${name}`);
    const fresh = {
      mysqlRootPassword: await value("mysql-root"),
      mysqlApplicationPassword: await value("mysql-application"),
      redisPassword: await value("redis"),
      minioSecretKey: await value("minio"),
    };
    expect(await accepts(fresh)).toEqual({ root: true, application: true, redis: true, minio: true });
    expect(await accepts(old)).toEqual({ root: false, application: false, redis: false, minio: false });
    await stopTraffic();
    const verdict = await verifyTraffic(
      logFile,
      [
        ...["--mysql", `${labServers.c.address}:3307`, "--user", "im", "--database", "im"],
        ...["--minio", `${labServers.c.address}:9000`, "--bucket", "im-attachments"],
      ],
      {
        MYSQL_PASSWORD: fresh.mysqlApplicationPassword,
        MINIO_ACCESS_KEY: old.minioAccessKey,
        MINIO_SECRET_KEY: fresh.minioSecretKey,
      },
    );
    expect(verdict).toMatchObject({ lost: 0, corrupted: 0 });
    process.stdout.write(
      `rotate-adopted: ${JSON.stringify({ acknowledged: verdict.acknowledged, failedWrites: verdict.failedWrites, failedReads: verdict.failedReads, outages: verdict.outages, longestGapMs: verdict.longestGapMs })}\n`,
    );
    if (last !== undefined) await type(last);
    expect(await printed("c", "if [ -e /root/rotate ]; then echo there; else echo gone; fi")).toBe("gone");
  });

  it("leaves our part healthy, with nothing to change", async () => {
    await onServer("c", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    await eventually(30, async () => {
      expect(await printed("c", "curl -fsS http://127.0.0.1:9121/metrics | grep '^redis_up '")).toBe("redis_up 1");
    });
    await pulumiOk(["preview", "--refresh", "--expect-no-changes", "-s", onC.stack]);
  });

  it("rotates what is ours by one command, and touches none of the suite's containers", async () => {
    const fingerprint = async () =>
      printed(
        "c",
        "docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps --format '{{.Names}}' | grep -- -prod | sort)",
      );
    const before = await fingerprint();
    await onServer("c", "systemctl start im-backup.service", { timeoutSeconds: 300 });
    const run = await rotate(onC.stack);
    expect(run.exitCode, run.output).toBe(0);
    expect(run.output).toMatch(/backup-key .*accepted .*refused/);
    expect(run.output).toMatch(/monitoring .*accepted .*refused/);
    expect(await fingerprint()).toBe(before);
    await onServer("c", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    await eventually(30, async () => {
      expect(await printed("c", "curl -fsS http://127.0.0.1:9104/metrics | grep '^mysql_up '")).toBe("mysql_up 1");
    });
    const restic =
      "restic --no-cache --repo /var/lib/im-suite/backup/repository --password-file /var/lib/im-suite/secrets/backup-key";
    expect(await printed("c", `${restic} key list --json | jq length`)).toBe("1");
    await pulumiOk(["preview", "--refresh", "--expect-no-changes", "-s", onC.stack]);
  });

  it("has the same commands in both languages", () => {
    const commands = (runbook: string) =>
      blocks(runbook).map(({ where, text }) => [
        where,
        text
          .split("\n")
          .filter((line) => !line.startsWith("#"))
          .join("\n"),
      ]);
    expect(commands("rotate.zh-CN.md")).toEqual(commands("rotate.md"));
  });
});
