import { describe, expect, it } from "vitest";
import { foundationOf } from "../../config/foundation.ts";
import { loadConfiguration, parseConfiguration } from "../../config/load.ts";
import { servedBySuite } from "../../config/pair.ts";
import { advertInterval, type KeepalivedConfiguration } from "../../config/pair-schema.ts";
import { adoptedConfiguration, createdConfiguration, pairConfiguration } from "./fixtures.ts";

const flat = (own: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(own).map(([key, value]) => [`im:${key}`, JSON.stringify(value)]));

type Own = ReturnType<typeof pairConfiguration>["own"];

function load(change: (own: Own) => void = () => {}) {
  const { own, foundation } = pairConfiguration();
  change(own);
  // As a stack output comes.
  return loadConfiguration(flat(own), JSON.parse(JSON.stringify(foundation)));
}

const refused = (change: (own: Own) => void): string => {
  try {
    load(change);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the configuration was accepted");
};

const merge = (own: Own, key: string, value: object) =>
  Object.assign(own, { [key]: { ...(own[key] as object), ...value } });

describe("the configuration of stage 2", () => {
  it("stands on that of stage 1, without its secrets", () => {
    const configuration = load();
    expect(configuration.servers.a?.address).toBe("10.0.0.11");
    expect(configuration.suite.mode).toBe("adopt");
    expect(configuration.adoptedCredentials).toBeUndefined();
    expect(configuration.redundancy.limits.degradeAfter).toBe(3000);
    const vip = configuration.vip as KeepalivedConfiguration;
    expect(vip).toMatchObject({ virtualRouterId: 51, vrrpVersion: 3, priorities: { a: 100, b: 90 } });
    expect(advertInterval(vip)).toBe(0.2);
    expect(JSON.stringify(foundationOf(parseConfiguration(adoptedConfiguration())))).not.toContain("root's pass");
  });

  it("adds to what stage 1 says of server a, key by key", () => {
    const configuration = load((own) => merge(own, "servers", { a: { privateAddress: "10.1.0.11" } }));
    expect(configuration.servers.a).toMatchObject({ address: "10.0.0.11", privateAddress: "10.1.0.11" });
  });

  it("takes the roadmap's VRRP", () => {
    const { vip } = load((own) => merge(own, "vip", { vrrpVersion: 2 }));
    expect(advertInterval(vip as KeepalivedConfiguration)).toBe(1);
  });

  it("knows what the suite itself answers on the virtual IP", () => {
    expect(servedBySuite(load())).toEqual(["mysql", "redis", "minio", "backend", "admin"]);
    expect(servedBySuite(load((own) => merge(own, "vip", { servedBySuite: ["backend"] })))).toEqual(["backend"]);
    const created = createdConfiguration();
    Object.assign(created.servers.a, { address: "10.0.0.11" });
    const { own } = pairConfiguration();
    const foundation = foundationOf(parseConfiguration(created));
    expect(servedBySuite(loadConfiguration(flat(own), foundation))).toEqual(["backend", "admin"]);
  });

  it.each<[string, (own: Own) => void, string[]]>([
    ["a key of stage 1", (own) => merge(own, "suite", { mode: "adopt" }), ["im:suite: stage 1 decides this"]],
    [
      "passwords of the suite",
      (own) => Object.assign(own, { adoptedCredentials: adoptedConfiguration().adoptedCredentials }),
      ["im:adoptedCredentials = (secret): the passwords come from stage 1"],
    ],
    ["no server b", (own) => Object.assign(own, { servers: {} }), ["im:servers.b is missing: stage 2 needs server b"]],
    ["no witness", (own) => delete own["witness"], ["im:witness is missing", '"host"', '"none"']],
    ["no vip", (own) => delete own["vip"], ["im:vip is missing", "no address is taken by default"]],
    [
      "a witness that is server b",
      (own) => merge(own, "witness", { address: "10.0.0.12" }),
      ['im:witness.address = "10.0.0.12": this is server b', "dies with it"],
    ],
    [
      "a public address between the servers",
      (own) => merge(own, "witness", { address: "203.0.113.30" }),
      ['im:witness.address = "203.0.113.30"', "expected a private IPv4 address in privateAddress"],
    ],
    [
      "a virtual IP that is a server's own",
      (own) => merge(own, "vip", { address: "10.0.0.12" }),
      ['im:vip.address = "10.0.0.12": this is server b\'s own address'],
    ],
    [
      "fractions of a second in version 2",
      (own) => merge(own, "vip", { vrrpVersion: 2, advertInterval: 0.2 }),
      ["im:vip.advertInterval = 0.2: VRRP version 2 knows whole seconds only"],
    ],
    [
      "one priority for both",
      (own) => merge(own, "vip", { priorities: { a: 100, b: 100 } }),
      ["im:vip.priorities", "expected two different priorities"],
    ],
    ["a misspelt mode", (own) => merge(own, "vip", { mode: "keepalive" }), ["im:vip.mode", '"keepalived"']],
    [
      "a hook that is no absolute path",
      (own) => Object.assign(own, { vip: { mode: "hook", command: ["move-ip"] } }),
      ["im:vip.command", "expected the absolute path"],
    ],
    [
      "a bound that nobody reads",
      (own) => Object.assign(own, { redundancy: { limits: { degradAfter: 1 } } }),
      ["im:redundancy.limits.degradAfter: unknown key"],
    ],
  ])("refuses %s", (_what, change, expected) => {
    const message = refused(change);
    for (const part of expected) expect(message).toContain(part);
    expect(message).not.toContain("Invalid input");
  });

  it("refuses ports of the suite that stage 2 needs", () => {
    const stage1 = adoptedConfiguration();
    Object.assign(stage1.servers.a, { address: "10.0.0.11" });
    Object.assign(stage1.suite, { ports: { mysql: 3318 } });
    const foundation = foundationOf(parseConfiguration(stage1));
    expect(() => loadConfiguration(flat(pairConfiguration().own), foundation)).toThrow(
      "im:suite.ports.mysql = 3318: stage 2 needs port 3318 for itself (mysqlReplication)",
    );
  });

  it("refuses keys of stage 2 in stage 1", () => {
    const stage1 = { ...adoptedConfiguration(), vip: { mode: "none" } };
    expect(() => parseConfiguration(stage1)).toThrow(
      'im:vip = "none": belongs to stage 2'.replace('"none"', '{"mode":"none"}'),
    );
  });
});
