import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ImageKey } from "../../config/images.ts";
import { labLabel } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { run, runChecked } from "../../lib/process.ts";
import { renderAlertRules } from "../../templates/alert-rules.ts";
import { renderAlertmanagerConfig } from "../../templates/alertmanager.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { message, type Sink, smtpSink, webhookSink } from "../support/message-sinks.ts";

// The real Prometheus and Alertmanager with the files that we render; only the exporter is a stand-in, so that the fault has an
// exact moment. The whole way on a server, with a real MySQL, belongs to the lab.

const here = "127.0.0.1";
let mysqlUp = 1;
let exporter: Server;
let hooks: Sink;
let mails: Sink;
const containers: string[] = [];

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, here);
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function start(key: ImageKey, folder: string, target: string, args: string[]): Promise<void> {
  const image = readImages()[key];
  if (image === undefined || !("definition" in image)) throw new Error(`the lab has no image ${key}`);
  const started = await runChecked("docker", [
    ...["run", "--detach", "--rm", "--network", "host", "--label", labLabel],
    ...["--volume", `${folder}:${target}:ro`, image.definition, ...args],
  ]);
  containers.push(started.stdout.trim());
}

beforeAll(async () => {
  hooks = await webhookSink(here);
  mails = await smtpSink(here);
  exporter = createServer((_request, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end(`mysql_up ${mysqlUp}\n`);
  }).listen(0, here);
  await new Promise((done) => exporter.once("listening", done));

  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-alerts-"));
  const prometheusFolder = join(folder, "prometheus");
  const alertmanagerFolder = join(folder, "alertmanager");
  for (const name of ["rules.d", "targets.d"]) mkdirSync(join(prometheusFolder, name), { recursive: true });
  mkdirSync(alertmanagerFolder);
  const alertmanager = `${here}:${await freePort()}`;
  writeFileSync(
    join(prometheusFolder, "prometheus.yml"),
    renderPrometheusConfig({
      server: "a",
      alertmanager,
      jobs: [{ name: "mysql", targets: [`${here}:${(exporter.address() as AddressInfo).port}`] }],
    }),
  );
  writeFileSync(
    join(prometheusFolder, "rules.d", "im-suite.yml"),
    renderAlertRules({
      server: "a",
      redis: false,
      minio: false,
      backend: false,
      admin: false,
      backendMetrics: false,
      tls: false,
      healthCheckIntervalMinutes: 5,
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
    `--web.listen-address=${alertmanager}`,
    "--cluster.listen-address=",
  ]);
  await start("prometheus", prometheusFolder, "/etc/prometheus", [
    "--config.file=/etc/prometheus/prometheus.yml",
    "--storage.tsdb.path=/prometheus",
    `--web.listen-address=${here}:${await freePort()}`,
  ]);
}, 60_000);

afterAll(async () => {
  for (const container of containers) await run("docker", ["rm", "--force", "--volumes", container]);
  exporter?.close();
  await hooks?.close();
  await mails?.close();
});

it("a dead MySQL reaches every receiver within 1 m + 40 s, its end too, and the watchdog its switch", async () => {
  // The watchdog says that the whole way works, before the fault.
  await message(hooks, "/switch", "Watchdog", 120);
  mysqlUp = 0;
  const fault = Date.now();
  const paths = ["/ops", "/wecom", "/dingtalk", "/feishu"];
  const down = await Promise.all([
    ...paths.map((path) => message(hooks, path, "MySQL 服务宕机", 100)),
    message(mails, "", "MySQL 服务不可用", 100),
  ]);
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
}, 400_000);
