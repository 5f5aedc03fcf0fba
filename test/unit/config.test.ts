import { describe, expect, test } from "vitest";
import { monthlyCost } from "../../config/costs.ts";
import { imageReference } from "../../config/images.ts";
import { loadConfiguration, parseConfiguration } from "../../config/load.ts";
import { ownPorts, suitePorts } from "../../config/ports.ts";
import { OperatorError } from "../../lib/errors.ts";
import { adoptedConfiguration, createdConfiguration, type RawConfiguration } from "./fixtures.ts";

/** The message that a changed configuration is refused with. */
function refusal(raw: RawConfiguration, change: (raw: RawConfiguration) => void): string {
  change(raw);
  try {
    parseConfiguration(raw);
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    return (error as OperatorError).message;
  }
  throw new Error("the configuration was accepted");
}

describe("what is accepted", () => {
  test("a created suite with all defaults", () => {
    const configuration = parseConfiguration(createdConfiguration());
    expect(configuration.suite.ports).toEqual(suitePorts);
    expect(configuration.servers.a).toMatchObject({ sshPort: 22, user: "root" });
    expect(configuration.healthCheck).toEqual({ intervalMinutes: 5, diskUsagePercent: 80 });
    expect(configuration.monitoring.listenAddress).toBe("127.0.0.1");
  });

  test("an adopted suite with passwords of any characters", () => {
    const raw = adoptedConfiguration();
    raw.adoptedCredentials.mysqlRootPassword = ` '"$\`\\!@#% 密码 {{}} `;
    expect(parseConfiguration(raw).adoptedCredentials?.mysqlRootPassword).toBe(` '"$\`\\!@#% 密码 {{}} `);
  });

  test("Pulumi's flat map: structured values are JSON, other namespaces are not ours", () => {
    const raw = createdConfiguration();
    const flat = Object.fromEntries(Object.entries(raw).map(([key, value]) => [`im:${key}`, JSON.stringify(value)]));
    expect(loadConfiguration({ ...flat, "pulumi:disable-default-providers": '["*"]' })).toEqual(
      parseConfiguration(raw),
    );
  });
});

describe("what is refused: the path, the value and what is expected", () => {
  test.each<[string, (raw: RawConfiguration) => void, string[]]>([
    ["an unknown key", (c) => Object.assign(c, { healthChek: {} }), ["im:healthChek: unknown key"]],
    ["an unknown key deep inside", (c) => Object.assign(c.servers.a, { port: 22 }), ["im:servers.a.port: unknown key"]],
    ["a server that no stage has", (c) => Object.assign(c.servers, { d: c.servers.a }), ["im:servers.d: unknown key"]],
    [
      "a name instead of an address",
      (c) => Object.assign(c.servers.a, { address: "example.com" }),
      ['im:servers.a.address = "example.com"', "expected the IP address"],
    ],
    [
      "an address that means every server",
      (c) => Object.assign(c.servers.a, { address: "0.0.0.0" }),
      ['im:servers.a.address = "0.0.0.0"', "expected the IP address"],
    ],
    [
      "a missing address",
      (c) => Object.assign(c.servers.a, { address: undefined }),
      ["im:servers.a.address is missing", "expected the IP address"],
    ],
    [
      "the same address twice",
      (c) => Object.assign(c.servers, { b: c.servers.a }),
      ['im:servers.b.address = "203.0.113.10"', "server a has the same address"],
    ],
    ["no server a", (c) => Object.assign(c, { servers: {} }), ["im:servers.a is missing", "stage 1 needs server a"]],
    [
      "a port out of range",
      (c) => Object.assign(c.servers.a, { sshPort: 70_000 }),
      ["im:servers.a.sshPort = 70000", "from 1 to 65535"],
    ],
    [
      "a port that is text",
      (c) => Object.assign(c.suite, { ports: { redis: "6379" } }),
      ['im:suite.ports.redis = "6379"', "expected a port number"],
    ],
    [
      "two services on one port, one of them by default",
      (c) => Object.assign(c.suite, { ports: { mysql: 6379 } }),
      ["im:suite.ports.redis = 6379", "already taken by mysql"],
    ],
    [
      "a service on a port of ours",
      (c) => Object.assign(c.suite, { ports: { backend: ownPorts.nodeExporter } }),
      ["im:suite.ports.backend = 9100", "already taken by our nodeExporter"],
    ],
    [
      "a host key with the address before it",
      (c) => Object.assign(c.servers.a, { hostKey: "203.0.113.10 ssh-ed25519 AAAA" }),
      ["im:servers.a.hostKey = ", "expected a public host key"],
    ],
    ["another user than root", (c) => Object.assign(c.servers.a, { user: "admin" }), ['im:servers.a.user = "admin"']],
    ["a misspelt mode", (c) => Object.assign(c.suite, { mode: "adapt" }), ['im:suite.mode = "adapt"', '"adopt"']],
    [
      "a created suite with passwords",
      (c) => Object.assign(c, { adoptedCredentials: adoptedConfiguration().adoptedCredentials }),
      ["im:adoptedCredentials = (secret)", "remove this key"],
    ],
    [
      "a suite without its database",
      (c) => Object.assign(c.suite, { without: ["mysql"] }),
      ['im:suite.without = ["mysql"]', "needs its database"],
    ],
    ["an unknown image", (c) => Object.assign(c, { images: { bakend: "x:1" } }), ["im:images.bakend: unknown key"]],
    [
      "an image with a blank",
      (c) => Object.assign(c, { images: { mysql: "my sql:8" } }),
      ['im:images.mysql = "my sql:8"', "expected an image reference"],
    ],
    ["a stage that does not exist", (c) => Object.assign(c, { stage: 4 }), ["im:stage = 4", "expected 1, 2 or 3"]],
    [
      "a stack below the first",
      (c) => Object.assign(c, { previousStack: "stage0" }),
      ['im:previousStack = "stage0"', "remove this key"],
    ],
    [
      "too little memory",
      (c) => Object.assign(c.suite, { memoryMiB: { mysql: 10 } }),
      ["im:suite.memoryMiB.mysql = 10", "expected 512 or more"],
    ],
    [
      "text where a list belongs",
      (c) => Object.assign(c, { mirrors: { docker: "https://mirror.example" } }),
      ["im:mirrors.docker = ", "expected a list"],
    ],
    [
      "exporters on a public address",
      (c) => Object.assign(c, { monitoring: { listenAddress: "203.0.113.10" } }),
      ["im:monitoring.listenAddress", '"203.0.113.10"', "private address"],
    ],
    ["exporters for everybody", (c) => Object.assign(c, { monitoring: { listenAddress: "0.0.0.0" } }), ['"0.0.0.0"']],
  ])("%s", (_, change, expected) => {
    const message = refusal(createdConfiguration(), change);
    for (const part of expected) expect(message).toContain(part);
    expect(message).not.toContain("Invalid input");
  });

  test("a path that leaves its directory", () => {
    const message = refusal(adoptedConfiguration(), (c) =>
      Object.assign(c.suite, { directory: "/root/../etc", containers: { mysql: "a b" } }),
    );
    expect(message).toContain('im:suite.directory = "/root/../etc": expected a path without ..');
    expect(message).toContain('im:suite.containers.mysql = "a b": expected a container name');
  });

  test("MinIO's keys are needed exactly when there is a MinIO", () => {
    const { mysqlRootPassword } = adoptedConfiguration().adoptedCredentials;
    const message = refusal(adoptedConfiguration(), (c) =>
      Object.assign(c, { adoptedCredentials: { mysqlRootPassword } }),
    );
    expect(message).toContain("im:adoptedCredentials.minioAccessKey = (secret): expected at least 3 characters");
    expect(message).toContain("im:adoptedCredentials.minioSecretKey = (secret): expected at least 8 characters");
    const without = { ...adoptedConfiguration(), adoptedCredentials: { mysqlRootPassword } };
    without.suite["without"] = ["minio"];
    expect(parseConfiguration(without).adoptedCredentials?.minioSecretKey).toBe("");
  });

  test("adopt without credentials says who asks for them", () => {
    const message = refusal(adoptedConfiguration(), (c) => Object.assign(c, { adoptedCredentials: undefined }));
    expect(message).toContain("im:adoptedCredentials is missing");
    expect(message).toContain("npm run configure");
  });

  test("all mistakes in one run", () => {
    const message = refusal(createdConfiguration(), (c) => {
      Object.assign(c.servers.a, { sshPort: 0, address: "nowhere" });
      Object.assign(c, { stage: 9 });
    });
    expect(message.match(/^ {2}im:/gm)).toHaveLength(3);
  });

  test("keys under the project's name are refused: nobody would read them", () => {
    expect(() => loadConfiguration({ "im-suite-ha:stage": "1" })).toThrow("im-suite-ha:stage: unknown key");
  });

  test.each([
    { mysqlRootPassword: "canary-1\n", redisPassword: 7, minioAccessKey: "ca", minioSecretKey: "canary" },
    "canary-whole",
    {
      mysqlRootPassword: ["canary-list"],
      minioAccessKey: { canary: "canary" },
      minioSecretKey: "canary-8",
      extra: "canary-9",
    },
  ])("a secret value is in no message", (adoptedCredentials) => {
    const message = refusal(adoptedConfiguration(), (c) => Object.assign(c, { adoptedCredentials }));
    expect(message).toContain("im:adoptedCredentials");
    expect(message).not.toMatch(/canary|= 7/);
  });
});

describe("images and costs", () => {
  test("an image that only the operator has must be named", () => {
    expect(() => imageReference({}, "backend")).toThrow("im:images.backend is missing");
    expect(imageReference({ backend: "own:1" }, "backend")).toBe("own:1");
    expect(imageReference({ mysql: "mirror/mysql:8.4" }, "mysql")).toBe("mirror/mysql:8.4");
    expect(imageReference({}, "mysql")).toMatch(/^mysql:8\.4\./);
  });

  test("the roadmap's totals, and the operator's own prices", () => {
    expect([1, 2, 3].map((stage) => monthlyCost(stage as 1 | 2 | 3).total)).toEqual([800, 1350, 3000]);
    expect(monthlyCost(1, { "main server": 500, domain: 10 })).toEqual({
      currency: "CNY",
      items: { "main server": 500, domain: 10 },
      total: 510,
    });
  });
});
