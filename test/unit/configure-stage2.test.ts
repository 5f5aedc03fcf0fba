import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { FileAsker } from "../../commands/configure/ask.ts";
import { fingerprint } from "../../commands/configure/server-checks.ts";
import { askStage2, networkOf } from "../../commands/configure/stage2-questions.ts";
import type { InterfaceAddress } from "../../preflight/pair-facts.ts";
import { adoptableFacts, bareFacts, pairConfiguration } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "im-configure-stage2-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyForATest000000000000000000000000000";
const key = join(folder, "key");
writeFileSync(key, "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", { mode: 0o600 });

vi.mock("../../commands/configure/server-checks.ts", async (original) => ({
  ...(await original<typeof import("../../commands/configure/server-checks.ts")>()),
  scanHostKeys: async () => [hostKey],
}));
const eth0 = (address: string): InterfaceAddress => ({ interface: "eth0", address, prefixLength: 24 });
const facts = (address: string) => ({
  machineId: address,
  addresses: [{ interface: "lo", address: "127.0.0.1", prefixLength: 8 }, eth0(address)],
  activeUnits: [],
  roundTripMilliseconds: 0.3,
  routed: false,
  vipHolder: "",
  vrrp: [],
  wasMember: false,
  mysql: undefined,
});
vi.mock("../../preflight/probe.ts", () => ({ probe: async () => ({ facts: bareFacts(), output: "" }) }));
vi.mock("../../commands/configure/pair-addresses.ts", () => ({
  lookAtAddresses: async (server: { address: string }) => facts(server.address).addresses,
}));
const redisOnLoopback = () => ({
  ...adoptableFacts(),
  containers: adoptableFacts().containers.map((one) =>
    one.name === "im-redis-prod"
      ? { ...one, published: [{ address: "127.0.0.1", port: 6379, containerPort: 6379 }] }
      : one,
  ),
});
vi.mock("../../preflight/pair-probe.ts", () => ({
  noPairQuestions: {},
  probePair: async () => ({
    a: { general: redisOnLoopback(), pair: facts("10.0.0.11") },
    b: { general: bareFacts(), pair: facts("10.0.0.12") },
    witness: { general: bareFacts(), pair: facts("10.0.0.13") },
  }),
}));

async function answered(answers: Record<string, unknown>, existing: Record<string, unknown> = {}) {
  const file = join(folder, "answers.json");
  writeFileSync(file, JSON.stringify(answers), { mode: 0o600 });
  chmodSync(file, 0o600);
  const told: string[] = [];
  const ask = new FileAsker(file, () => {});
  const result = await askStage2({ ask, tell: (text) => told.push(text), existing }, pairConfiguration().foundation);
  ask.requireAllTaken();
  return result;
}

const server = (name: string, address: string) => ({
  [`${name}.address`]: address,
  [`${name}.hostKey`]: fingerprint(hostKey),
  [`${name}.privateKeyFile`]: key,
});

describe("configure for stage 2", () => {
  it("writes the second server, the witness and the virtual IP, with what it found on them", async () => {
    const { raw, findings } = await answered({
      ...server("servers.b", "10.0.0.12"),
      "witness.mode": "host",
      ...server("witness", "10.0.0.13"),
      "vip.mode": "keepalived",
      "vip.address": "10.0.0.100",
    });
    expect(raw).toEqual({
      stage: 2,
      servers: { b: { address: "10.0.0.12", privateKeyFile: key, hostKey } },
      witness: { mode: "host", address: "10.0.0.13", privateKeyFile: key, hostKey },
      vip: {
        mode: "keepalived",
        address: "10.0.0.100",
        prefixLength: 24,
        interface: "eth0",
        // Redis listens on 127.0.0.1 there, so HAProxy answers for it.
        servedBySuite: ["mysql", "minio", "backend", "admin"],
      },
    });
    expect(findings.filter((one) => one.level === "refuse")).toEqual([]);
  });

  it("asks what shall happen by itself when there are exactly two", async () => {
    const { raw } = await answered({
      ...server("servers.b", "10.0.0.12"),
      "witness.mode": "none",
      "witness.policy": "availability",
      "vip.mode": "hook",
      "vip.command": "/usr/local/bin/move-ip eip-1",
    });
    expect(raw).toMatchObject({
      witness: { mode: "none", policy: "availability" },
      vip: { mode: "hook", command: ["/usr/local/bin/move-ip", "eip-1"] },
    });
  });

  it.each([
    [{ "vip.address": "10.0.0.12" }, "this is server b's own address"],
    [{ "vip.address": "192.168.9.9" }, "server a has no network with it"],
  ])("refuses %j", async (change, message) => {
    await expect(
      answered({
        ...server("servers.b", "10.0.0.12"),
        "witness.mode": "none",
        "vip.mode": "keepalived",
        ...change,
      }),
    ).rejects.toThrow(message);
  });

  it("finds the network of an address", () => {
    const addresses = [eth0("10.0.0.11"), { interface: "eth1", address: "10.1.0.11", prefixLength: 16 }];
    expect(networkOf(addresses, "10.1.200.3")?.interface).toBe("eth1");
    expect(networkOf(addresses, "10.0.1.3")).toBeUndefined();
  });
});
