import { afterAll, beforeAll, expect, it } from "vitest";
import { runChecked } from "../../lib/process.ts";
import { soon, ThrowAwayPair, Writer } from "../support/throw-away-pair.ts";

// The roadmap's exactly two servers, with nobody to ask: the replica takes over when the leader is gone, and a lost replica blocks
// writes until a person says that it is off.

const pair = new ThrowAwayPair({ cpus: "0.7", witness: { witness: "none", policy: "failover" } });
const writer = new Writer(pair, 1);
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const docker = (...args: string[]) => runChecked("docker", args);

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

it("begins with the server that has the data", async () => {
  expect(await pair.imHa("a", "reinit", "--leader", "a", "--confirm", "a has the data")).toMatchObject({ exitCode: 0 });
  await pair.untilPrimary("a", 20);
  writer.start();
  expect(await pair.untilWhole(90)).toBe("a");
});

it("kill -9 of the leader's mysqld: the other leads, nothing is lost", async () => {
  await pause(1);
  writer.resetGap();
  await pair.killProcess("a");
  await pair.untilPrimary("b", 30);
  await pause(1);
  console.log(`kill -9 without a witness: ${Math.round(writer.longestGap)} ms without a write`);
  expect(await writer.missing("b")).toEqual([]);
  expect(await pair.untilWhole(90)).toBe("b");
});

it("a planned switchover back", async () => {
  await soon(30, async () => {
    const { exitCode, stderr } = await pair.imHa("b", "switchover", "--to", "a", "--yes");
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
  });
  await pair.untilPrimary("a", 20);
  expect(await writer.missing("a")).toEqual([]);
  expect(await pair.untilWhole(90)).toBe("a");
});

it("the leader's whole server stands still: the other leads, and the one that thaws writes nothing", async () => {
  await pair.signalController("a", "SIGSTOP");
  await docker("pause", pair.container("a"));
  await pair.untilPrimary("b", 40);
  await pause(1);
  await docker("unpause", pair.container("a"));
  await pair.signalController("a", "SIGCONT");
  await soon(30, async () => expect((await pair.http("a", "/primary")).status).toBe(503));
  expect(await pair.untilWhole(90)).toBe("b");
  expect(await writer.missing("b")).toEqual([]);
});

it("a lost replica blocks writes until a person says that it is off", async () => {
  const leader = await pair.untilWhole(60);
  const replica = leader === "a" ? "b" : "a";
  await pair.signalController(replica, "SIGSTOP");
  await docker("pause", pair.container(replica));
  await pause(4);
  const before = writer.acknowledged.length;
  await pause(3);
  expect(writer.acknowledged.length).toBe(before);
  expect(await pair.imHa(leader, "degrade")).toMatchObject({ exitCode: 2 });
  const degraded = await pair.imHa(leader, "degrade", "--peer-is-off", "--confirm", `${replica} is off`);
  expect(degraded.stderr).toBe("");
  await soon(40, async () => expect(writer.acknowledged.length).toBeGreaterThan(before + 5));
  await docker("unpause", pair.container(replica));
  await pair.signalController(replica, "SIGCONT");
  expect(await pair.untilWhole(90)).toBe(leader);
  expect(await writer.missing(leader)).toEqual([]);
});
