import { beforeAll, describe, expect, it } from "vitest";
import type { StackOutputs } from "../../stacks/stage1-outputs.ts";
import { canary, type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
let outputs: StackOutputs;
const commands = () => all.filter((one) => one.type === "command:remote:Command");
const containers = () => all.filter((one) => one.type === "docker:index/container:Container");

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  outputs = stage1(testConfiguration({ mode: "adopt" }));
  await settled();
});

describe("an adopted suite", () => {
  it("gets exporters, a Prometheus and an Alertmanager of ours, and nothing else", () => {
    expect(
      containers()
        .map((one) => one.inputs["name"])
        .sort(),
    ).toEqual([
      "im-alertmanager",
      "im-blackbox-exporter",
      "im-mysqld-exporter",
      "im-node-exporter",
      "im-prometheus",
      "im-redis-exporter",
    ]);
  });

  it("is never stopped, restarted, signalled or rewritten by a script", () => {
    for (const { name, inputs } of commands()) {
      for (const field of ["create", "update", "delete"]) {
        const text = String(inputs[field] ?? "");
        expect(text, `${name} ${field}`).not.toMatch(/docker (restart|stop|kill|rm|update|start|compose)/);
        expect(text, `${name} ${field}`).not.toContain("/root/im-suite");
        expect(text, `${name} ${field}`).not.toContain("apt-get install docker");
      }
    }
  });

  it("lets nothing of ours listen on a public address", () => {
    for (const { inputs } of containers()) {
      expect(inputs["ports"] ?? []).toEqual([]);
      expect(JSON.stringify(inputs["command"])).toContain("--web.listen-address=127.0.0.1:");
    }
  });

  it("keeps the operator's passwords out of everything but secret stdin", () => {
    for (const { name, type, inputs, secrets } of all) {
      const { stdin, ...rest } = inputs;
      const text = JSON.stringify(rest);
      for (const secret of Object.values(canary)) {
        expect(text, `${type} ${name}`).not.toContain(JSON.stringify(secret).slice(1, -1));
      }
      if (JSON.stringify(stdin ?? "").includes("canary")) expect(secrets, name).toContain("stdin");
    }
  });

  it("writes every file with credentials so that only its reader can read it", () => {
    const files = commands().filter(
      (one) => one.secrets.includes("stdin") && /-file-command|credentials-command/.test(one.name),
    );
    expect(files.length).toBeGreaterThanOrEqual(5);
    for (const { name, inputs } of files) expect(String(inputs["create"]), name).toMatch(/chmod -- '?0?(600|400|440)/);
  });

  it("says the roadmap's cost of stage 1 and where everything is", () => {
    expect(outputs.monthlyCost).toEqual({ currency: "CNY", items: { "main server": 800 }, total: 800 });
    expect(outputs.servers).toEqual({ a: "198.18.0.11" });
    expect(outputs.endpoints["mysql"]).toBe("198.18.0.11:3307");
    expect(outputs.virtualIp).toBeNull();
  });
});
