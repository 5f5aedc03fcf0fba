import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bootMilliseconds } from "../../agent/edges/clock.ts";
import { failoverAccounts } from "../../config/failover.ts";
import { runChecked } from "../../lib/process.ts";
import { type PairServer, soon, ThrowAwayPair, Writer } from "../support/throw-away-pair.ts";

// Two real mysqld, Redis and controllers, a real etcd with TLS and a password. Every fault is a real one, and rows are written all the time:
// what was acknowledged must be there afterwards. The lab repeats it on whole servers, with the VIP.

const pair = new ThrowAwayPair({ cpus: "0.7", dataMiB: 700 });
const writer = new Writer(pair, 1);
const other = (server: PairServer): PairServer => (server === "a" ? "b" : "a");
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const docker = (...args: string[]) => runChecked("docker", args);
const eventNames = (server: PairServer) => pair.events(server).map((one) => one["event"]);
const count = (server: PairServer, event: string) => eventNames(server).filter((one) => one === event).length;
const epoch = async () => (await pair.status(await pair.leader())).epoch;

/** The pair is whole and may move: more than three moves an hour would halt it. @returns the leader. */
async function whole(): Promise<PairServer> {
  const leader = await pair.untilWhole(90);
  await soon(20, async () => expect((await pair.imHa(leader, "resume")).stderr).toBe(""));
  return leader;
}

/** Waits until a fault has been seen: right after it both still say what was before. @returns the leader. */
async function wholeAfter(before: number, seconds = 90): Promise<PairServer> {
  await soon(seconds, async () => expect(await epoch()).toBeGreaterThan(before));
  return await pair.untilWhole(seconds);
}

beforeAll(async () => {
  await pair.start();
  pair.startController("a");
  pair.startController("b");
  await soon(20, async () => [await pair.status("a"), await pair.status("b")]);
}, 300_000);

afterAll(async () => {
  await writer.end();
  await pair.remove();
}, 60_000);

it("begins with the server that has the data; the empty one is provisioned by CLONE", async () => {
  expect((await pair.http("a", "/primary")).status).toBe(503);
  const wrong = await pair.imHa("b", "reinit", "--leader", "a", "--confirm", "a has the data");
  expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("type it on server a") });
  expect(await pair.imHa("a", "reinit", "--leader", "a", "--confirm", "a has the data")).toMatchObject({ exitCode: 0 });
  await pair.untilPrimary("a", 10);
  writer.start();
  expect(await pair.untilWhole(90)).toBe("a");
  expect(eventNames("b")).toContain("cloned");
  await soon(10, async () => expect((await pair.http("b", "/replica")).status).toBe(200));
  expect((await pair.imHa("b", "status")).stdout).toContain(
    "Server a leads, and server b has every acknowledged write.",
  );
});

it("kill -9 of the leader's mysqld: the other leads, nothing acknowledged is lost, the old one comes back by itself", async () => {
  await pair.redis("a", "SET", "kept", "yes");
  await pause(1);
  writer.resetGap();
  await pair.killProcess("a");
  await pair.untilPrimary("b", 15);
  await pause(1);
  console.log(`kill -9: ${Math.round(writer.longestGap)} ms without a write`);
  expect(writer.longestGap).toBeLessThan(8000);
  expect(await writer.missing("b")).toEqual([]);
  expect(await pair.untilWhole(90)).toBe("b");
  await soon(10, async () => expect(await pair.redis("b", "GET", "kept")).toBe("yes"));
  await soon(20, async () => expect(await pair.redis("a", "ROLE")).toContain("connected"));
});

it("kill of the whole container: its controller starts it again", async () => {
  await whole();
  await docker("kill", pair.container("b"));
  await pair.untilPrimary("a", 15);
  expect(await writer.missing("a")).toEqual([]);
  expect(await pair.untilWhole(90)).toBe("a");
});

it("a leader that wrote what nobody acknowledged is cloned anew, its binary logs are kept", async () => {
  await whole();
  const before = await epoch();
  // The receiver cannot come back: everybody waits, nothing is acknowledged, and the binary log of the leader has it already.
  const [dump] = await pair.sql(
    "a",
    "SET SESSION sql_log_bin = 0",
    `ALTER USER '${failoverAccounts.replication}'@'%' IDENTIFIED BY 'another'`,
    "SELECT ID AS id FROM performance_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'",
  );
  await pair.sql("a", `KILL ${dump?.["id"]}`);
  await pause(0.7);
  const clones = count("a", "cloned");
  await pair.killProcess("a");
  expect(await wholeAfter(before)).toBe("b");
  expect(await writer.missing("b")).toEqual([]);
  expect(count("a", "cloned")).toBe(clones + 1);
  expect(readdirSync(join(pair.folder, "a", "state", "binary-logs-before-clone"))).not.toEqual([]);
});

it("a planned switchover: a short pause, and nothing is lost", async () => {
  const from = await whole();
  writer.resetGap();
  await soon(30, async () => {
    const { exitCode, stderr } = await pair.imHa(from, "switchover", "--to", other(from), "--yes");
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
  });
  await pair.untilPrimary(other(from), 15);
  await pause(1);
  console.log(`switchover: ${Math.round(writer.longestGap)} ms without a write`);
  expect(writer.longestGap).toBeLessThan(5000);
  expect(await writer.missing(other(from))).toEqual([]);
  expect(await pair.untilWhole(60)).toBe(other(from));
});

it("a controller that is killed and started again costs no failover", async () => {
  const leader = await whole();
  const before = await epoch();
  for (const server of [leader, other(leader)]) {
    await pair.signalController(server, "SIGKILL");
    await pause(0.5);
    pair.startController(server);
    await soon(15, async () => expect((await pair.http(leader, "/primary")).status).toBe(200));
  }
  expect(await pair.untilWhole(60)).toBe(leader);
  expect(await epoch()).toBe(before);
});

it("a frozen controller is no leader to anybody, and is fenced when it thaws", async () => {
  const leader = await whole();
  await pair.signalController(leader, "SIGSTOP");
  await pair.untilPrimary(other(leader), 20);
  expect(pair.deadline(leader) * 1000).toBeLessThan(bootMilliseconds());
  expect(pair.deadline(other(leader)) * 1000).toBeGreaterThan(bootMilliseconds());
  await pause(1);
  await pair.signalController(leader, "SIGCONT");
  await soon(20, async () => expect(eventNames(leader)).toContain("did-fence"));
  expect(await pair.untilWhole(90)).toBe(other(leader));
  expect(await writer.missing(other(leader))).toEqual([]);
});

it("etcd away: the leader stays while the other server answers and follows", async () => {
  const leader = await whole();
  const before = writer.acknowledged.length;
  pair.etcdProcess?.kill("SIGSTOP");
  await pause(8);
  expect((await pair.http(leader, "/primary")).status).toBe(200);
  expect(await pair.status(leader)).toMatchObject({ votes: "away" });
  pair.etcdProcess?.kill("SIGCONT");
  expect(await pair.untilWhole(60)).toBe(leader);
  expect(writer.acknowledged.length).toBeGreaterThan(before + 10);
});

it("the replica leaves before a planned stop: nobody waits for it", async () => {
  const leader = await whole();
  const replica = other(leader);
  const { exitCode, stderr } = await pair.imHa(replica, "degrade");
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  const semiSync = async () =>
    (await pair.status(leader)).servers.find(({ name }) => name === leader)?.database?.semiSync?.enabled;
  await soon(20, async () => {
    expect((await pair.status(leader)).members).toEqual([leader]);
    expect(await semiSync()).toBe(false);
  });
  const written = writer.acknowledged.length;
  await docker("stop", pair.container(replica));
  expect(writer.acknowledged.length).toBeGreaterThan(written);
  await soon(30, async () => expect((await pair.imHa(replica, "resume")).exitCode).toBe(0));
  expect(await pair.untilWhole(90)).toBe(leader);
});

it("a full disk under the leader: mysqld answers and cannot write, so the other leads", async () => {
  const leader = await whole();
  await pair.fillDisk(leader, true);
  await pair.untilPrimary(other(leader), 40);
  expect(await writer.missing(other(leader))).toEqual([]);
  await pair.fillDisk(leader, false);
  expect(await pair.untilWhole(100)).toBe(other(leader));
});

it("others may look and not change", async () => {
  const { text } = await pair.http("a", "/metrics");
  expect(text).toMatch(/^im_failover_epoch \d+$/m);
  expect(text).toMatch(/^im_failover_events_total\{event="controller-started"\} 1$/m);
  const leader = await pair.leader();
  const local = `http://127.0.0.1:${pair.localPort(leader)}/maintenance`;
  expect((await fetch(local, { method: "POST" })).status).toBe(403);
  expect((await fetch(local, { method: "POST", headers: { authorization: "Bearer wrong" } })).status).toBe(403);
  expect((await fetch(local, { method: "POST", headers: { authorization: "Bearer token-1" } })).status).toBe(200);
  expect(await pair.status(leader)).toMatchObject({ maintenance: true });
  expect(await pair.imHa(leader, "resume")).toMatchObject({ exitCode: 0 });
  expect((await fetch(`http://127.0.0.1:${pair.localPort(leader)}/peer`)).status).toBe(403);
});
