import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../lib/process.ts";
import { renderContainerMetrics } from "../../templates/container-metrics.ts";

/** The program with the real bash; `docker` is a stand-in, and the kernel's files lie in a folder of the test. */
let root = "";

interface Inspected {
  readonly name: string;
  readonly status?: string;
  readonly restarts?: number;
  readonly oomKilled?: boolean;
  readonly limit?: number;
  readonly health?: string;
}

function put(path: string, content: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), content);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "im-containers-"));
  mkdirSync(join(root, "bin"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function metrics(containers: readonly Inspected[], suite = ["im-mysql-prod", "im-redis-prod"], dead = false) {
  const lines = containers.map((one, index) =>
    [
      `/${one.name}`,
      one.status ?? "running",
      100 + index,
      one.restarts ?? 0,
      one.oomKilled ?? false,
      one.limit ?? 0,
      "2026-11-23T14:00:00.123456789Z",
      one.health ?? "none",
    ].join("\t"),
  );
  put("inspected", lines.map((line) => `${line}\n`).join(""));
  writeFileSync(
    join(root, "bin/docker"),
    dead
      ? "#!/bin/bash\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n"
      : `#!/bin/bash\nif [ "$1" = ps ]; then printf 'id\\n'; else cat "${root}/inspected"; fi\n`,
    { mode: 0o755 },
  );
  const text = renderContainerMetrics(suite)
    .replaceAll("/var/lib/im-suite", join(root, "state"))
    .replace("cgroups=/sys/fs/cgroup", `cgroups=${root}/cgroup`)
    .replace("processes=/proc", `processes=${root}/proc`)
    .replace('export PATH="', `export PATH="${root}/bin:`);
  const { exitCode, stderr } = await run("bash", ["-c", text], { timeoutSeconds: 30 });
  const file = readFileSync(join(root, "state/metrics/containers.prom"), "utf8");
  const samples = Object.fromEntries(
    file
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
  return { exitCode, stderr, file, samples };
}

describe("what Docker says", () => {
  test("a container that runs, one that is stopped, one that is not there", async () => {
    const { samples, exitCode } = await metrics([
      { name: "im-mysql-prod", health: "healthy", limit: 1_048_576 },
      { name: "im-node-exporter", status: "exited", restarts: 3, oomKilled: true },
    ]);
    expect(exitCode).toBe(0);
    expect(samples).toMatchObject({
      'im_container_running{name="im-mysql-prod"}': 1,
      'im_container_running{name="im-node-exporter"}': 0,
      'im_container_running{name="im-redis-prod"}': 0,
      'im_container_healthy{name="im-mysql-prod"}': 1,
      'im_container_restart_count{name="im-node-exporter"}': 3,
      'im_container_oom_killed{name="im-node-exporter"}': 1,
      'im_container_oom_killed{name="im-mysql-prod"}': 0,
      'im_container_memory_limit_bytes{name="im-mysql-prod"}': 1_048_576,
      'im_container_start_time_seconds{name="im-mysql-prod"}': Date.parse("2026-11-23T14:00:00Z") / 1000,
      im_container_metrics_ok: 1,
    });
    // What is stopped has neither health nor a start that counts, and what was never there has no restarts.
    for (const metric of ["im_container_healthy", "im_container_start_time_seconds"]) {
      expect(samples).not.toHaveProperty([`${metric}{name="im-node-exporter"}`]);
    }
    expect(samples).not.toHaveProperty(['im_container_restart_count{name="im-redis-prod"}']);
  });

  test.each(["paused", "restarting", "created", "dead", "removing"])("%s is not running", async (status) => {
    const { samples } = await metrics([{ name: "im-mysql-prod", status }]);
    expect(samples['im_container_running{name="im-mysql-prod"}']).toBe(0);
  });

  test("a container without a health check has no health, one that is not healthy yet is not healthy", async () => {
    const { samples } = await metrics([
      { name: "im-mysql-prod", health: "starting" },
      { name: "im-redis-prod", health: "none" },
    ]);
    expect(samples['im_container_healthy{name="im-mysql-prod"}']).toBe(0);
    expect(samples).not.toHaveProperty(['im_container_healthy{name="im-redis-prod"}']);
  });

  test("a container that is both of the suite and ours is counted once", async () => {
    const { file } = await metrics([{ name: "im-mysql" }, { name: "im-mysql" }], ["im-mysql"]);
    expect(file.match(/im_container_running\{name="im-mysql"\}/g)).toHaveLength(1);
  });

  test("every family is described once and in one piece, as the text format wants it", async () => {
    const { file } = await metrics([{ name: "im-mysql-prod" }, { name: "im-redis-prod" }]);
    const families = file
      .trim()
      .split("\n")
      .map((line) => (line.startsWith("#") ? line.split(" ")[2] : /^\w+/.exec(line)?.[0]));
    const pieces = families.filter((one, index) => one !== families[index - 1]);
    expect(new Set(pieces).size).toBe(pieces.length);
  });
});

describe("what the kernel says", () => {
  test("version 2 of the control groups, under systemd", async () => {
    put("proc/100/cgroup", "0::/system.slice/docker-1c6c.scope\n");
    put("cgroup/system.slice/docker-1c6c.scope/memory.current", "5000\n");
    put("cgroup/system.slice/docker-1c6c.scope/memory.stat", "anon 1\ninactive_file 2000\nactive_file 9\n");
    put("cgroup/system.slice/docker-1c6c.scope/cpu.stat", "usage_usec 12345678\nuser_usec 1\n");
    const { samples } = await metrics([{ name: "im-mysql-prod" }]);
    expect(samples['im_container_memory_bytes{name="im-mysql-prod"}']).toBe(3000);
    expect(samples['im_container_cpu_seconds_total{name="im-mysql-prod"}']).toBe(12.345678);
  });

  test("version 1, with two controllers in one hierarchy", async () => {
    put(
      "proc/100/cgroup",
      "4:memory:/docker/1c6c\n3:cpu,cpuacct:/docker/1c6c\n1:name=systemd:/docker/1c6c\n0::/other\n",
    );
    put("cgroup/memory/docker/1c6c/memory.usage_in_bytes", "5000\n");
    put("cgroup/memory/docker/1c6c/memory.stat", "inactive_file 1\ntotal_inactive_file 1500\n");
    put("cgroup/cpuacct/docker/1c6c/cpuacct.usage", "1000000002\n");
    const { samples } = await metrics([{ name: "im-mysql-prod" }]);
    expect(samples['im_container_memory_bytes{name="im-mysql-prod"}']).toBe(3500);
    expect(samples['im_container_cpu_seconds_total{name="im-mysql-prod"}']).toBe(1.000000002);
  });

  test("a container that ends between the two looks has no usage, and the others keep theirs", async () => {
    put("proc/101/cgroup", "0::/b\n");
    put("cgroup/b/memory.current", "7\n");
    put("cgroup/b/memory.stat", "anon 1\n");
    const { samples, exitCode } = await metrics([{ name: "im-mysql-prod" }, { name: "im-redis-prod" }]);
    expect(exitCode).toBe(0);
    expect(samples).not.toHaveProperty(['im_container_memory_bytes{name="im-mysql-prod"}']);
    expect(samples['im_container_memory_bytes{name="im-redis-prod"}']).toBe(7);
  });
});

test("a Docker that does not answer leaves no old numbers behind, and fails the unit", async () => {
  await metrics([{ name: "im-mysql-prod" }]);
  const { samples, exitCode, stderr } = await metrics([], undefined, true);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Docker does not answer");
  expect(Object.keys(samples).sort()).toEqual(["im_container_metrics_ok", "im_container_metrics_timestamp_seconds"]);
  expect(samples["im_container_metrics_ok"]).toBe(0);
});
