import { spawnSync } from "node:child_process";
import { totalmem } from "node:os";
import { expect, test } from "vitest";
import { parseFacts } from "../../preflight/facts.ts";
import { renderProbe } from "../../preflight/probe.ts";

const clock = { before: 999, after: 1001 };
const lines = (...rows: readonly string[]) => rows.join("\n");

test("containers: name without its slash, networks, published ports, whose they are", () => {
  const row = (ports: string, stage: string) =>
    `container\tabc|/im-mysql-prod|mysql:8.0|sha256:1|running|2026-11-01T00:00:00Z|2|always|im_default,extra,|${ports}|${stage}`;
  const facts = parseFacts(
    lines(row("0.0.0.0:3307>3306/tcp,:::3307>3306/tcp,0.0.0.0:53>53/udp,", "<no value>"), row("", "1")),
    clock,
  );
  expect(facts.containers[0]).toEqual({
    id: "abc",
    name: "im-mysql-prod",
    image: "mysql:8.0",
    imageId: "sha256:1",
    status: "running",
    startedAt: "2026-11-01T00:00:00Z",
    restartCount: 2,
    restartPolicy: "always",
    networks: ["im_default", "extra"],
    published: [
      { address: "0.0.0.0", port: 3307, containerPort: 3306 },
      { address: "::", port: 3307, containerPort: 3306 },
    ],
    stage: "",
  });
  expect(facts.containers[1]).toMatchObject({ stage: "1", published: [] });
});

test("listeners: IPv4, IPv6, any address, an interface's name, no process", () => {
  const facts = parseFacts(
    lines(
      'listener\tLISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))',
      "listener\tLISTEN 0 4096 [::]:8080 [::]:*",
      "listener\tLISTEN 0 4096 *:9100 *:*",
      'listener\tLISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=9,fd=14))',
    ),
    clock,
  );
  expect(facts.listeners).toEqual([
    { address: "0.0.0.0", port: 22, process: "sshd" },
    { address: "[::]", port: 8080, process: "" },
    { address: "*", port: 9100, process: "" },
    { address: "127.0.0.53", port: 53, process: "systemd-resolve" },
  ]);
});

test("MySQL: a row, an error, neither", () => {
  expect(parseFacts("mysql\t8.0.36|1|OFF|1|16384|ROW|912", clock).mysql).toEqual({
    version: "8.0.36",
    logBin: true,
    gtidMode: "OFF",
    serverId: 1,
    innodbPageSize: 16_384,
    binlogFormat: "ROW",
    dataMiB: 912,
  });
  expect(parseFacts("mysql.error\tERROR 1045", clock).mysql).toEqual({ error: "ERROR 1045" });
  expect(parseFacts("", clock).mysql).toBeUndefined();
});

test("the clock is compared with the middle of the call", () => {
  expect(parseFacts("clock\t1007.5", clock).clockOffsetSeconds).toBeCloseTo(7.5);
});

test("no Docker, no answer of Docker: undefined", () => {
  expect(parseFacts("docker\t", clock).docker).toBeUndefined();
  expect(parseFacts("docker\t24.0.7", clock).docker).toBe("24.0.7");
});

test("run on this machine, the probe tells what this machine is", () => {
  const before = Date.now() / 1000;
  const result = spawnSync("bash", ["-s"], { input: renderProbe(), encoding: "utf8" });
  const facts = parseFacts(result.stdout, { before, after: Date.now() / 1000 });
  expect(result.status, result.stderr).toBe(0);
  expect(facts.system.id).toMatch(/^[a-z]+$/);
  expect(facts.system.architecture).toBe(spawnSync("uname", ["-m"], { encoding: "utf8" }).stdout.trim());
  expect(facts.root).toBe(process.getuid?.() === 0);
  expect(Math.abs(facts.memoryMiB.total - totalmem() / 1048576)).toBeLessThan(2);
  expect(facts.memoryMiB.available).toBeGreaterThan(0);
  expect(facts.disks.state.totalMiB).toBeGreaterThanOrEqual(facts.disks.state.availableMiB);
  expect(facts.disks.root.totalMiB).toBeGreaterThan(0);
  expect(Math.abs(facts.clockOffsetSeconds)).toBeLessThan(5);
  expect(facts.docker === undefined || /^\d+\./.test(facts.docker)).toBe(true);
  for (const listener of facts.listeners) expect(listener.port).toBeGreaterThan(0);
});

test("a question that was added is in the same output", () => {
  const text = renderProbe({ extra: ['fact own "two words"'] });
  expect(spawnSync("bash", ["-s"], { input: text, encoding: "utf8" }).stdout).toContain("own\ttwo words\n");
});
