import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { DatabaseProcess } from "../database-process.ts";
import type { DockerEngine } from "../docker-engine.ts";
import type { SourceLogin } from "./effects.ts";
import { errorNumber, literal, type MysqlSession } from "./session.ts";

/** The clone is whole, and mysqld could not start itself again: PID 1 of a container is nobody's child. */
const cannotRestart = 3707;
const refusedReadOnly = 1290;
/** A clone may take hours; one statement's bound only has to end some day. */
const longest = 24 * 3600_000;
const mysqldStarts = 300_000;

/** A donor that died leaves the statement hanging for MySQL's own five minutes; so long without a byte is enough. */
const cloneStalls = 30_000;

export interface CloneParts {
  readonly session: MysqlSession;
  readonly process: DatabaseProcess;
  /** A new session to whatever run of mysqld there is. */
  readonly connect: () => Promise<MysqlSession>;
  readonly source: SourceLogin;
  readonly statementTimeout: number;
  readonly note: (event: string, details?: Readonly<Record<string, unknown>>) => void;
}

/**
 * Replaces this server's data by the source's, and sees to it that mysqld runs again. The caller has set its durable flag before, and
 * takes it back only when this returns.
 * @throws Error when the copy is not known to be complete.
 */
export async function clone(parts: CloneParts): Promise<void> {
  const { session, source, statementTimeout } = parts;
  const before = session.instance;
  await session.rows(
    `SET GLOBAL clone_valid_donor_list = ${literal(`${source.address}:${source.port}`)}`,
    statementTimeout,
  );
  const statement = `CLONE INSTANCE FROM ${literal(source.user)}@${literal(source.address)}:${source.port}
    IDENTIFIED BY ${literal(source.password)} REQUIRE SSL`;
  const stopWatching = watchForStall(parts, before);
  try {
    try {
      await session.rows(statement, longest);
    } catch (error) {
      if (errorNumber(error) !== refusedReadOnly) throw error;
      // Some versions do not clone into a read-only server. Nobody gets in meanwhile.
      await session.results(["SET GLOBAL offline_mode = ON", "SET GLOBAL super_read_only = OFF"], statementTimeout);
      await session.rows(statement, longest);
    }
  } catch (error) {
    // The answer is lost when mysqld restarts at once; what it says of the clone afterwards is what counts.
    const number = errorNumber(error);
    if (number !== undefined && number !== cannotRestart) {
      await session
        .results(["SET GLOBAL super_read_only = ON", "SET GLOBAL offline_mode = OFF"], statementTimeout)
        .catch(() => undefined);
      throw error;
    }
  } finally {
    stopWatching();
    session.end();
  }
  await afterRestart(parts, before);
}

/**
 * Ends mysqld when its donor sends nothing any more. What was copied is worthless, and a mysqld that runs again can begin anew, or follow who
 * leads by then.
 * @returns what ends the watching.
 */
function watchForStall({ process, connect, statementTimeout, note }: CloneParts, instance: string): () => void {
  let watcher: MysqlSession | undefined;
  let isAsking = false;
  let isOver = false;
  let last = "";
  let since = performance.now();
  const look = async () => {
    if (!watcher?.isUsable) watcher = await connect();
    if (watcher.instance !== instance) return;
    const [copying] = await watcher.rows(
      `SELECT COUNT(*) AS stages, COALESCE(SUM(NETWORK), 0) AS bytes FROM performance_schema.clone_progress
         WHERE STATE = 'In Progress' AND STAGE IN ('FILE COPY', 'PAGE COPY', 'REDO COPY')`,
      statementTimeout,
    );
    const now = `${copying?.["stages"]} ${copying?.["bytes"]}`;
    if (copying?.["stages"] === "0" || now !== last) since = performance.now();
    last = now;
    if (isOver || performance.now() - since < cloneStalls) return;
    note("clone-stalled", { seconds: cloneStalls / 1000 });
    since = performance.now();
    await process.kill();
  };
  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    look()
      // A mysqld that takes no new session while it copies is not watched, and MySQL's own bound holds.
      .catch(() => undefined)
      .finally(() => {
        isAsking = false;
      });
  }, 2000);
  return () => {
    isOver = true;
    clearInterval(timer);
    watcher?.end();
  };
}

async function afterRestart({ process, connect, statementTimeout }: CloneParts, before: string): Promise<void> {
  const end = performance.now() + mysqldStarts;
  let last: unknown = new Error("mysqld did not restart");
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    try {
      const run = await process.find();
      if (run === undefined) await process.start();
      if (run === undefined || run === "starting" || run.instance === before) continue;
      const fresh = await connect();
      try {
        const [status] = await fresh.rows(
          `SELECT STATE AS state, ERROR_NO AS errorNumber, ERROR_MESSAGE AS error, @@GLOBAL.gtid_executed AS executed
             FROM performance_schema.clone_status`,
          statementTimeout,
        );
        if (status?.["state"] === "Completed" && status["errorNumber"] === "0" && status["executed"] !== "") return;
        last = new Error(
          `the clone is not complete: ${status?.["state"] ?? "no trace of it"} ${status?.["error"] ?? ""}`,
        );
        if (status === undefined || status["state"] === "Failed" || status["executed"] === "")
          throw new Incomplete(last);
      } finally {
        fresh.end();
      }
    } catch (error) {
      if (error instanceof Incomplete) throw error.cause;
      last = error;
    }
  }
  throw last;
}

class Incomplete extends Error {
  constructor(cause: unknown) {
    super("incomplete", { cause });
  }
}

/** So much of the newest binary logs is kept: errant transactions are the last that an old leader wrote. */
const savedAtMost = 1024 ** 3;

/**
 * Copies the newest binary logs out of the container before a clone wipes them: what is only in them was never acknowledged to
 * anybody, and an auditor may still want to see it.
 * @returns the folder, or undefined when there was nothing to save.
 */
export async function saveBinaryLogs(
  session: MysqlSession,
  docker: DockerEngine,
  container: string,
  folder: string,
  timeout: number,
): Promise<string | undefined> {
  const [base] = await session.rows("SELECT @@GLOBAL.log_bin_basename AS base", timeout);
  if (!base?.["base"]) return undefined;
  const logs = await session.rows("SHOW BINARY LOGS", timeout);
  let size = 0;
  const newest = [...logs].reverse().filter((log, index) => {
    size += Number(log["File_size"] ?? 0);
    return index === 0 || size <= savedAtMost;
  });
  if (newest.length === 0) return undefined;
  const target = join(folder, new Date().toISOString().replaceAll(/[:.]/g, "-"));
  await mkdir(target, { recursive: true, mode: 0o700 });
  for (const log of newest) {
    const name = basename(log["Log_name"] ?? "");
    await docker.save(container, join(dirname(base["base"]), name), join(target, `${name}.tar`), 600_000);
  }
  return target;
}
