import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";

let held = false;

/**
 * Runs work that changes the lab, one process at a time: two that create the same server at once would each see half of
 * it. The lock of a process that is gone is taken over. Inside a held lock it just runs.
 * @throws OperatorError when another process holds it for longer than 20 minutes.
 */
export async function withLabLock<T>(work: () => Promise<T>): Promise<T> {
  if (held) return await work();
  const file = cacheDirectory("lab", "lock");
  mkdirSync(dirname(file), { recursive: true });
  await take(file);
  held = true;
  const release = () => rmSync(file, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    held = false;
    process.off("exit", release);
    release();
  }
}

async function take(file: string): Promise<void> {
  const end = performance.now() + 20 * 60_000;
  let told = false;
  while (performance.now() < end) {
    try {
      writeFileSync(file, `${process.pid}\n`, { flag: "wx" });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readOwner(file);
    if (owner !== undefined && !isAlive(owner)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) process.stdout.write(`  waiting: another run (process ${owner ?? "?"}) is working on the lab\n`);
    told = true;
    await sleep(500);
  }
  throw new OperatorError(
    `Process ${readOwner(file) ?? "?"} has been working on the lab for 20 minutes. If it hangs, end it, then run this again.`,
  );
}

function readOwner(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
