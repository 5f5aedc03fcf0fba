import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../lib/process.ts";
import { type HealthCheckTargets, renderHealthCheck } from "../../templates/health-check.ts";

/**
 * The health check as it runs on a server, with the real bash, curl, flock and df. Only `docker` is a stand-in that answers for
 * MySQL and Redis, and the paths on the server lie in a folder of the test.
 */
let root = "";
let server: Server;
let url = "";
/** What the HTTP services answer, by path. */
let answers: Record<string, { status: number; body: string }>;
/** What the databases answer. */
let mysql: { output: string; exitCode: number };
let redis: string;

const healthy = {
  "/minio/health/live": { status: 200, body: "" },
  "/health": { status: 200, body: '{"status":"ok"}' },
  "/": { status: 200, body: "<html>" },
};

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "im-health-"));
  mkdirSync(join(root, "bin"));
  writeFileSync(
    join(root, "bin/docker"),
    `#!/bin/bash
if [ "$1" = info ]; then echo /; exit 0; fi
cat >"${root}/stdin-of-$3"
case "$4" in
  redis-cli) cat "${root}/redis-answer" ;;
  sh) cat "${root}/mysql-answer"; exit "$(cat "${root}/mysql-exit-code")" ;;
esac
`,
    { mode: 0o755 },
  );
  writeFileSync(join(root, "mysql.cnf"), "[client]\npassword=canary-mysql\n");
  writeFileSync(join(root, "redis.auth"), 'AUTH "canary-redis"\n');
  server = createServer((request, response) => {
    const { status, body } = answers[request.url ?? ""] ?? { status: 404, body: "" };
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

beforeEach(() => {
  answers = { ...healthy };
  mysql = { output: "42", exitCode: 0 };
  redis = "OK\nPONG\n";
});

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
  /** The metrics file, as node_exporter reads it. */
  readonly metrics: string;
}

async function check(change: Partial<HealthCheckTargets> = {}): Promise<Outcome> {
  writeFileSync(join(root, "mysql-answer"), mysql.output);
  writeFileSync(join(root, "mysql-exit-code"), String(mysql.exitCode));
  writeFileSync(join(root, "redis-answer"), redis);
  const targets = {
    mysql: { container: "im-mysql-prod", optionFile: join(root, "mysql.cnf") },
    redis: { container: "im-redis-prod", authFile: join(root, "redis.auth") },
    minioUrl: url,
    backendUrl: url,
    adminUrl: url,
    // The disk of this machine is not what is tested, except where a test says so.
    diskUsagePercent: 101,
    ...change,
  };
  const text = renderHealthCheck(targets)
    .replaceAll("/var/lib/im-suite", join(root, "state"))
    .replaceAll("/run/im-health-check.lock", join(root, "lock"))
    .replace('export PATH="', `export PATH="${root}/bin:`);
  const { exitCode, stdout, stderr } = await run("bash", ["-c", text], { timeoutSeconds: 30 });
  const metrics = readFileSync(join(root, "state/metrics/health-check.prom"), "utf8");
  return { exitCode, output: stdout + stderr, metrics };
}

const metric = (outcome: Outcome, name: string) =>
  new RegExp(`^im_health_check_ok\\{check="${name}"\\} ([01])$`, "m").exec(outcome.metrics)?.[1];

test("a healthy suite: exit code 0, a line and a metric for every check", async () => {
  const outcome = await check();
  expect(outcome.output).not.toContain("❌");
  expect(outcome.exitCode).toBe(0);
  for (const name of ["mysql", "redis", "minio", "backend", "admin", "disk:/"]) expect(metric(outcome, name)).toBe("1");
  expect(outcome.output).toContain("✅ MySQL: 正常");
  expect(Number(/^im_health_check_timestamp_seconds (\d+)$/m.exec(outcome.metrics)?.[1])).toBeGreaterThan(1.7e9);
});

describe("one thing wrong: exit code 1, and only its check is 0", () => {
  test.each<[string, string, () => void, string]>([
    [
      "MySQL refuses",
      "mysql",
      () => {
        mysql = { output: "mysql: warning\nERROR 1045: Access denied", exitCode: 1 };
      },
      "ERROR 1045",
    ],
    [
      "MySQL answers something else",
      "mysql",
      () => {
        mysql = { output: "", exitCode: 0 };
      },
      "MySQL: 异常",
    ],
    [
      "Redis wants another password",
      "redis",
      () => {
        redis = "WRONGPASS\nNOAUTH Authentication required.\n";
      },
      "NOAUTH",
    ],
    [
      "MinIO is not live",
      "minio",
      () => {
        answers["/minio/health/live"] = { status: 503, body: "" };
      },
      "HTTP 503",
    ],
    [
      "the backend answers 200 without ok",
      "backend",
      () => {
        answers["/health"] = { status: 200, body: "starting" };
      },
      "does not contain ok",
    ],
    [
      "the admin page is gone",
      "admin",
      () => {
        answers["/"] = { status: 502, body: "" };
      },
      "HTTP 502",
    ],
  ])("%s", async (_, name, breakIt, said) => {
    breakIt();
    const outcome = await check();
    expect(outcome.exitCode).toBe(1);
    const failed = [...outcome.metrics.matchAll(/check="([^"]+)"\} 0$/gm)].map((match) => match[1]);
    expect(failed).toEqual([name]);
    expect(outcome.output).toContain(said);
    expect(outcome.output.match(/❌/g)).toHaveLength(1);
  });

  test("a service that nobody listens for", async () => {
    const outcome = await check({ backendUrl: "http://127.0.0.1:1" });
    expect(outcome.exitCode).toBe(1);
    expect(metric(outcome, "backend")).toBe("0");
  });

  test("a disk over its limit", async () => {
    const outcome = await check({ diskUsagePercent: 0 });
    expect(outcome.exitCode).toBe(1);
    expect(metric(outcome, "disk:/")).toBe("0");
  });
});

test("a service that the suite does not have is not asked", async () => {
  const outcome = await check({ redis: undefined, minioUrl: undefined });
  expect(outcome.exitCode).toBe(0);
  expect([metric(outcome, "redis"), metric(outcome, "minio"), metric(outcome, "mysql")]).toEqual([
    undefined,
    undefined,
    "1",
  ]);
});

test("credentials go in by stdin and come out nowhere", async () => {
  redis = "WRONGPASS invalid password\n";
  const outcome = await check();
  expect(readFileSync(join(root, "stdin-of-im-mysql-prod"), "utf8")).toContain("canary-mysql");
  expect(readFileSync(join(root, "stdin-of-im-redis-prod"), "utf8")).toBe('AUTH "canary-redis"\nPING\n');
  expect(outcome.output + outcome.metrics).not.toContain("canary");
});

test("a second check at the same time leaves", async () => {
  const holder = run("flock", [join(root, "lock"), "sleep", "1"]);
  // The holder must have the lock before the check asks for it.
  await run("bash", ["-c", `until ! flock --nonblock ${join(root, "lock")} true; do sleep 0.02; done`]);
  const outcome = await check();
  expect(outcome.exitCode).toBe(0);
  expect(outcome.output).toContain("another check is running");
  expect(outcome.output).not.toContain("MySQL");
  await holder;
});
