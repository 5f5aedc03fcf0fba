import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run, runChecked } from "../../lib/process.ts";
import { quote, script } from "../../lib/shell.ts";
import { renderMinioClientConfig } from "../../templates/backup/repositories.ts";
import { minioInContainer } from "../../templates/container-clients.ts";
import {
  minioMetricsPath,
  minioMetricsToken,
  renderMinioMetricsAccount,
  renderRemoveMinioMetricsAccount,
} from "../../templates/minio-metrics.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { eventually } from "../support/lab.ts";
import { freePort, ThrowAwayContainers } from "../support/throw-away.ts";

// The real MinIO and Prometheus with the script and the files that we render. Root's password has what an adopted suite's may have.

const containers = new ThrowAwayContainers();
const minio = "im-test-metrics-minio";
const root = { accessKey: "operator", secretKey: `pa'ss"w$r\`d\\ 密码` };
const secretKey = "Abcdefghij0123456789Abcdefghij0123456789";
const token = minioMetricsToken("im_metrics", secretKey);
const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-minio-"));
const clientFile = join(folder, "root.json");
let url: string;
let prometheusUrl: string;

const bash = (text: string, input = "") => run("bash", ["-c", text], { input, timeoutSeconds: 90 });
const status = async (path: string, bearer: string) =>
  (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${bearer}` } })).status;

/** The S3 or admin API as somebody would use it who got hold of the account's key. */
async function asMetricsUser(...args: string[]): Promise<string> {
  const result = await run("docker", [
    ...["exec", "--env", `MC_HOST_thief=http://im_metrics:${secretKey}@127.0.0.1:9000`, minio, "mc", ...args],
  ]);
  return result.exitCode === 0 ? "allowed" : `${result.stdout}${result.stderr}`;
}

function configurePrometheus(tokenFile: string): void {
  writeFileSync(
    join(folder, "prometheus", "prometheus.yml"),
    renderPrometheusConfig({
      server: "a",
      jobs: [
        {
          name: "minio",
          targets: [url.replace("http://", "")],
          path: minioMetricsPath,
          bearerTokenFile: `/etc/prometheus/secrets/${tokenFile}`,
        },
      ],
    }),
  );
}

/** As `HostFile` writes it: for Prometheus' user alone. */
function writeToken(name: string, content: string): void {
  const file = join(folder, "prometheus", "secrets", name);
  writeFileSync(file, content, { mode: 0o400 });
  chownSync(file, 65534, 65534);
}

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  writeFileSync(clientFile, renderMinioClientConfig(root.accessKey, root.secretKey), { mode: 0o600 });
  await containers.start(
    "minio",
    minio,
    [
      ...["--publish", `127.0.0.1:${port}:9000`],
      ...["--env", `MINIO_ROOT_USER=${root.accessKey}`, "--env", `MINIO_ROOT_PASSWORD=${root.secretKey}`],
    ],
    ["server", "/data"],
  );
  await eventually(30, async () => expect((await fetch(`${url}/minio/health/live`)).status).toBe(200));
}, 90_000);

afterAll(async () => await containers.removeAll(), 60_000);

it("makes an account that may read the metrics, twice with the same end", async () => {
  expect(await status(minioMetricsPath, token)).toBe(403);
  for (const time of ["first", "second"]) {
    const result = await bash(renderMinioMetricsAccount(minio, clientFile, url), `${secretKey}\n${token}\n`);
    expect(result.exitCode, `${time}: ${result.stderr}`).toBe(0);
    expect(`${result.stdout}${result.stderr}`).not.toContain(secretKey);
  }
  expect(await status(minioMetricsPath, token)).toBe(200);
  expect(await status(minioMetricsPath, minioMetricsToken("im_metrics", "another key"))).toBe(403);
});

it("lets the account do nothing else", async () => {
  const made = await bash(
    script(minioInContainer, `minio_in_container ${minio} ${quote(clientFile)} 'client mb suite/chat' </dev/null`),
  );
  expect(made.exitCode, made.stderr).toBe(0);
  for (const args of [
    ["ls", "thief/chat"],
    ["mb", "thief/another"],
    ["admin", "info", "thief"],
    ["admin", "user", "list", "thief"],
    ["admin", "config", "get", "thief", "api"],
  ]) {
    expect(await asMetricsUser(...args), args.join(" ")).toMatch(/Access ?Denied/i);
  }
});

it("is read by Prometheus, with the token in a file", async () => {
  for (const name of ["rules.d", "targets.d", "secrets"])
    mkdirSync(join(folder, "prometheus", name), { recursive: true });
  const port = await freePort();
  prometheusUrl = `http://127.0.0.1:${port}`;
  configurePrometheus("minio-token");
  writeToken("minio-token", token);
  await run("chown", ["-R", "65534:65534", join(folder, "prometheus")]);
  chmodSync(folder, 0o755);
  await containers.start(
    "prometheus",
    "im-test-metrics-prometheus",
    ["--network", "host", "--user", "65534:65534", "--volume", `${join(folder, "prometheus")}:/etc/prometheus:ro`],
    [
      "--config.file=/etc/prometheus/prometheus.yml",
      "--storage.tsdb.path=/tmp/data",
      "--web.enable-lifecycle",
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  );
  await eventually(60, async () => {
    const answer = await fetch(`${prometheusUrl}/api/v1/query?query=minio_cluster_health_status`);
    const { data } = (await answer.json()) as { data: { result: { metric: object; value: [number, string] }[] } };
    expect(data.result.map((one) => [one.metric, one.value[1]])).toEqual([
      // MinIO's own label of the same name gives way to ours: messages and dashboards go by ours.
      [expect.objectContaining({ job: "minio", server: "a", exported_server: "127.0.0.1:9000" }), "1"],
    ]);
  });
});

it("reads another token after a reload with another file name, as a rotation does", async () => {
  const nextKey = "Zyxwvutsrq9876543210Zyxwvutsrq9876543210";
  const next = minioMetricsToken("im_metrics", nextKey);
  const result = await bash(renderMinioMetricsAccount(minio, clientFile, url), `${nextKey}\n${next}\n`);
  expect(result.exitCode, result.stderr).toBe(0);
  expect(await status(minioMetricsPath, token)).toBe(403);
  writeToken("minio-token-2", next);
  configurePrometheus("minio-token-2");
  expect((await fetch(`${prometheusUrl}/-/reload`, { method: "POST" })).status).toBe(200);
  await eventually(40, async () => {
    const answer = await fetch(`${prometheusUrl}/api/v1/targets`);
    const { data } = (await answer.json()) as { data: { activeTargets: { health: string; lastError: string }[] } };
    expect(data.activeTargets.map((one) => [one.health, one.lastError])).toEqual([["up", ""]]);
  });
});

it("says what to type when MinIO does not know the client", async () => {
  const wrong = join(folder, "wrong.json");
  writeFileSync(wrong, renderMinioClientConfig(root.accessKey, "not the key"));
  const result = await bash(renderMinioMetricsAccount(minio, wrong, url), `${secretKey}\n${token}\n`);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain("im:monitoring.minioMetrics false");
  expect(result.stderr).not.toContain(secretKey);
});

it("is taken away without a rest, and again when there is nothing left", async () => {
  for (const time of ["first", "second"]) {
    const result = await bash(renderRemoveMinioMetricsAccount(minio, clientFile));
    expect(result.exitCode, `${time}: ${result.stderr}`).toBe(0);
  }
  expect(await status(minioMetricsPath, token)).toBe(403);
  const left = await runChecked("docker", ["exec", minio, "find", "/data/.minio.sys/config/iam", "-name", "im*"]);
  expect(left.stdout).toBe("");
  expect((await bash(renderRemoveMinioMetricsAccount("im-test-no-such-container", clientFile))).exitCode).toBe(0);
});
