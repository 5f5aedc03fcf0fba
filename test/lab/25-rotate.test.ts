import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labServers } from "../../lab/addresses.ts";
import { onServer } from "../../lab/servers.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import { type CreateStack, clearServer, configureCreateStack, forgetCreateState } from "../support/create-stack.ts";
import { eventually, printed, pulumiOk, settleKilledPulumi } from "../support/lab.ts";
import { accepted, all, type Logins, loginsOf, rotate } from "../support/rotation.ts";
import { openTunnel, type Tunnel } from "../support/tunnel.ts";

const onC: CreateStack = { stack: "rotate-on-c", server: "c" };
const up = ["up", "--yes", "--skip-preview", "-s", onC.stack];
const log = (name: string) => cacheDirectory("lab", "traffic", `test-rotate-${name}.jsonl`);
const secrets = "/var/lib/im-suite/secrets";
let tunnel: Tunnel;

const configure = async (more: Readonly<Record<string, unknown>> = {}) =>
  await configureCreateStack(
    onC,
    {},
    {
      backup: { enabled: true, offSite: [{ name: "second-disk", type: "directory", path: "/srv/im-backup" }] },
      ...more,
    },
  );

const clear = async () => {
  await clearServer("c");
  await onServer("c", "rm -rf /srv/im-backup");
};

async function startChat(name: string): Promise<void> {
  rmSync(log(name), { force: true });
  await startTraffic({ clients: 10, rate: 50, logFile: log(name), address: labServers.c.address });
}

/** Stops the traffic and looks for every acknowledged write, with the passwords that count now. */
async function judge(name: string) {
  await stopTraffic();
  const logins = await loginsOf(onC.stack);
  const databases = ["--mysql", `127.0.0.1:${tunnel.port(3307)}`, "--user", "im_app", "--database", "im_suite"];
  const objects = ["--minio", `127.0.0.1:${tunnel.port(9000)}`, "--bucket", "im-attachments"];
  return await verifyTraffic(log(name), [...databases, ...objects], {
    MYSQL_PASSWORD: logins["mysql application"]?.secret ?? "",
    MINIO_ACCESS_KEY: logins["minio root"]?.user ?? "",
    MINIO_SECRET_KEY: logins["minio root"]?.secret ?? "",
  });
}

/** For docs/figures.md. */
function publish(name: string, figures: object): void {
  const file = cacheDirectory("figures", `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
  process.stdout.write(`${name}: ${JSON.stringify(figures)}\n`);
}

beforeAll(async () => {
  forgetCreateState(onC);
  await clear();
  await configure();
  await pulumiOk(up);
  tunnel = await openTunnel("c", [3307, 9000]);
  await startChat("before");
  await eventually(30, async () => {
    expect(await printed("c", "ls /var/lib/im-suite/data/minio/im-attachments | wc -l")).not.toBe("0");
  });
  await stopTraffic();
  await onServer("c", "systemctl start im-backup.service", { timeoutSeconds: 300 });
});

afterAll(async () => {
  await stopTraffic();
  tunnel?.close();
  await clear();
  forgetCreateState(onC);
});

describe("rotation of a created suite, under traffic", () => {
  let before: Logins;
  let commandLines: ReadonlySet<string> = new Set();
  let output = "";

  it("changes every password and key: the new ones are accepted, the old ones refused, nothing is lost", async () => {
    before = await loginsOf(onC.stack);
    expect(await accepted("c", before)).toEqual(all(before, true));
    const containers = async () =>
      printed("c", "docker inspect -f '{{.Name}} {{.Id}}' im-mysql im-redis im-minio im-prometheus im-admin");
    const untouched = await containers();
    const databaseStarts = async () => printed("c", "docker inspect -f '{{.State.StartedAt}}' im-mysql im-redis");
    const started = await databaseStarts();
    await startChat("all");
    const watch = watchCommandLines();
    const run = await rotate(onC.stack);
    commandLines = watch.stop();
    output = run.output;
    expect(run.exitCode, run.output).toBe(0);

    const after = await loginsOf(onC.stack);
    for (const [name, { secret }] of Object.entries(after)) {
      expect(secret === before[name]?.secret, `${name} is the old one`).toBe(false);
    }
    expect(await accepted("c", after)).toEqual(all(after, true));
    expect(await accepted("c", before)).toEqual(all(before, false));
    // None of them was replaced, and the two databases were not even restarted.
    expect(await containers()).toBe(untouched);
    expect(await databaseStarts()).toBe(started);

    const verdict = await judge("all");
    expect(verdict).toMatchObject({ lost: 0, corrupted: 0 });
    publish("rotate", {
      seconds: Math.round(run.seconds),
      acknowledged: verdict.acknowledged,
      failedWrites: verdict.failedWrites,
      failedReads: verdict.failedReads,
      longestGapMs: verdict.longestGapMs,
      latencyMs: verdict.latencyMs,
    });
    // The backend's restart alone: seconds, not the minute that the rotation takes.
    expect(verdict.longestGapMs).toBeLessThan(8000);
  });

  it("leaves files of the newest generation alone", async () => {
    expect(await printed("c", `ls ${secrets} | grep -E 'next|previous|new' || true`)).toBe("");
    expect(await printed("c", `cat ${secrets}/*.generation | sort -u`)).toBe("2");
    expect(await printed("c", `stat -c '%a %U' ${secrets}/* | sort -u`)).toBe("400 root");
  });

  it("has no changes in a second up, nor after a refresh", async () => {
    await pulumiOk([...up, "--expect-no-changes"]);
    await pulumiOk(["preview", "--refresh", "--expect-no-changes", "-s", onC.stack]);
  });

  it("leaves everything healthy: health check, exporters, a backup with the new key", async () => {
    await onServer("c", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    await eventually(30, async () => {
      expect(await printed("c", "curl -fsS http://127.0.0.1:9104/metrics | grep '^mysql_up '")).toBe("mysql_up 1");
      expect(await printed("c", "curl -fsS http://127.0.0.1:9121/metrics | grep '^redis_up '")).toBe("redis_up 1");
    });
    // The snapshot of the time before opens with the new key.
    const restic = `restic --no-cache --repo /srv/im-backup --password-file ${secrets}/backup-key`;
    expect(await printed("c", `${restic} snapshots --tag im-suite,complete --json | jq length`)).toBe("1");
    expect(
      Number(
        await printed(
          "c",
          `${restic} dump --tag im-suite,complete latest /var/lib/im-suite/backup/staging/mysql/dump.sql | wc -l`,
        ),
      ),
    ).toBeGreaterThan(50);
    await onServer("c", "systemctl start im-backup.service", { timeoutSeconds: 300 });
  });

  it("survives a restart of Redis and MinIO: their files have the new passwords alone", async () => {
    await onServer("c", "docker restart im-redis im-minio", { timeoutSeconds: 120 });
    const after = await loginsOf(onC.stack);
    await eventually(60, async () => expect(await accepted("c", after)).toEqual(all(after, true)));
    expect(await accepted("c", before)).toEqual(all(before, false));
  });

  it("shows no secret, old or new, in a process list, an output, a label or a file but its own", async () => {
    const after = await loginsOf(onC.stack);
    const known = [...Object.values(before), ...Object.values(after)].map(({ secret }) => secret);
    // Never print the secret itself in a failure.
    const leaks = (texts: Iterable<string>) => [...texts].some((text) => known.some((one) => text.includes(one)));
    expect([...commandLines].some((line) => line.includes("timeout --kill-after=10"))).toBe(true);
    expect(leaks(commandLines), "a secret was in a process list").toBe(false);
    expect(leaks([output]), "a secret was in the output").toBe(false);
    expect(leaks([(await pulumiOk(["stack", "export", "-s", onC.stack])).stdout]), "a secret is in the state").toBe(
      false,
    );
    const found = await onServer(
      "c",
      `secrets=$(mktemp -p /run); trap 'rm -f "$secrets"' EXIT; cat >"$secrets"
echo labels; docker ps -aq --filter label=im-suite.stage | xargs -r docker inspect | grep -c -F -f "$secrets" || true
echo logs; for name in $(docker ps --format '{{.Names}}'); do docker logs "$name" 2>&1; done | grep -c -F -f "$secrets" || true
echo journal; journalctl --no-pager -q | grep -c -F -f "$secrets" || true
echo files; grep -rlF -f "$secrets" /etc /var/log /var/lib/im-suite /root /tmp --exclude-dir=data --exclude-dir=backup 2>/dev/null || true`,
      { input: `${known.join("\n")}\n`, timeoutSeconds: 180 },
    );
    const sections = found.stdout.trim().split("\n");
    const files = sections.slice(sections.indexOf("files") + 1);
    expect(sections.slice(0, sections.indexOf("files"))).toEqual(["labels", "0", "logs", "0", "journal", "0"]);
    const allowed =
      /^\/etc\/im-suite\/(credentials|mysqld-exporter|redis-exporter|(mysql|minio|backend)-secrets)\/|^\/etc\/im-suite\/redis\/password\.conf$|^\/var\/lib\/im-suite\/secrets\//;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    // An old one is in no file at all.
    const old = Object.values(before).map(({ secret }) => secret);
    const left = await onServer(
      "c",
      `secrets=$(mktemp -p /run); trap 'rm -f "$secrets"' EXIT; cat >"$secrets"; grep -rlF -f "$secrets" /etc /var/lib/im-suite --exclude-dir=data --exclude-dir=backup || true`,
      { input: `${old.join("\n")}\n`, timeoutSeconds: 120 },
    );
    expect(left.stdout.trim()).toBe("");
  });
});

describe("a rotation that is killed", () => {
  it("works with old and new at every point, and the next run ends it", async () => {
    const before = await loginsOf(onC.stack);
    const generation = Number(await printed("c", `cat ${secrets}/*.generation | sort -u`));
    await startChat("killed");
    for (const point of [
      /Containers that are replaced/,
      /MySQL accepts the new passwords/,
      /the backend starts with the new ones/,
      /the old one is refused/,
    ]) {
      const run = await rotate(onC.stack, [], point);
      expect(run.exitCode, `ended before it could be killed at ${point}:\n${run.output}`).toBe(undefined);
      await settleKilledPulumi(onC.stack);
      // Whatever the suite has by now, it works.
      await eventually(20, async () => {
        const answer = await fetch(`http://${labServers.c.address}:8080/health`, { signal: AbortSignal.timeout(5000) });
        expect(answer.status).toBe(200);
      });
    }
    const last = await rotate(onC.stack);
    expect(last.exitCode, last.output).toBe(0);
    expect(last.output).toContain("ends an earlier run");

    const after = await loginsOf(onC.stack);
    expect(await accepted("c", after)).toEqual(all(after, true));
    expect(await accepted("c", before)).toEqual(all(before, false));
    // One rotation, not five: nothing was drawn twice.
    expect(await printed("c", `cat ${secrets}/*.generation | sort -u`)).toBe(String(generation + 1));
    const verdict = await judge("killed");
    expect(verdict).toMatchObject({ lost: 0, corrupted: 0 });
    publish("rotate-killed", {
      acknowledged: verdict.acknowledged,
      failedWrites: verdict.failedWrites,
      failedReads: verdict.failedReads,
      longestGapMs: verdict.longestGapMs,
    });
    await pulumiOk([...up, "--expect-no-changes"]);
  });

  it("is ended by an up whose state was lost in the middle", async () => {
    const before = await loginsOf(onC.stack);
    const run = await rotate(onC.stack, ["--only", "mysql,redis"], /accepts? the new password/);
    expect(run.exitCode).toBe(undefined);
    await onServer(
      "c",
      "docker ps -aq --filter label=im-suite.stage | xargs -r docker rm -f >/dev/null; docker network rm im-suite",
      { timeoutSeconds: 180 },
    );
    forgetCreateState(onC);
    // The counters lay in the lost configuration too.
    await configure();
    await pulumiOk(up);
    const after = await loginsOf(onC.stack);
    expect(await accepted("c", after)).toEqual(all(after, true));
    const changed = ["mysql root", "mysql application", "redis"] as const;
    const old = Object.fromEntries(changed.map((name) => [name, before[name] ?? { user: "", secret: "" }]));
    const drawn = changed.filter((name) => after[name]?.secret !== before[name]?.secret);
    expect(drawn.length).toBeGreaterThan(0);
    const refused = Object.fromEntries(drawn.map((name) => [name, old[name] ?? { user: "", secret: "" }]));
    expect(await accepted("c", refused)).toEqual(all(refused, false));
    expect(await printed("c", `ls ${secrets} | grep -E 'next|previous' || true`)).toBe("");
    expect((await fetch(`http://${labServers.c.address}:8080/health`)).status).toBe(200);
  });

  it("counts on from the server when the configuration was restored from an older copy", async () => {
    const generation = async () => Number(await printed("c", `cat ${secrets}/redis-password.generation`));
    const before = await generation();
    const run = await rotate(onC.stack, ["--only", "redis"]);
    expect(run.exitCode, run.output).toBe(0);
    // A counter that went from 1 to 2 would have changed nothing.
    expect(await generation()).toBe(before + 1);
  });
});
