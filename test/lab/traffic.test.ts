import { randomBytes } from "node:crypto";
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RowDataPacket } from "mysql2";
import type { Connection } from "mysql2/promise";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { adoptedContainers } from "../../config/names.ts";
import { onServer } from "../../lab/servers.ts";
import { trafficProgram } from "../../lab/suite/traffic-program.ts";
import {
  connectAsRoot,
  databaseArguments,
  databaseEnvironment,
  suiteFingerprint,
  suiteNames,
} from "../../lab/suite.ts";
import { runningTraffic, startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { run } from "../../lib/process.ts";
import { quote } from "../../lib/shell.ts";

/**
 * The judge of all later work, judged: each way in which an acknowledged write can be gone or different is made, by hand,
 * in the real databases, and must be found. And it must not see what is not there.
 */

interface Ack {
  readonly event: string;
  readonly kind: string;
  readonly id: string;
}

const directory = mkdtempSync(join(tmpdir(), "im-traffic-"));
const logFile = join(directory, "traffic.jsonl");
let database: Connection;
let acks: Ack[];
const undo: (() => Promise<void>)[] = [];

const first = (kind: string) => {
  const ack = acks.find((one) => one.kind === kind);
  if (ack === undefined) throw new Error(`no ${kind} was acknowledged`);
  return ack.id;
};

beforeAll(async () => {
  database = await connectAsRoot(undefined, suiteNames.database);
  await startTraffic({ clients: 20, rate: 100, logFile });
  await sleep(5000);
  await stopTraffic();
  acks = readFileSync(logFile, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Ack)
    .filter((entry) => entry.event === "ack");
});

afterEach(async () => {
  for (const restore of undo.splice(0).toReversed()) await restore();
});

afterAll(async () => {
  await stopTraffic();
  await database?.end();
  rmSync(directory, { recursive: true, force: true });
});

async function row(table: "messages" | "attachments", id: string): Promise<RowDataPacket> {
  const [rows] = await database.query<RowDataPacket[]>("SELECT * FROM ?? WHERE uuid = ?", [table, id]);
  if (rows[0] === undefined) throw new Error(`${id} is not in ${table}`);
  return rows[0];
}

/** Deletes a row and puts it back, with every column, after the test. */
async function deleteRow(table: "messages" | "attachments", id: string): Promise<void> {
  const before = await row(table, id);
  await database.query("DELETE FROM ?? WHERE uuid = ?", [table, id]);
  undo.push(async () => {
    await database.query("INSERT INTO ?? SET ?", [table, before]);
  });
}

async function updateRow(
  table: "messages" | "attachments",
  id: string,
  change: Record<string, unknown>,
): Promise<void> {
  const before = await row(table, id);
  const columns = Object.fromEntries(Object.keys(change).map((column) => [column, before[column]]));
  await database.query("UPDATE ?? SET ? WHERE uuid = ?", [table, change, id]);
  undo.push(async () => {
    await database.query("UPDATE ?? SET ? WHERE uuid = ?", [table, columns, id]);
  });
}

describe("the judge of the traffic", () => {
  it("acquits when everything acknowledged is there", async () => {
    const verdict = await verifyTraffic(logFile);
    expect(verdict).toMatchObject({ passed: true, lost: 0, corrupted: 0, errors: 0 });
    expect(verdict.acknowledged).toBe(acks.length);
    // 100 a second for 5 s, and what was written before the first look.
    expect(verdict.acknowledged).toBeGreaterThan(400);
    expect(verdict.longestGapMs).toBeLessThan(1000);
    expect(verdict.latencyMs.p50).toBeGreaterThan(0);
    const [rows] = await database.query<RowDataPacket[]>("SELECT @@server_uuid AS uuid");
    expect(verdict.databases.map((segment) => segment.database)).toEqual([rows[0]?.["uuid"]]);
    expect(acks.some((ack) => ack.kind === "attachment")).toBe(true);
  });

  it("finds exactly the message that was deleted", async () => {
    const id = first("message");
    await deleteRow("messages", id);
    const verdict = await verifyTraffic(logFile);
    expect(verdict).toMatchObject({ passed: false, lost: 1, corrupted: 0 });
    expect(verdict.lostWrites).toMatchObject([{ id, kind: "message", reason: "row" }]);
  });

  it("ends with exit code 1 when something is lost", async () => {
    await deleteRow("messages", first("message"));
    const program = await trafficProgram();
    const lost = await run(program, ["verify", ...databaseArguments(), "--log", logFile], {
      environment: databaseEnvironment(),
    });
    expect(lost.exitCode).toBe(1);
    for (const restore of undo.splice(0)) await restore();
    const found = await run(program, ["verify", ...databaseArguments(), "--log", logFile], {
      environment: databaseEnvironment(),
    });
    expect(found.exitCode).toBe(0);
  });

  it.each([
    ["another text", { body: "changed" }],
    ["one more blank", undefined],
    ["another conversation", { conversation_id: 999_999 }],
    ["another sender", { sender_id: 999_999 }],
  ])("finds a message with %s", async (_name, change) => {
    const id = first("message");
    await updateRow("messages", id, change ?? { body: `${(await row("messages", id))["body"]} ` });
    const verdict = await verifyTraffic(logFile);
    expect(verdict).toMatchObject({ passed: false, lost: 0, corrupted: 1 });
    expect(verdict.corruptedWrites).toMatchObject([{ id, kind: "message", reason: "content" }]);
  });

  it("finds an attachment whose row is gone, or says another hash", async () => {
    const id = first("attachment");
    await updateRow("attachments", id, { sha256: "0".repeat(64) });
    expect((await verifyTraffic(logFile)).corruptedWrites).toMatchObject([{ id, kind: "attachment", reason: "row" }]);
    await deleteRow("attachments", id);
    expect((await verifyTraffic(logFile)).lostWrites).toMatchObject([{ id, kind: "attachment", reason: "row" }]);
  });

  it("finds an attachment whose object is gone, or has other bytes", async () => {
    const id = first("attachment");
    const key = String((await row("attachments", id))["object_key"]);
    // In MinIO's own volume, aside: what a damaged disk does, which no client would.
    const folder = `/data/${suiteNames.bucket}/${key}`;
    const inMinio = (command: string) =>
      onServer("a", `docker exec ${adoptedContainers.minio} sh -c ${quote(command)}`);
    await inMinio(`mv ${folder} /data/aside-${id}`);
    undo.push(async () => {
      await inMinio(`rm -rf ${folder} && mv /data/aside-${id} ${folder}`);
    });
    const gone = await verifyTraffic(logFile);
    expect(gone).toMatchObject({ passed: false, lost: 1 });
    expect(gone.lostWrites).toMatchObject([{ id, kind: "attachment", reason: "object" }]);
    // Another object's files in its place: MinIO serves them in good faith.
    const other = acks.find((ack) => ack.kind === "attachment" && ack.id !== id)?.id ?? "";
    const otherKey = String((await row("attachments", other))["object_key"]);
    await inMinio(`cp -r /data/${suiteNames.bucket}/${otherKey} ${folder}`);
    const changed = await verifyTraffic(logFile);
    expect(changed).toMatchObject({ passed: false, lost: 0, corrupted: 1 });
    expect(changed.corruptedWrites).toMatchObject([{ id, kind: "attachment", reason: "object" }]);
  });

  it("does not count a failed write as lost, but does report it", async () => {
    const copy = join(directory, "failed.jsonl");
    copyFileSync(logFile, copy);
    const id = "11111111-1111-4111-8111-111111111111";
    const entry = { event: "error", kind: "message", id, unix_ns: Date.now() * 1e6, error: "deadline exceeded" };
    appendFileSync(copy, `${JSON.stringify(entry)}\n`);
    expect(await verifyTraffic(copy)).toMatchObject({ passed: true, lost: 0, errors: 1, failedWrites: 1 });
  });

  it("refuses to judge a log that it cannot read, instead of acquitting", async () => {
    const damaged = join(directory, "damaged.jsonl");
    const lines = readFileSync(logFile, "utf8").split("\n");
    lines[2] = randomBytes(20).toString("hex");
    appendFileSync(damaged, lines.join("\n"));
    await expect(verifyTraffic(damaged)).rejects.toThrow("line 3 is not JSON");
    const empty = join(directory, "empty.jsonl");
    appendFileSync(empty, `${lines[0]}\n`);
    await expect(verifyTraffic(empty)).rejects.toThrow("nothing to judge");
  });

  it("refuses to judge when a database does not answer", async () => {
    const nobody = databaseArguments().map((word) => word.replace(/:3307$/, ":3999"));
    await expect(verifyTraffic(logFile, nobody)).rejects.toThrow("connection refused");
  });
});

describe("the traffic generator", () => {
  it("refuses every address outside the lab", async () => {
    await expect(startTraffic({ clients: 1, rate: 1, logFile, address: "154.37.214.191" })).rejects.toThrow("refuses");
    const result = await run(await trafficProgram(), [
      "run",
      "--target",
      "http://154.37.214.191:8080",
      "--log",
      logFile,
    ]);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain("not an address of the lab");
  });

  it("runs once at a time, and a kill loses nothing of its log", async () => {
    const killed = join(directory, "killed.jsonl");
    const running = await startTraffic({ clients: 20, rate: 100, logFile: killed });
    await expect(startTraffic({ clients: 1, rate: 1, logFile: killed })).rejects.toThrow("runs already");
    await sleep(1000);
    process.kill(running.pid, "SIGKILL");
    while (runningTraffic() !== undefined) await sleep(20);
    await startTraffic({ clients: 20, rate: 100, logFile: killed });
    await stopTraffic();
    const verdict = await verifyTraffic(killed);
    expect(verdict).toMatchObject({ passed: true, lost: 0 });
    // Everything that the kill left without an answer is at most one write per client.
    const [rows] = await database.query<RowDataPacket[]>(
      "SELECT COUNT(*) AS written FROM messages WHERE created_at >= ?",
      [running.startedAt.replace("T", " ").replace("Z", "")],
    );
    const acknowledged = readFileSync(killed, "utf8").split('"event":"ack","kind":"message"').length - 1;
    expect(Number(rows[0]?.["written"]) - acknowledged).toBeLessThanOrEqual(20);
  });

  it("leaves the suite's containers as they were", async () => {
    const before = await suiteFingerprint();
    const short = join(directory, "short.jsonl");
    await startTraffic({ clients: 5, rate: 20, logFile: short });
    await stopTraffic();
    expect(await suiteFingerprint()).toEqual(before);
    expect(Object.keys(before)).toContain(adoptedContainers.mysql);
  });
});
