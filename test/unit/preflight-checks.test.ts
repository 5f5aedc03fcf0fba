import { describe, expect, test } from "vitest";
import { parseConfiguration } from "../../config/load.ts";
import { OperatorError } from "../../lib/errors.ts";
import { checkStage1, type Finding, formatFinding, requireNoRefusal } from "../../preflight/checks.ts";
import type { ContainerFacts, MysqlFacts, ServerFacts } from "../../preflight/facts.ts";
import { adoptableFacts, adoptedConfiguration, bareFacts, createdConfiguration } from "./fixtures.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const create = parseConfiguration(createdConfiguration());
const adopt = parseConfiguration(adoptedConfiguration());

function created(change: Partial<ServerFacts> = {}): Finding[] {
  return checkStage1(create, { ...bareFacts(), ...change });
}

function adopted(change: Partial<ServerFacts> = {}): Finding[] {
  return checkStage1(adopt, { ...adoptableFacts(), ...change });
}

/** The adoptable server with one container changed, or taken away. */
function withContainer(name: string, change: Partial<ContainerFacts> | undefined): readonly ContainerFacts[] {
  const containers = adoptableFacts().containers;
  return change === undefined
    ? containers.filter((one) => one.name !== name)
    : containers.map((one) => (one.name === name ? { ...one, ...change } : one));
}

function container(name: string, stage: string): ContainerFacts {
  return { ...(adoptableFacts().containers[0] as ContainerFacts), name, stage, published: [] };
}

function withMysql(change: Partial<Writable<MysqlFacts>>): Partial<ServerFacts> {
  return { mysql: { ...(adoptableFacts().mysql as MysqlFacts), ...change } };
}

describe("a server as it should be has no findings", () => {
  test("bare, to create", () => expect(created()).toEqual([]));
  test("with the suite, to adopt", () => expect(adopted()).toEqual([]));
  test("after the first up, its own containers and ports are no conflict", () => {
    const own = ["im-mysql", "im-node-exporter"].map((name) => container(name, "1"));
    const listeners = [3307, 9100].map((port) => ({ address: "127.0.0.1", port, process: "docker-proxy" }));
    const full = { total: 8000, available: 100 };
    expect(created({ docker: "24.0.7", containers: own, listeners, memoryMiB: full })).toEqual([]);
  });
});

describe("refusals name the config path, what was found and what to do", () => {
  test.each<[string, Finding[], string, string[]]>([
    [
      "an unsupported distribution",
      created({ system: { ...bareFacts().system, id: "centos", version: "7", name: "CentOS Linux 7" } }),
      "im:servers.a",
      ["203.0.113.10", "CentOS Linux 7", "Debian 11-13"],
    ],
    [
      "a version that is too old",
      created({ system: { ...bareFacts().system, version: "10", name: "Debian GNU/Linux 10 (buster)" } }),
      "im:servers.a",
      ["Debian GNU/Linux 10", "Supported are"],
    ],
    [
      "an unknown architecture",
      created({ system: { ...bareFacts().system, architecture: "riscv64" } }),
      "im:servers.a",
      ["riscv64", "x86_64 and aarch64"],
    ],
    ["a login that is not root", created({ root: false }), "im:servers.a.user", ["not root"]],
    ["a hosting panel", created({ panels: ["1Panel"] }), "im:servers.a", ["hosting panel 1Panel", "without a panel"]],
    [
      "too little memory to create",
      created({ memoryMiB: { total: 2000, available: 900 } }),
      "im:servers.a",
      ["900 MiB of memory", "needs 1800 MiB"],
    ],
    [
      "too little memory to adopt",
      adopted({ memoryMiB: { total: 2000, available: 100 } }),
      "im:servers.a",
      ["100 MiB of memory", "needs 512 MiB"],
    ],
    [
      "too little disk",
      created({ disks: { ...bareFacts().disks, state: { totalMiB: 20_000, availableMiB: 5000 } } }),
      "im:servers.a",
      ["5000 MiB of disk", "/var/lib", "needs 10240 MiB"],
    ],
    [
      "adopt without Docker",
      adopted({ docker: undefined, containers: [], mysql: undefined }),
      "im:suite.mode",
      ["needs a running Docker Engine", "{mode: create}"],
    ],
    [
      "adopt without one of the containers",
      adopted({ containers: withContainer("im-redis-prod", undefined) }),
      "im:suite.containers.redis",
      ['"im-redis-prod"', "no such container", "im:suite.without"],
    ],
    [
      "adopt with a stopped container",
      adopted({ containers: withContainer("im-backend-prod", { status: "exited" }) }),
      "im:suite.containers.backend",
      ["exited", "docker start im-backend-prod"],
    ],
    [
      "adopt with the wrong port",
      adopted({
        containers: withContainer("im-mysql-prod", {
          published: [{ address: "0.0.0.0", port: 3306, containerPort: 3306 }],
        }),
      }),
      "im:suite.ports.mysql",
      ["3307", "publishes 3306"],
    ],
    [
      "create where a container of that name is not ours",
      created({ docker: "24.0.7", containers: [container("im-mysql", "")] }),
      "im:suite.mode",
      ["im-mysql", "not ours", "{mode: adopt}"],
    ],
    [
      "create where the suite already runs",
      created({ docker: "24.0.7", containers: adoptableFacts().containers.slice(0, 2) }),
      "im:suite.mode",
      ["im-mysql-prod, im-redis-prod", "{mode: adopt}"],
    ],
    [
      "a port of the suite in use",
      created({ listeners: [{ address: "0.0.0.0", port: 8080, process: "java" }] }),
      "im:suite.ports.backend",
      ["port 8080", "java", "0.0.0.0:8080"],
    ],
    [
      "the console's port in use",
      created({ listeners: [{ address: "[::]", port: 9001, process: "node" }] }),
      "im:suite.ports.minioConsole",
      ["port 9001"],
    ],
    [
      "a port of an exporter in use",
      adopted({ listeners: [{ address: "127.0.0.1", port: 9100, process: "node_exporter" }] }),
      "im:servers.a",
      ["port 9100", "im-node-exporter", "node_exporter"],
    ],
    [
      "the port of our Prometheus is taken",
      adopted({ listeners: [{ address: "0.0.0.0", port: 9091, process: "transmission" }] }),
      "im:servers.a",
      ["port 9091", "im-prometheus", "transmission"],
    ],
    [
      "the port of Alertmanager is taken, on a created suite too",
      created({ listeners: [{ address: "127.0.0.1", port: 9093, process: "alertmanager" }] }),
      "im:servers.a",
      ["port 9093", "im-alertmanager"],
    ],
    [
      "a wrong root password",
      adopted({ mysql: { error: "ERROR 1045 (28000): Access denied for user 'root'@'localhost'" } }),
      "im:adoptedCredentials.mysqlRootPassword",
      ["im-mysql-prod", "Access denied", "npm run configure"],
    ],
    [
      "a database that does not answer",
      adopted({ mysql: { error: "ERROR 2002 (HY000): Can't connect through socket" } }),
      "im:suite.containers.mysql",
      ["does not answer", "ERROR 2002"],
    ],
    [
      "no binary log",
      adopted(withMysql({ logBin: false })),
      "im:suite",
      ["binary log", "one planned restart of im-mysql-prod"],
    ],
    ["an old MySQL", adopted(withMysql({ version: "8.0.25" })), "im:suite", ["8.0.25", "8.0.26 or later"]],
    ["MySQL 5.7", adopted(withMysql({ version: "5.7.44-log" })), "im:suite", ["5.7.44-log"]],
    ["another page size", adopted(withMysql({ innodbPageSize: 8192 })), "im:suite", ["8192", "Expected 16384"]],
    [
      "old data without its root password",
      created({ createdData: ["mysql"], createOnceSecrets: ["mysql-application-password"] }),
      "im:suite.mode",
      ["/var/lib/im-suite/data/mysql", "mysql-root-password", "New passwords would not open old data"],
    ],
    [
      "old attachments without their key",
      created({ createdData: ["minio"], createOnceSecrets: [] }),
      "im:suite.mode",
      ["/var/lib/im-suite/data/minio", "minio-secret-key"],
    ],
  ])("%s", (_, findings, path, expected) => {
    const refusals = findings.filter((finding) => finding.level === "refuse");
    expect(refusals.map((finding) => finding.path)).toContain(path);
    const text = refusals.map(formatFinding).join("\n");
    for (const part of expected) expect(text).toContain(part);
    expect(() => requireNoRefusal(findings)).toThrow(OperatorError);
    expect(() => requireNoRefusal(findings)).toThrow("Nothing was changed");
  });
});

describe("what is not refused", () => {
  test.each<[string, Finding[]]>([
    ["MySQL 8.0.26 exactly", adopted(withMysql({ version: "8.0.26" }))],
    ["MySQL 8.4", adopted(withMysql({ version: "8.4.6" }))],
    ["MySQL 9", adopted(withMysql({ version: "9.7.4-1+b1" }))],
    [
      "a service that is not published but listens in the server's network",
      adopted({
        containers: withContainer("im-redis-prod", { published: [], networks: ["host"] }),
        listeners: [{ address: "0.0.0.0", port: 6379, process: "redis-server" }],
      }),
    ],
    [
      "old data with all its secrets",
      created({
        createdData: ["mysql", "redis"],
        createOnceSecrets: ["mysql-root-password", "mysql-application-password"],
      }),
    ],
    ["old Redis data: its password is in no file of it", created({ createdData: ["redis"] })],
  ])("%s", (_, findings) => expect(findings).toEqual([]));

  test("a service that the suite does not have", () => {
    const raw = adoptedConfiguration();
    raw.suite["without"] = ["redis", "grafana"];
    const facts = { ...adoptableFacts(), containers: withContainer("im-redis-prod", undefined) };
    const listeners = [{ address: "0.0.0.0", port: 9121, process: "somebody" }];
    expect(checkStage1(parseConfiguration(raw), { ...facts, listeners })).toEqual([]);
  });
});

describe("warnings do not stop", () => {
  test("too little disk for backups of what MySQL holds", () => {
    const findings = adopted(withMysql({ dataMiB: 20_000 }));
    expect(findings.map((one) => one.level)).toEqual(["warn"]);
    expect(findings[0]?.message).toContain("60000 MiB of disk are free");
    expect(findings[0]?.message).toContain("need about 81024 MiB");
  });

  test.each<[string, Finding[], string]>([
    ["a clock that is off", created({ clockOffsetSeconds: -42 }), "differs from this machine's by -42 s"],
    [
      "a container that a reboot leaves stopped",
      adopted({ containers: withContainer("im-mysql-prod", { restartPolicy: "no" }) }),
      "docker update --restart unless-stopped im-mysql-prod",
    ],
  ])("%s", (_, findings, expected) => {
    expect(findings).toHaveLength(1);
    expect(findings[0]?.level).toBe("warn");
    expect(findings.map(formatFinding).join()).toContain(expected);
    expect(() => requireNoRefusal(findings)).not.toThrow();
  });

  test("all refusals at once, and no warning among them", () => {
    const findings = created({ root: false, panels: ["cPanel"], clockOffsetSeconds: 60 });
    let message = "";
    try {
      requireNoRefusal(findings);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.split("\n")).toHaveLength(3);
    expect(message).not.toContain("60 s");
  });
});
