import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  configurationOf,
  parsedConfiguration,
  readConfigurationFile,
  renderConfigurationFile,
  type Stage1Answers,
  secretsOf,
} from "../../commands/configure/configuration-file.ts";
import { parseConfiguration } from "../../config/load.ts";
import { repositoryRoot } from "../../lib/paths.ts";

const server = {
  address: "203.0.113.10",
  sshPort: 22,
  privateKeyFile: "~/.ssh/im-suite-ha",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
};
const credentials = {
  mysqlRootPassword: `it's "a" $pass`,
  redisPassword: "",
  minioAccessKey: "access",
  minioSecretKey: "12345678",
};
const services = {
  mysql: { container: "db", port: 3306 },
  redis: { container: "im-redis-prod", port: 6379 },
  minio: { container: "im-minio-prod", port: 9000 },
  backend: { container: "im-backend-prod", port: 8080 },
  admin: { container: "im-admin-prod", port: 3001 },
};
const adopt: Stage1Answers = {
  server,
  suite: { mode: "adopt", directory: "/root/im-suite", services, credentials },
};
const create: Stage1Answers = { server, suite: { mode: "create", images: { backend: "reg.example/b:1" } } };

/** What the file holds after one run of configure on it. */
function written(answers: Stage1Answers, text: string): string {
  const configuration = configurationOf(answers, readConfigurationFile(text));
  return renderConfigurationFile(text, configuration, [...secretsOf(answers).keys()]);
}

describe("answers become the configuration", () => {
  test("adopt: only what differs from the defaults is written", () => {
    expect(configurationOf(adopt, {})).toEqual({
      stage: 1,
      servers: { a: { address: server.address, privateKeyFile: server.privateKeyFile, hostKey: server.hostKey } },
      suite: {
        mode: "adopt",
        containers: { mysql: "db" },
        ports: { mysql: 3306 },
        without: ["prometheus", "grafana"],
      },
    });
    const parsed = parsedConfiguration(adopt, {});
    expect(parsed.suite.mode === "adopt" && parsed.suite.containers.redis).toBe("im-redis-prod");
    expect(parsed.adoptedCredentials?.mysqlRootPassword).toBe(credentials.mysqlRootPassword);
  });

  test("create: a service without its image is left out", () => {
    expect(configurationOf(create, {})).toMatchObject({
      suite: { mode: "create", without: ["admin"] },
      images: { backend: "reg.example/b:1" },
    });
    expect(parsedConfiguration(create, {}).suite.without).toEqual(["admin"]);
  });

  test("another ssh port is written, the usual one is not", () => {
    const other = { ...create, server: { ...server, sshPort: 2222 } };
    expect(configurationOf(other, {})).toMatchObject({ servers: { a: { sshPort: 2222 } } });
    const back = configurationOf(create, configurationOf(other, {})) as { servers: { a: object } };
    expect(back.servers.a).not.toHaveProperty("sshPort");
  });

  test("secrets are apart, an empty one is none", () => {
    expect([...secretsOf(adopt)]).toEqual([
      ["adoptedCredentials.mysqlRootPassword", credentials.mysqlRootPassword],
      ["adoptedCredentials.minioAccessKey", "access"],
      ["adoptedCredentials.minioSecretKey", "12345678"],
    ]);
    expect(secretsOf(create).size).toBe(0);
  });

  test("what the program would refuse is not written", () => {
    const bad = { ...create, server: { ...server, address: "example.com" } };
    expect(() => parsedConfiguration(bad, {})).toThrow('im:servers.a.address = "example.com"');
  });

  test("from adopt to create and back, nothing of the other mode stays", () => {
    const adopted = configurationOf(adopt, { healthCheck: { intervalMinutes: 10 } });
    const created = configurationOf(create, { ...adopted, adoptedCredentials: { mysqlRootPassword: "x" } });
    expect(() => parseConfiguration(created)).not.toThrow();
    expect(created).toMatchObject({ suite: { mode: "create" }, healthCheck: { intervalMinutes: 10 } });
    const suite = { ...(created["suite"] as object), memoryMiB: { mysql: 4096 }, database: "mine" };
    const again = configurationOf(adopt, { ...created, suite });
    expect(again["suite"]).toEqual({
      mode: "adopt",
      containers: { mysql: "db" },
      ports: { mysql: 3306 },
      without: ["prometheus", "grafana"],
    });
    const same = configurationOf(create, { ...created, suite });
    expect(same["suite"]).toMatchObject({ memoryMiB: { mysql: 4096 }, database: "mine" });
  });
});

describe("the file", () => {
  const text = `# Ours
config:
  # the stage
  im:stage: "1"
  im:servers:
    a:
      address: 203.0.113.10 # at our provider
      privateKeyFile: ~/.ssh/im-suite-ha
      hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5
  im:suite:
    mode: adopt
    containers:
      mysql: db
    ports:
      mysql: 3306
    without:
      - prometheus
      - grafana
  im:healthCheck:
    intervalMinutes: 10
  other:key: stays
  im:adoptedCredentials:
    mysqlRootPassword:
      secure: v1:aaaa
    redisPassword:
      secure: v1:bbbb
    minioAccessKey:
      secure: v1:cccc
    minioSecretKey:
      secure: v1:dddd
encryptionsalt: v1:salt
`;

  test("a second run with the same answers changes not a byte", () => {
    const whole = {
      ...adopt,
      suite: { ...adopt.suite, credentials: { ...credentials, redisPassword: "r" } },
    } as Stage1Answers;
    expect(written(whole, text)).toBe(text);
  });

  test("a changed answer changes its line alone; comments, salt and other keys stay", () => {
    const whole = {
      ...adopt,
      server: { ...server, address: "203.0.113.99" },
      suite: { ...adopt.suite, credentials: { ...credentials, redisPassword: "r" } },
    } as Stage1Answers;
    expect(written(whole, text)).toBe(text.replace("203.0.113.10", "203.0.113.99"));
  });

  test("a secret that is no longer needed goes", () => {
    const credentialsLeft = parse(written(adopt, text)).config["im:adoptedCredentials"];
    expect(Object.keys(credentialsLeft)).toEqual(["mysqlRootPassword", "minioAccessKey", "minioSecretKey"]);
    expect(parse(written(create, text)).config).not.toHaveProperty("im:adoptedCredentials");
    expect(parse(written(create, text)).encryptionsalt).toBe("v1:salt");
  });

  test("no secret in clear can get into it", () => {
    const file = written(adopt, "");
    expect(file).not.toContain("pass");
    expect(file).not.toContain("12345678");
  });

  test("an empty file, and one of comments only: they stay above", () => {
    expect(parse(written(create, "")).config["im:stage"]).toBe(1);
    const comments = "# one\n#\n#   im:stage: 1\n";
    const file = written(create, comments);
    expect(file.startsWith(`${comments}\nconfig:\n  im:stage: 1\n`)).toBe(true);
    expect(written(create, file)).toBe(file);
  });

  test("broken YAML is told, not overwritten", () => {
    expect(() => written(create, "config: {a\n")).toThrow("not valid YAML");
  });
});

describe("the shipped examples", () => {
  const example = (stage: number) => join(repositoryRoot, `Pulumi.stage${stage}.yaml`);

  /** The example as an operator gets it who takes the "# " away. */
  function uncommented(text: string): Record<string, unknown> {
    const lines = text.split("\n").filter((line) => line.startsWith("#"));
    const start = lines.indexOf("# config:");
    expect(start).toBeGreaterThan(0);
    return readConfigurationFile(
      lines
        .slice(start)
        .map((line) => line.replace(/^# ?/, ""))
        .join("\n"),
    );
  }

  test("stage 1's adopt example is a configuration that the program accepts", () => {
    const raw = uncommented(readFileSync(example(1), "utf8"));
    const hostKey = { hostKey: server.hostKey };
    const servers = { a: { ...(raw["servers"] as { a: object }).a, ...hostKey } };
    const parsed = parseConfiguration({ ...raw, servers, adoptedCredentials: credentials });
    expect(parsed.suite.mode).toBe("adopt");
  });

  test("so is its create example", () => {
    const text = readFileSync(example(1), "utf8");
    const raw = uncommented(text);
    const block = text
      .split("\n")
      .filter((line) => line.startsWith("#   # "))
      .map((line) => line.slice("#   # ".length));
    const from = block.indexOf("im:suite:");
    const created = readConfigurationFile(
      `config:\n${block
        .slice(from, from + 7)
        .map((line) => `  ${line}`)
        .join("\n")}`,
    );
    const servers = { a: { ...(raw["servers"] as { a: object }).a, hostKey: server.hostKey } };
    const parsed = parseConfiguration({ ...raw, ...created, servers });
    expect(parsed.suite.mode).toBe("create");
    expect(parsed.images["backend"]).toContain("im-backend");
  });
});
