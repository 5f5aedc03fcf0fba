import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ImageKey } from "../../config/images.ts";
import { labLabel, labNetwork } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { run, runChecked } from "../../lib/process.ts";
import { renderAlertRules } from "../../templates/alert-rules.ts";
import { renderAlertmanagerConfig } from "../../templates/alertmanager.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { type Message, message, type Sink, smtpSink, webhookSink } from "../support/message-sinks.ts";

// The real Prometheus and Alertmanager with the files that we render; only the exporters are a stand-in, so that the fault has an
// exact moment. The whole way on a server, with a real MySQL, belongs to the lab.

/** Where the containers see this machine, and this machine them. Each has an address of its own there: no port can be taken. */
const here = labNetwork.gateway;
let mysqlUp = 1;
let hostUp = true;
let exporter: Server;
let hooks: Sink;
let mails: Sink;
const containers = new Map<string, string>();

async function start(key: ImageKey, folder: string, target: string, args: string[]): Promise<void> {
  const image = readImages()[key];
  if (image === undefined || !("definition" in image)) throw new Error(`the lab has no image ${key}`);
  const started = await runChecked("docker", [
    ...["run", "--detach", "--network", labNetwork.name, "--name", nameOf(key), "--label", labLabel],
    ...["--volume", `${folder}:${target}:ro`, image.definition, ...args],
  ]);
  containers.set(key, started.stdout.trim());
}

/** The container's name, and its address for the other one. */
const nameOf = (key: string) => `im-test-${key}-${process.pid}`;

/** A container that ended, or that says why it sent nothing, is the reason of whatever else failed. */
async function withLogs<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const logs = await Promise.all(
      [...containers].map(async ([key, id]) => {
        const { stdout, stderr } = await run("docker", ["logs", "--tail", "15", id]);
        return `${key}:\n${stdout}${stderr}`;
      }),
    );
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${logs.join("\n")}`);
  }
}

beforeAll(async () => {
  hooks = await webhookSink(here);
  mails = await smtpSink(here);
  exporter = createServer((request, response) => {
    if (!hostUp) {
      request.socket.destroy();
      return;
    }
    response.setHeader("content-type", "text/plain; version=0.0.4");
    // A health check that is missing for five minutes is an alert too.
    response.end(`mysql_up ${mysqlUp}\nredis_up 1\nim_health_check_timestamp_seconds ${Date.now() / 1000}\n`);
  }).listen(0, here);
  await new Promise((done) => exporter.once("listening", done));

  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-alerts-"));
  const prometheusFolder = join(folder, "prometheus");
  const alertmanagerFolder = join(folder, "alertmanager");
  for (const name of ["rules.d", "targets.d"]) mkdirSync(join(prometheusFolder, name), { recursive: true });
  mkdirSync(alertmanagerFolder);
  const exporters = `${here}:${(exporter.address() as AddressInfo).port}`;
  writeFileSync(
    join(prometheusFolder, "prometheus.yml"),
    renderPrometheusConfig({
      server: "a",
      alertmanager: `${nameOf("alertmanager")}:9093`,
      jobs: ["node", "mysql", "redis"].map((name) => ({ name, targets: [exporters] })),
    }),
  );
  writeFileSync(
    join(prometheusFolder, "rules.d", "im-suite.yml"),
    renderAlertRules({
      server: "a",
      redis: true,
      minio: false,
      backend: false,
      admin: false,
      backendMetrics: false,
      tls: false,
      healthCheckIntervalMinutes: 5,
      backup: undefined,
      growth: undefined,
    }),
  );
  const addressFile = (name: string) => {
    writeFileSync(join(alertmanagerFolder, name), `http://${here}:${hooks.port}/${name}`);
    return `/etc/alertmanager/${name}`;
  };
  writeFileSync(
    join(alertmanagerFolder, "alertmanager.yml"),
    renderAlertmanagerConfig({
      mail: { smarthost: `${here}:${mails.port}`, from: "im@example.com", to: ["ops@example.com"], requireTls: false },
      webhookFiles: { ops: addressFile("ops") },
      robotFiles: { wecom: addressFile("wecom"), dingtalk: addressFile("dingtalk"), feishu: addressFile("feishu") },
      deadMansSwitchFile: addressFile("switch"),
      repeatHours: 4,
    }),
  );
  await run("chmod", ["-R", "a+rX", folder]);
  await start("alertmanager", alertmanagerFolder, "/etc/alertmanager", [
    "--config.file=/etc/alertmanager/alertmanager.yml",
    "--storage.path=/alertmanager",
    "--cluster.listen-address=",
  ]);
  await start("prometheus", prometheusFolder, "/etc/prometheus", [
    "--config.file=/etc/prometheus/prometheus.yml",
    "--storage.tsdb.path=/prometheus",
  ]);
}, 120_000);

afterAll(async () => {
  for (const container of containers.values()) await run("docker", ["rm", "--force", "--volumes", container]);
  exporter?.close();
  await hooks?.close();
  await mails?.close();
  // Docker takes its time on a loaded machine; what is left here would run for ever.
}, 60_000);

it("a dead MySQL reaches every receiver within 1 m + 40 s, its end too, and the watchdog its switch", async () => {
  // The watchdog says that the whole way works, before the fault. Prometheus does not know its Alertmanager for its first five
  // seconds, drops what it fires in them, and says it again 70 s later (resend delay of a minute, then the next round of
  // rules): 82 s for a start without hurry, and a minute more when a loaded machine makes it miss once again.
  await withLogs(message(hooks, "/switch", "Watchdog", 200));
  mysqlUp = 0;
  const fault = Date.now();
  const paths = ["/ops", "/wecom", "/dingtalk", "/feishu"];
  const down = await withLogs(
    Promise.all([
      ...paths.map((path) => message(hooks, path, "MySQL 服务宕机", 120)),
      message(mails, "", "MySQL 服务不可用", 120),
    ]),
  );
  const delays = down.map((one) => (one.at - fault) / 1000);
  for (const delay of delays) {
    expect(delay).toBeGreaterThanOrEqual(60);
    expect(delay).toBeLessThanOrEqual(100);
  }
  expect(JSON.parse(down[0]?.text ?? "")).toMatchObject({
    status: "firing",
    groupLabels: { server: "a", service: "mysql" },
  });
  expect(JSON.parse(down[1]?.text ?? "")).toMatchObject({
    msgtype: "text",
    text: { content: expect.stringContaining("🔥 告警 a mysql") },
  });
  expect(JSON.parse(down[2]?.text ?? "")).toMatchObject({ msgtype: "text" });
  expect(JSON.parse(down[3]?.text ?? "")).toMatchObject({ msg_type: "text", content: { text: expect.any(String) } });

  mysqlUp = 1;
  const healed = Date.now();
  const over = await Promise.all([
    message(hooks, "/ops", '"status":"resolved"', 90),
    ...paths.slice(1).map((path) => message(hooks, path, "✅ 告警恢复", 90)),
    message(mails, "", "[告警恢复]", 90),
  ]);
  const seconds = (values: number[]) => `${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)} s`;
  console.log(
    `delivered after ${seconds(delays)}, resolved after ${seconds(over.map((one) => (one.at - healed) / 1000))}`,
  );
}, 500_000);

it("a host that is down is told once: what runs on it is not told too", async () => {
  const before = hooks.messages.length;
  hostUp = false;
  const fault = Date.now();
  const down = await withLogs(message(hooks, "/ops", "服务器失联", 120, before));
  // Until long after the databases' own minute, and one more round of their group.
  await sleep(fault + 140_000 - Date.now());
  hostUp = true;
  const over = await withLogs(message(hooks, "/ops", '"status":"resolved"', 180, before));
  const sent = hooks.messages.slice(before).filter((one) => one.path === "/ops");
  const alerts = sent.flatMap((one) => JSON.parse(one.text).alerts as { labels: { alertname: string } }[]);
  expect(new Set(alerts.map((one) => one.labels.alertname))).toEqual(new Set(["HostDown"]));
  const seconds = (one: Message, since: number) => ((one.at - since) / 1000).toFixed(1);
  console.log(
    `host down: delivered after ${seconds(down, fault)} s, resolved ${seconds(over, fault + 140_000)} s after`,
  );
}, 500_000);
