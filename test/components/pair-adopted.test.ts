import { beforeAll, describe, expect, it, vi } from "vitest";
import type { StackOutputs } from "../../stacks/stage1-outputs.ts";
import { canary, type Registered, settled, useMocks } from "../support/mocks.ts";
import { testPair } from "../support/pair.ts";

// The real ones bundle the controller and fetch Node.
vi.mock("../../components/failover/program-files.ts", () => import("../support/program-files.ts"));

let all: readonly Registered[];
let outputs: StackOutputs;
const commands = () => all.filter((one) => one.type === "command:remote:Command");
const containers = () => all.filter((one) => one.type === "docker:index/container:Container");

beforeAll(async () => {
  all = await useMocks();
  const { stage2 } = await import("../../stacks/stage2.ts");
  const { configuration, below } = testPair({ mode: "adopt" });
  outputs = stage2(configuration, below);
  await settled();
});

/** Commands that run on server a. */
const onA = () => commands().filter((one) => (one.inputs["connection"] as { host: string }).host === "198.18.0.11");

describe("stage 2 on an adopted suite", () => {
  it("adds the moved containers to server b, and none to server a", () => {
    const moved = containers().filter((one) =>
      /^im-(mysql|redis|minio|backend|admin)$/.test(String(one.inputs["name"])),
    );
    expect(moved.map((one) => one.inputs["name"]).sort()).toEqual([
      "im-admin",
      "im-backend",
      "im-minio",
      "im-mysql",
      "im-redis",
    ]);
    expect(containers().every((one) => one.name.startsWith("b-"))).toBe(true);
  });

  it("never stops, restarts, signals or rewrites anything of the suite on server a", () => {
    expect(onA().length).toBeGreaterThan(20);
    for (const { name, inputs } of onA()) {
      for (const field of ["create", "update", "delete"]) {
        const text = String(inputs[field] ?? "");
        expect(text, `${name} ${field}`).not.toMatch(/docker (restart|stop|kill|rm|update|start|compose)/);
        expect(text, `${name} ${field}`).not.toContain("/root/im-suite");
      }
    }
  });

  it("gives server b's containers the names that they have on server a", () => {
    const aliases = Object.fromEntries(
      containers().map((one) => [
        one.inputs["name"],
        (one.inputs["networksAdvanced"] as { aliases?: string[] }[] | undefined)?.[0]?.aliases,
      ]),
    );
    expect(aliases).toMatchObject({
      "im-mysql": ["im-mysql-prod"],
      "im-redis": ["im-redis-prod"],
      "im-minio": ["im-minio-prod"],
      "im-backend": ["im-backend-prod"],
      "im-admin": ["im-admin-prod"],
    });
  });

  it("runs server a's images, by id", () => {
    const images = all.filter((one) => one.type === "docker:index/remoteImage:RemoteImage");
    expect(images.map((one) => one.inputs["name"])).toContain("im-suite/mysql:0123456789ab");
  });

  it("publishes nothing of server b on a public address", () => {
    for (const { inputs } of containers()) {
      for (const port of (inputs["ports"] ?? []) as { ip: string }[]) expect(port.ip).toBe("127.0.0.1");
    }
  });

  it("keeps passwords out of everything but secrets", () => {
    const known = [...Object.values(canary), "canaryexporter", "canary-application", "canary-backup-key", "generated"];
    for (const { name, type, inputs, secrets } of all) {
      // The copied backend knows no other way than its environment, as on server a.
      const { stdin, envs, ...rest } = inputs;
      const text = JSON.stringify(rest);
      if (type.startsWith("tls:")) continue;
      for (const secret of known) expect(text, `${type} ${name}`).not.toContain(JSON.stringify(secret).slice(1, -1));
      if (/canary|generated/.test(JSON.stringify(stdin ?? ""))) expect(secrets, name).toContain("stdin");
      if (JSON.stringify(envs ?? "").includes("canary")) expect(secrets, name).toContain("envs");
    }
  });

  it("says the costs with the witness, the virtual IP, and when to move the name", () => {
    expect(outputs.servers).toEqual({ a: "198.18.0.11", b: "198.18.0.12", witness: "198.18.0.13" });
    expect(outputs.virtualIp).toBe("198.18.0.100");
    expect(outputs.monthlyCost.items).toMatchObject({ "second server": 500, witness: 50 });
    expect(outputs.monthlyCost.total).toBe(1400);
    expect(outputs.endpoints["mysql"]).toBe("198.18.0.100:3307");
    expect(outputs.nextSteps[0]).toContain("point the name that your clients use at 198.18.0.100");
    expect(outputs.nextSteps.join("\n")).toContain("MinIO keeps every version");
  });
});
