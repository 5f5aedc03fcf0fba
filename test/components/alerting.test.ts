import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { StackOutputs } from "../../stacks/stage1-outputs.ts";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

const secrets = {
  mailPassword: `canary-mail-'"$ 密`,
  webhooks: { ops: "https://hooks.example.com/canary-ops" },
  wecomRobotUrl: "https://robot.example.com/canary-wecom",
  dingtalkRobotUrl: "https://robot.example.com/canary-dingtalk",
  feishuRobotUrl: "https://robot.example.com/canary-feishu",
  deadMansSwitchUrl: "https://switch.example.com/canary-switch",
};

let all: readonly Registered[];
let outputs: StackOutputs;
const command = (name: string) => {
  const found = all.find((one) => one.type === "command:remote:Command" && one.name === `${name}-command`);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
};
const container = (name: string) => {
  const found = all.find((one) => one.type === "docker:index/container:Container" && one.inputs["name"] === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found.inputs;
};

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  outputs = stage1(
    testConfiguration(
      { mode: "adopt", without: ["redis"] },
      {
        alerts: {
          mail: { smarthost: "smtp.example.com:587", from: "im@example.com", to: ["ops@example.com"], user: "im" },
        },
        alertCredentials: secrets,
        monitoring: { backendMetricsPath: "", tlsEndpoints: ["api.example.com:443"] },
      },
    ),
  );
  await settled();
});

describe("alerts of an adopted suite", () => {
  it("come from a Prometheus of our own, with its own port and data, on the loopback", () => {
    const prometheus = container("im-prometheus");
    expect(prometheus["command"]).toContain("--web.listen-address=127.0.0.1:9091");
    expect(JSON.stringify(prometheus["mounts"])).toContain("/var/lib/im-suite/monitoring/prometheus");
    const alertmanager = container("im-alertmanager");
    expect(alertmanager["command"]).toContain("--web.listen-address=127.0.0.1:9093");
    // Without it Alertmanager opens port 9094 on every address.
    expect(alertmanager["command"]).toContain("--cluster.listen-address=");
    // A week is the longest repeat.
    expect(alertmanager["command"]).toContain("--data.retention=192h");
    expect(outputs.endpoints["prometheus"]).toBe("http://198.18.0.11:9090");
    expect(outputs.endpoints["ownPrometheus"]).toBe("http://127.0.0.1:9091");
    expect(outputs.endpoints["alertmanager"]).toBe("http://127.0.0.1:9093");
  });

  it("watch what the suite has, by job, with the server's name on every target", () => {
    const config = parse(String(command("a-prometheus-configuration").inputs["stdin"]));
    const jobs = config.scrape_configs.filter((job: { job_name: string }) => job.job_name !== "added");
    expect(jobs.map((job: { job_name: string }) => job.job_name)).toEqual([
      "prometheus",
      "alertmanager",
      "node",
      "mysql",
      "blackbox",
      "minio",
      "probe-backend",
      "probe-admin",
      "probe-minio",
      "probe-tls",
    ]);
    for (const job of jobs) expect(job.static_configs[0].labels).toEqual({ server: "a" });
    expect(config.alerting.alertmanagers[0].static_configs[0].targets).toEqual(["127.0.0.1:9093"]);
    const rules = String(command("a-alerting-rules").inputs["stdin"]);
    expect(rules).not.toContain("alert: RedisDown");
    expect(rules).not.toContain("BackendErrorRateHigh");
    expect(rules).toContain("TLSCertificateExpiring");
    // Every job that a rule asks for exists, or the rule could never fire.
    const named = [...rules.matchAll(/job="([a-z-]+)"/g)].map((match) => match[1]);
    expect(named.length).toBeGreaterThan(4);
    for (const job of named) expect(jobs.map((one: { job_name: string }) => one.job_name)).toContain(job);
  });

  it("keeps the receivers' secrets in files that Alertmanager alone reads", () => {
    const values = [secrets.mailPassword, secrets.webhooks.ops, ...Object.values(secrets).slice(2)] as string[];
    for (const value of values) {
      const files = all.filter((one) => one.inputs["stdin"] === value);
      expect(files, value).toHaveLength(1);
      expect(files[0]?.secrets).toContain("stdin");
      expect(String(files[0]?.inputs["create"])).toMatch(/chmod -- '?0400.*chown -- '?65534:65534/s);
    }
    for (const { name, inputs } of all) {
      if (values.includes(String(inputs["stdin"]))) continue;
      expect(JSON.stringify(inputs), name).not.toContain("canary-ops");
      expect(JSON.stringify(inputs), name).not.toContain("canary-mail");
    }
    const config = parse(String(command("a-alerting-configuration").inputs["stdin"]));
    expect(config.receivers[1].email_configs[0].auth_password_file).toBe("/etc/alertmanager-secrets/mail-password");
    expect(config.receivers[1].webhook_configs).toHaveLength(4);
  });

  it("asks Prometheus after a reload whether the groups are there", () => {
    const create = String(command("a-alerting-rules").inputs["create"]);
    expect(create).toContain("promtool check rules");
    expect(create).toContain("/api/v1/rules");
    for (const group of ["system_alerts", "im_host", "im_mysql", "im_services", "im_monitoring"]) {
      expect(create).toContain(`"name":"${group}"`);
    }
  });

  it("says nothing of missing receivers when there are some", () => {
    expect(outputs.nextSteps.join("\n")).not.toContain("Alerts reach nobody");
  });
});
