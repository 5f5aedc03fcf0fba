import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../../lib/process.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { eventually } from "../support/lab.ts";
import { settled, testConfiguration, useMocks } from "../support/mocks.ts";
import { freePort, ThrowAwayContainers } from "../support/throw-away.ts";

// What `up` does after it wrote prometheus.yml, against the real Prometheus. The container's name is the test's own.

const containers = new ThrowAwayContainers();
const name = "im-test-reload-prometheus";
const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-reload-"));
let port: number;
let reloadCommand: string;

const configure = (server: string) =>
  writeFileSync(join(folder, "prometheus.yml"), renderPrometheusConfig({ server, jobs: [] }));
const loaded = async () => await (await fetch(`http://127.0.0.1:${port}/api/v1/status/config`)).text();
const reload = (listenPort: number) =>
  run("bash", [
    "-c",
    reloadCommand.replaceAll("127.0.0.1:9091", `127.0.0.1:${listenPort}`).replaceAll("im-prometheus", name),
  ]);

beforeAll(async () => {
  const all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "adopt" }));
  await settled();
  const create = String(all.find((one) => one.name === "a-prometheus-configuration-command")?.inputs["create"]);
  // Out of `timeout … bash -c '…'`, then the one line that reloads.
  const script = create.slice(create.indexOf("'") + 1, -1).replaceAll(`'\\''`, "'");
  reloadCommand = script.split("\n").find((line) => line.includes("/-/reload")) ?? "";
  expect(reloadCommand).not.toBe("");

  port = await freePort();
  for (const sub of ["rules.d", "targets.d"]) mkdirSync(join(folder, sub));
  configure("before");
  await run("chmod", ["-R", "a+rX", folder]);
  await containers.start(
    "prometheus",
    name,
    ["--network", "host", "--volume", `${folder}:/etc/prometheus:ro`],
    [
      "--config.file=/etc/prometheus/prometheus.yml",
      "--storage.tsdb.path=/tmp/data",
      "--web.enable-lifecycle",
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  );
  await eventually(30, async () => expect((await fetch(`http://127.0.0.1:${port}/-/ready`)).status).toBe(200));
}, 90_000);

afterAll(async () => await containers.removeAll(), 60_000);

it("reloads a Prometheus that listens where it should", async () => {
  configure("after");
  const result = await reload(port);
  expect(result.exitCode, result.stderr).toBe(0);
  expect(await loaded()).toContain("server: after");
});

it("leaves one alone that listens elsewhere: it is replaced next", async () => {
  configure("later");
  const result = await reload(await freePort());
  expect(result.exitCode, result.stderr).toBe(0);
  expect(await loaded()).not.toContain("server: later");
});

it("fails when Prometheus refuses the file", async () => {
  writeFileSync(join(folder, "prometheus.yml"), "scrape_configs: nonsense\n");
  expect((await reload(port)).exitCode).not.toBe(0);
});
