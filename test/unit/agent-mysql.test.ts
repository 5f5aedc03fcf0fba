import { describe, expect, it } from "vitest";
import { forgetSource, open, setSemiSync } from "../../agent/edges/mysql/effects.ts";
import {
  endless,
  type ObservedRows,
  readObservation,
  semiSyncSource,
  WaitingCommits,
} from "../../agent/edges/mysql/observe.ts";
import type { MysqlSession, Row } from "../../agent/edges/mysql/session.ts";
import { WriteStall } from "../../agent/edges/mysql/write-stall.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const where = { me: "a", peer: "b", address: "198.18.0.12", port: 3318 } as const;

const rows = (change: Partial<ObservedRows> = {}): ObservedRows => ({
  state: { data: uuid, version: "8.4.6", superReadOnly: "0", readOnly: "0", offline: "0", executed: `${uuid}:1-9` },
  variables: [
    { name: "rpl_semi_sync_source_enabled", value: "ON" },
    ...Object.entries(semiSyncSource).map(([name, value]) => ({ name, value })),
  ],
  status: [
    { name: "Rpl_semi_sync_source_status", value: "ON" },
    { name: "Rpl_semi_sync_source_clients", value: "1" },
  ],
  connection: undefined,
  workers: [],
  coordinator: [],
  commits: { committing: "0" },
  ...change,
});

const connection = (change: Row = {}): Row => ({
  host: "198.18.0.12",
  port: "3318",
  receiver: "ON",
  received: `${uuid}:1-9`,
  errorNumber: "0",
  error: "",
  applier: "ON",
  ...change,
});

const observe = (change: Partial<ObservedRows> = {}) => readObservation("run-1", where, rows(change), () => 0);

describe("what MySQL says of itself", () => {
  it("is protected only with an endless timeout", () => {
    expect(observe().database.semiSync).toEqual({ enabled: true, active: true, clients: 1 });
    const variables = rows().variables?.map((row) => (row["value"] === endless ? { ...row, value: "10000" } : row));
    expect(observe({ variables }).database.semiSync).toEqual({ enabled: true, active: false, clients: 1 });
  });

  it("has no semi-sync while the plugin is not loaded", () => {
    expect(observe({ variables: [], status: [] }).database.semiSync).toEqual({
      enabled: false,
      active: false,
      clients: 0,
    });
  });

  it("is not writable while it is offline", () => {
    expect(observe().database.writable).toBe(true);
    expect(observe({ state: { ...rows().state, offline: "1" } }).database.writable).toBe(false);
  });

  it("has no source after RESET REPLICA ALL, which may leave an empty row", () => {
    expect(observe({ connection: connection({ host: "" }) }).database.replication).toBeUndefined();
  });

  it("follows the peer, or somebody who is not", () => {
    expect(observe({ connection: connection() }).database.replication).toMatchObject({
      source: "b",
      receiver: "connected",
    });
    expect(observe({ connection: connection({ host: "192.0.2.1" }) }).database.replication?.source).toBe("a");
  });

  it("tells a broken applier from a stopped one", () => {
    const stopped = { connection: connection({ applier: "OFF" }) };
    expect(observe(stopped).database.replication?.applier).toBe("stopped");
    const workers = [{ errorNumber: "1062", error: "Duplicate entry", age: null }];
    expect(observe({ ...stopped, workers }).database.replication?.applier).toBe("broken");
    expect(observe({ ...stopped, workers }).details.applierError).toBe("1062: Duplicate entry");
  });

  it("lags by the oldest transaction in hand, and not at all when it is level", () => {
    const workers = [
      { errorNumber: "0", error: "", age: "2500000" },
      { errorNumber: "0", error: "", age: null },
    ];
    expect(observe({ connection: connection(), workers }).database.replication?.lagMilliseconds).toBe(0);
    const behind = connection({ received: `${uuid}:1-10` });
    expect(observe({ connection: behind, workers }).database.replication?.lagMilliseconds).toBe(2500);
  });

  it("does not guess", () => {
    expect(() => observe({ state: { ...rows().state, executed: "half an ans" } })).toThrow("not a GTID set");
    expect(() => observe({ connection: connection({ receiver: "MAYBE" }) })).toThrow("MAYBE");
  });

  it("counts a wait from the last acknowledgement, not from the beginning of a long statement", () => {
    const waits = new WaitingCommits();
    expect(waits.note(1, 10, 1000)).toBe(0);
    expect(waits.note(1, 10, 1900)).toBe(900);
    expect(waits.note(2, 11, 2500)).toBe(0);
    expect(waits.note(2, 11, 2600)).toBe(100);
    expect(waits.note(0, 11, 9000)).toBe(0);
  });
});

describe("a mysqld that answers and cannot write", () => {
  const signs = { committing: 1, waitingCommits: 0, executed: "x:1-5", availableBytes: 1e9 };

  it("hangs in its commits, and not behind the other server's acknowledgement", () => {
    const stall = new WriteStall();
    stall.note(signs, 0);
    expect(stall.note(signs, 1000)).toBe(0);
    expect(stall.note(signs, 3000)).toBe(2000);
    expect(stall.note({ ...signs, executed: "x:1-6" }, 3500)).toBe(0);
    expect(stall.note({ ...signs, executed: "x:1-6", waitingCommits: 1 }, 9000)).toBe(0);
  });

  it("has no room left", () => {
    const stall = new WriteStall();
    expect(stall.note({ ...signs, committing: 0, availableBytes: 4096 }, 0)).toBe(0);
    expect(stall.note({ ...signs, committing: 0, availableBytes: 4096 }, 700)).toBe(700);
    expect(stall.note({ ...signs, committing: 0, availableBytes: undefined }, 900)).toBe(0);
  });
});

/** A session that answers what it was given, in order, and keeps what it was asked. */
function session(...answers: readonly (readonly Row[])[]) {
  const asked: string[] = [];
  const pending = [...answers];
  const fake = {
    instance: "run-1",
    rows: async (sql: string) => {
      asked.push(sql);
      return pending.shift() ?? [];
    },
    results: async (statements: readonly string[]) => {
      asked.push(...statements);
      return [];
    },
  };
  return { asked, fake: fake as unknown as MysqlSession };
}

describe("effects on MySQL look again before they act", () => {
  const closed = { closed: "1", sources: "0", semiSync: "1" };

  it.each([
    ["a source is still configured", { ...closed, sources: "1" }, [], "source"],
    ["semi-sync is off and should be on", { ...closed, semiSync: "0" }, [], "semi-sync is not as"],
    ["it is open already", { ...closed, closed: "0" }, [], "open already"],
    ["the timeout is ten seconds", closed, [{ safe: "0" }], "other settings"],
  ])("open refuses when %s", async (_what, before, then, message) => {
    const { fake, asked } = session([before], then);
    await expect(open(fake, true, 1000)).rejects.toThrow(message);
    expect(asked.join()).not.toContain("read_only = OFF");
  });

  it("opens for readers first and for writers last", async () => {
    const { fake, asked } = session([closed], [{ safe: "1" }]);
    await open(fake, true, 1000);
    expect(asked.slice(-2)).toEqual(["SET GLOBAL offline_mode = OFF", "SET GLOBAL read_only = OFF"]);
  });

  it("semi-sync gets its bounds before it is switched on", async () => {
    const { fake, asked } = session([{ safe: "1" }]);
    await setSemiSync(fake, true, 1000);
    const at = (text: string) => asked.findIndex((sql) => sql.includes(text));
    expect(at("source_timeout = 18446744073709551615")).toBeLessThan(at("source_enabled = ON"));
    await expect(setSemiSync(session([{ safe: "0" }]).fake, true, 1000)).rejects.toThrow("did not take");
  });

  it.each([
    [{ receiver: "ON", drained: "1" }, "the receiver runs"],
    [{ receiver: "OFF", drained: "0" }, "not drained"],
  ])("the source is not forgotten while %o", async (state, message) => {
    const { fake, asked } = session([state]);
    await expect(forgetSource(fake, async () => fake, 1000)).rejects.toThrow(message);
    expect(asked.join()).not.toContain("RESET");
  });
});
