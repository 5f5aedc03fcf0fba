import { afterAll, beforeAll, expect, it } from "vitest";
import { LocalDatabase } from "../../agent/edges/mysql/local-database.ts";
import { runChecked } from "../../lib/process.ts";
import { soon, ThrowAwayPair } from "../support/throw-away-pair.ts";

// What MySQL does in the middle of things, between two real mysqld and without a controller: CLONE from a donor that stands still, and a source
// that is left in the middle of a transaction.

const pair = new ThrowAwayPair({ cpus: "0.7", witness: { witness: "none" }, dataMiB: 1500 });
const notes: string[] = [];
let database: LocalDatabase;

beforeAll(async () => {
  await pair.start();
  database = new LocalDatabase(
    pair.configuration("b"),
    (event) => notes.push(event),
    () => {},
  );
}, 300_000);

afterAll(async () => {
  database.end();
  await pair.remove();
}, 60_000);

const clone = () =>
  new Promise<unknown>((resolve, reject) => {
    database.beginClone(async (error) => resolve(error)).catch(reject);
  });

it("a donor that stands still: mysqld is ended, and the copy is not taken for complete", async () => {
  // The statement of the donor's account would be over before anybody could stop it.
  await pair.sql(
    "b",
    "SET GLOBAL super_read_only = OFF",
    "SET GLOBAL clone_max_data_bandwidth = 2",
    "SET GLOBAL super_read_only = ON",
  );
  const ended = clone();
  await soon(20, async () => {
    const [stage] = await pair.sql(
      "b",
      "SELECT COUNT(*) AS n FROM performance_schema.clone_progress WHERE STAGE = 'FILE COPY' AND STATE = 'In Progress'",
    );
    expect(stage?.["n"]).toBe("1");
  });
  expect((await database.look()).database).toBe("silent");
  await runChecked("docker", ["pause", pair.container("a")]);
  expect(await ended).toBeInstanceOf(Error);
  expect(notes).toContain("clone-stalled");
  await runChecked("docker", ["unpause", pair.container("a")]);
});

it("and the next one is complete", async () => {
  await soon(60, async () => expect(typeof (await database.look()).database).toBe("object"));
  expect(await clone()).toBeUndefined();
  const seen = await soon(20, async () => {
    const { database: state } = await database.look();
    if (typeof state === "string") throw new Error(state);
    return state;
  });
  expect(seen.writable).toBe(false);
  expect(seen.executed.isEmpty).toBe(false);
});

it("the source is forgotten at once, although the applier has only the beginning of a transaction", async () => {
  await pair.sql(
    "a",
    "SET GLOBAL read_only = OFF",
    "CREATE TABLE im.large (id INT PRIMARY KEY, content LONGBLOB)",
    "SET GLOBAL binlog_expire_logs_seconds = 5, max_binlog_size = 20000000",
  );
  const look = async () => {
    const { database: state } = await database.look();
    if (typeof state === "string") throw new Error(state);
    return state;
  };
  const { instance } = await look();
  let isOver = false;
  const writers = [0, 1, 2, 3].map(async (id) => {
    const connection = await pair.connect("a");
    for (let turn = 0; !isOver; turn++) {
      await connection.query(`REPLACE INTO large VALUES (${id}, REPEAT(CHAR(${65 + (turn % 26)}), 2000000))`);
    }
    connection.destroy();
  });
  try {
    for (let round = 0; round < 6; round++) {
      await database.follow(instance);
      await soon(30, async () => expect((await look()).replication?.receiver).toBe("connected"));
      await new Promise((resolve) => setTimeout(resolve, 400));
      await database.stopReceiver(instance);
      await soon(30, async () => {
        const { executed, replication } = await look();
        expect(replication !== undefined && executed.contains(replication.received)).toBe(true);
      });
      const started = performance.now();
      await database.forgetSource(instance);
      // MySQL's own bound is a minute.
      expect(performance.now() - started).toBeLessThan(4000);
      expect((await look()).replication).toBeUndefined();
    }
  } finally {
    isOver = true;
    await Promise.allSettled(writers);
  }
});
