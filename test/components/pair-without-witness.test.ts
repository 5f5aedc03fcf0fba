import { expect, it, vi } from "vitest";
import { settled, useMocks } from "../support/mocks.ts";
import { testPair } from "../support/pair.ts";

// The real ones bundle the controller and fetch Node.
vi.mock("../../components/failover/program-files.ts", () => import("../support/program-files.ts"));

it("a first preview of exactly two servers plans no votes, no virtual IP, and says what that means", async () => {
  const all = await useMocks(true);
  const { stage2 } = await import("../../stacks/stage2.ts");
  const { configuration, below } = testPair(
    { mode: "create", without: ["redis", "minio"] },
    { witness: { mode: "none", policy: "failover" }, vip: { mode: "hook", command: ["/usr/local/bin/move-ip", "x"] } },
  );
  const outputs = stage2(configuration, below);
  await settled();
  const names = all.map((one) => one.name);
  expect(names.filter((name) => /votes|witness|virtual-ip|b-suite-(redis|minio)|minio-replication/.test(name))).toEqual([]);
  // What only an `up` knows must not decide what exists.
  expect(all.filter((one) => one.type === "docker:index/container:Container").map((one) => one.inputs["name"])).toEqual(
    expect.arrayContaining(["im-mysql", "im-backend", "im-admin", "im-node-exporter", "im-mysqld-exporter"]),
  );
  const agent = all.find((one) => one.name === "b-controller-configuration-command")?.inputs["stdin"];
  expect(JSON.parse(String(agent))).toMatchObject({
    votes: { witness: "none", policy: "failover" },
    vip: { mode: "hook", command: ["/usr/local/bin/move-ip", "x"] },
  });
  expect(outputs.virtualIp).toBeNull();
  expect(outputs.servers).not.toHaveProperty("witness");
  expect(outputs.monthlyCost.total).toBe(1350);
  expect(outputs.nextSteps.join("\n")).toContain("writes wait until you type on server a: im-ha degrade --peer-is-off");
});
