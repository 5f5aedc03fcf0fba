import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { agentConfiguration } from "../../agent/configuration.ts";
import { bootMilliseconds } from "../../agent/edges/clock.ts";
import { EventLog, PhaseClock } from "../../agent/edges/events.ts";
import { readPeerAnswer, writePeerAnswer } from "../../agent/edges/peer.ts";
import { PublishedRole } from "../../agent/edges/published-role.ts";
import { Records } from "../../agent/edges/records.ts";
import { parseReply, RedisError, readInfo } from "../../agent/edges/redis/client.ts";
import { readRedis } from "../../agent/edges/redis/local-redis.ts";
import { GtidSet } from "../../agent/gtid-set.ts";
import { Requests } from "../../agent/requests.ts";
import type { PeerAnswer } from "../../agent/view.ts";

const folder = () => mkdtempSync(join(tmpdir(), "im-agent-"));

const configuration = (runtime: string, vip: object = { mode: "none" }) =>
  agentConfiguration.parse({
    server: { name: "a", address: "198.18.0.11" },
    peer: { name: "b", address: "198.18.0.12" },
    mysql: { container: "im-mysql", port: 3307, peer: { address: "198.18.0.12" } },
    redis: { container: "im-redis", port: 6379, peer: { address: "198.18.0.12" } },
    votes: { witness: "none" },
    vip,
    paths: { runtime, state: join(runtime, "state"), deadline: join(runtime, "leader-until") },
  });

describe("the role that others read", () => {
  it("ends by itself, and its deadline is on the clock of the host's boot", () => {
    const place = folder();
    const published = new PublishedRole(configuration(place), () => {});
    const now = bootMilliseconds();
    published.publish("leader", "leader", now);
    expect(published.role).toBe("leader");
    const until = Number(readFileSync(join(place, "leader-until"), "utf8")) * 1000;
    expect(until).toBe(now + 3000);
    published.publish("leader", "leader", now - 3001);
    expect(published.role).toBe("none");
  });

  it("is no leader's for keepalived as soon as it is not the leader's", () => {
    const place = folder();
    const published = new PublishedRole(configuration(place), () => {});
    published.publish("leader", "leader", bootMilliseconds());
    published.publish("replica", "replica", bootMilliseconds());
    expect(readFileSync(join(place, "leader-until"), "utf8")).toBe("0.00\n");
    published.dropRedis();
    expect([published.role, published.redis]).toEqual(["replica", "none"]);
  });

  it("is told to the operator's command once for each change, and again when the command fails", async () => {
    const place = folder();
    const hook = join(place, "hook");
    writeFileSync(hook, `#!/bin/sh\necho "$*" >>${place}/told\ntest -e ${place}/works\n`);
    chmodSync(hook, 0o755);
    const notes: string[] = [];
    const published = new PublishedRole(configuration(place, { mode: "hook", command: [hook, "move"] }), (event) => {
      notes.push(event);
    });
    const publish = () => published.publish("leader", "leader", bootMilliseconds());
    publish();
    publish();
    await vi.waitFor(() => expect(notes).toEqual(["vip-hook-failed"]), 5000);
    writeFileSync(join(place, "works"), "");
    await vi.waitFor(() => {
      publish();
      expect(notes).toContain("vip-hook");
    }, 10_000);
    publish();
    expect(readFileSync(join(place, "told"), "utf8")).toBe("move leader\nmove leader\n");
  });
});

describe("what survives a restart", () => {
  it("is there again", async () => {
    const place = folder();
    const records = new Records(join(place, "state"), join(place, "run"));
    await records.load();
    await records.keep({ ...records.record, epoch: 7, cloning: true });
    const next = new Records(join(place, "state"), join(place, "run"));
    await next.load();
    expect(next.record).toMatchObject({ epoch: 7, cloning: true });
  });

  it("is not guessed when it is damaged", async () => {
    const place = folder();
    mkdirSync(join(place, "state"));
    writeFileSync(join(place, "state", "record.json"), '{"epoch":');
    await expect(new Records(join(place, "state"), join(place, "run")).load()).rejects.toThrow("im-ha reinit");
  });

  it("keeps what it knows in memory when the disk takes nothing", async () => {
    const place = folder();
    writeFileSync(join(place, "state"), "a file where the folder should be");
    const records = new Records(join(place, "other"), join(place, "run"));
    await records.load();
    const blocked = new Records(join(place, "state", "below"), join(place, "run"));
    await expect(blocked.keep({ ...blocked.record, epoch: 2 })).rejects.toThrow();
    expect(blocked.record.epoch).toBe(2);
  });

  it("of a pair without a witness is written only over what it was decided from", async () => {
    const place = folder();
    const records = new Records(join(place, "state"), join(place, "run"));
    await records.load();
    await expect(records.keepPair({ ...records.pair, maintenance: true }, 4)).rejects.toThrow("revision 0, not 4");
    expect(records.pair.maintenance).toBe(false);
    await records.keepPair({ ...records.pair, maintenance: true }, 0);
    expect(existsSync(join(place, "state", "pair.json"))).toBe(true);
  });
});

describe("events", () => {
  it("are counted and kept although the log cannot be written", async () => {
    vi.spyOn(process.stdout, "write").mockImplementation(() => true);
    const log = new EventLog("/proc/no-such-folder/log", "a");
    log.note("promoted", { epoch: 3 });
    await log.written();
    expect(Object.fromEntries(log.counts)).toEqual({ promoted: 1, "event-log-not-written": 1 });
    expect(log.newest[0]).toMatchObject({ event: "promoted", epoch: 3, server: "a" });
    vi.restoreAllMocks();
  });

  it("say how long each phase took, and all of them", () => {
    const clock = new PhaseClock();
    clock.end("stray", 5);
    clock.begin(100);
    clock.end("lease", 110);
    clock.end("drain", 150);
    clock.end("drain", 160);
    expect(clock.finish(170)).toEqual({ lease: 10, drain: 50, total: 70 });
    expect(clock.isRunning).toBe(false);
  });
});

describe("Redis", () => {
  it("is understood however its answer is cut", () => {
    const whole = Buffer.from("*2\r\n$5\r\nab\r\nc\r\n:12\r\n");
    for (let length = 0; length < whole.length; length++) {
      expect(parseReply(whole.subarray(0, length), 0)).toBeUndefined();
    }
    expect(parseReply(whole, 0)).toEqual({ reply: ["ab\r\nc", 12], end: whole.length });
    expect(parseReply(Buffer.from("-NOAUTH no\r\n"), 0)?.reply).toBeInstanceOf(RedisError);
  });

  const info = (...lines: string[]) => readInfo(["run_id:r1", ...lines].join("\r\n"));
  const known = { role: "replica", complete: true } as const;
  const replica = ["role:slave", "master_host:198.18.0.12", "master_port:6399"];

  it("is a replica of the peer, whole while its link is up, and not while a full copy runs", () => {
    const one = configuration(folder());
    expect(readRedis(info(...replica, "master_link_status:up", "db0:keys=1"), one, known)).toMatchObject({
      source: "b",
      link: "up",
      complete: true,
      isEmpty: false,
    });
    const syncing = info(...replica, "master_link_status:down", "master_sync_in_progress:1");
    expect(readRedis(syncing, one, known)).toMatchObject({ link: "syncing", complete: false, isEmpty: true });
    // Cut off in the middle: what is there stays half until a copy ends.
    const cut = info(...replica, "master_link_status:down", "master_sync_in_progress:0");
    expect(readRedis(cut, one, { ...known, complete: false })).toMatchObject({ link: "down", complete: false });
  });

  it("that replicates from somebody else does not follow the peer", () => {
    const other = info("role:slave", "master_host:192.0.2.1", "master_port:6379", "master_link_status:up");
    expect(readRedis(other, configuration(folder()), known).source).toBe("a");
  });
});

describe("the peer's answer", () => {
  it("comes back as it went, GTID sets too", () => {
    const executed = GtidSet.parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9");
    const answer = {
      database: {
        instance: "i",
        data: "d",
        writable: false,
        semiSync: { enabled: false, active: false, clients: 0 },
        executed,
        replication: {
          source: "a",
          receiver: "connected",
          applier: "running",
          received: executed,
          lagMilliseconds: 0,
        },
        oldestWaitMilliseconds: 0,
      },
      cloning: false,
      epoch: 2,
      leader: "a",
      withdrawn: undefined,
      redis: undefined,
      backend: "unknown",
      pairFile: undefined,
    } as const satisfies PeerAnswer;
    const read = readPeerAnswer(writePeerAnswer(answer));
    expect(read.database?.executed.contains(executed)).toBe(true);
    expect(read.database?.replication?.received.toString()).toBe(executed.toString());
    expect(() => readPeerAnswer("{}")).toThrow("something else");
  });
});

describe("what operators ask for", () => {
  it("is answered once, in order, and given up in time", async () => {
    let isWoken = false;
    const requests = new Requests(() => {
      isWoken = true;
    });
    const first = requests.ask({ kind: "resume" }, 10_000);
    const second = requests.ask({ kind: "maintenance" }, 50);
    expect(isWoken).toBe(true);
    requests.finish(requests.current?.id ?? "", "done", "resumed");
    expect(await first).toEqual({ outcome: "done", because: "resumed" });
    expect(requests.current?.kind).toBe("maintenance");
    const keepAlive = setTimeout(() => undefined, 1000);
    expect(await second).toMatchObject({ outcome: "late" });
    clearTimeout(keepAlive);
    expect(requests.current).toBeUndefined();
  });
});
