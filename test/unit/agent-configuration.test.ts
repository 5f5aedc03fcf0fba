import { describe, expect, it } from "vitest";
import { type AgentConfigurationFile, agentConfiguration } from "../../agent/configuration.ts";

const smallest: AgentConfigurationFile = {
  server: { name: "a", address: "198.18.0.11" },
  peer: { name: "b", address: "198.18.0.12" },
  mysql: { container: "im-mysql-prod", port: 3307, peer: { address: "198.18.0.12" } },
  votes: { witness: "etcd", endpoints: ["https://198.18.0.11:2379"] },
};

describe("the controller's configuration", () => {
  it("fills in what is the same on every server", () => {
    const read = agentConfiguration.parse(smallest);
    expect(read.mysql.peer.port).toBe(3318);
    expect(read.http).toMatchObject({ port: 8008, localPort: 8009 });
    expect(read.limits.degradeAfter).toBe(3000);
    expect(read.vip).toEqual({ mode: "none" });
  });

  it.each([
    ["a misspelt bound", { limits: { degradAfter: 1 } }, "degradAfter"],
    ["a server that is its own peer", { peer: { name: "a", address: "198.18.0.12" } }, "the other server's name"],
    ["a name instead of an address", { peer: { name: "b", address: "server-b" } }, "not a name"],
    ["a hook without an absolute path", { vip: { mode: "hook", command: ["move-ip"] } }, "an absolute path"],
    ["etcd without addresses", { votes: { witness: "etcd", endpoints: [] } }, "etcd's members"],
  ])("refuses %s", (_what, change, message) => {
    const parsed = agentConfiguration.safeParse({ ...smallest, ...change });
    expect(JSON.stringify(parsed.error?.issues)).toContain(message);
  });
});
