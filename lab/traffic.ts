import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { suitePorts } from "../config/ports.ts";
import { messageOf, OperatorError, runMain } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { labServers, requireLabAddress } from "./addresses.ts";
import { runTrafficProgram, trafficProgram } from "./suite/traffic-program.ts";
import { databaseArguments, databaseEnvironment } from "./suite.ts";

export interface TrafficOptions {
  /** People who chat, each with a connection of its own. */
  readonly clients: number;
  /** Writes a second, all clients together. */
  readonly rate: number;
  /** One JSON object per line; appended to. */
  readonly logFile: string;
  /** Go on when the script that started it ends. Default: stop with it. */
  readonly survive?: boolean;
  /** Where the API is; the suite on server A by default. Only an address of the lab. */
  readonly address?: string;
  readonly port?: number;
}

/** A traffic generator that runs in the background. */
export interface RunningTraffic {
  readonly pid: number;
  readonly logFile: string;
  /** What it says every ten seconds. */
  readonly outputFile: string;
  readonly clients: number;
  readonly rate: number;
  readonly startedAt: string;
}

/** One write that is not as it was acknowledged. */
export interface TrafficFault {
  readonly id: string;
  readonly kind: "message" | "attachment";
  /** What is missing or different. */
  readonly reason: "row" | "object" | "content";
  readonly acknowledgedAt: string;
}

/** What the judge found. `passed` is the verdict; everything else explains it. */
export interface TrafficVerdict {
  readonly passed: boolean;
  readonly acknowledged: number;
  readonly lost: number;
  readonly corrupted: number;
  /** Failed requests, writes and reads. The outcome of a failed write is unknown: it counts neither as lost nor as kept. */
  readonly errors: number;
  readonly failedWrites: number;
  readonly failedReads: number;
  /** The first failed requests, as the log has them. */
  readonly firstErrors: readonly Readonly<Record<string, unknown>>[];
  /** Longest time without an acknowledged write while the traffic ran. */
  readonly longestGapMs: number;
  /** Times of a second and more without an acknowledged write, longest first. */
  readonly outages: readonly { readonly from: string; readonly to: string; readonly durationMs: number }[];
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Which MySQL server (server_uuid) acknowledged when. */
  readonly databases: readonly {
    readonly database: string;
    readonly from: string;
    readonly to: string;
    readonly acknowledged: number;
  }[];
  readonly lostWrites: readonly TrafficFault[];
  readonly corruptedWrites: readonly TrafficFault[];
}

const stateFile = cacheDirectory("lab", "traffic", "running.json");

/** The traffic that runs now; undefined when none does. */
export function runningTraffic(): RunningTraffic | undefined {
  let running: RunningTraffic;
  try {
    running = JSON.parse(readFileSync(stateFile, "utf8")) as RunningTraffic;
  } catch {
    return undefined;
  }
  return isOurs(running) ? running : undefined;
}

/** A number alone may by now belong to another process: the command line tells. A zombie's is empty. */
function isOurs(running: RunningTraffic): boolean {
  try {
    const words = readFileSync(`/proc/${running.pid}/cmdline`, "utf8").split("\0");
    return words.includes(running.logFile) && words.includes("run");
  } catch {
    return false;
  }
}

/**
 * Starts traffic in the background and returns when the first write is acknowledged.
 * @throws OperatorError when traffic runs already, or when none is acknowledged within 40 s.
 */
export async function startTraffic(options: TrafficOptions): Promise<RunningTraffic> {
  const already = runningTraffic();
  if (already !== undefined) {
    throw new OperatorError(
      `Traffic runs already (process ${already.pid}, log ${already.logFile}). Stop it first: node lab/traffic.ts stop`,
    );
  }
  const host = requireLabAddress(options.address ?? labServers.a.address);
  const program = await trafficProgram();
  const logFile = resolve(options.logFile);
  const outputFile = `${logFile}.output`;
  mkdirSync(dirname(logFile), { recursive: true });
  mkdirSync(dirname(stateFile), { recursive: true });
  const output = openSync(outputFile, "a", 0o600);
  const acknowledgedBefore = acknowledgedLines(logFile);
  const args = [
    ...["run", "--target", `http://${host}:${options.port ?? suitePorts.backend}`],
    ...["--clients", String(options.clients), "--rate", String(options.rate), "--log", logFile],
  ];
  // A process group of its own: a Ctrl-C meant for the script must not tear the witness away.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", output, output] });
  const ended = new Promise<string>((settle) => {
    child.once("error", (error) => settle(messageOf(error)));
    child.once("exit", (code, signal) => settle(`it ended with ${signal ?? `exit code ${code}`}`));
  });
  child.unref();
  const running: RunningTraffic = {
    pid: child.pid ?? 0,
    logFile,
    outputFile,
    clients: options.clients,
    rate: options.rate,
    startedAt: new Date().toISOString(),
  };
  if (child.pid !== undefined) {
    const temporary = `${stateFile}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify(running, null, 2)}\n`);
    renameSync(temporary, stateFile);
    if (options.survive !== true) process.once("exit", () => signal(running, "SIGTERM"));
  }
  const deadline = Date.now() + 40_000;
  while (Date.now() < deadline) {
    const end = await Promise.race([ended, sleep(50).then(() => undefined)]);
    if (end !== undefined) {
      throw new OperatorError(`The traffic did not start: ${end}.\n${lastLines(outputFile)}`);
    }
    if (acknowledgedLines(logFile) > acknowledgedBefore) return running;
  }
  await stopTraffic();
  throw new OperatorError(`The traffic got no acknowledgement within 40 s.\n${lastLines(logFile)}`);
}

function acknowledgedLines(file: string): number {
  return existsSync(file) ? readFileSync(file, "utf8").split('"event":"ack"').length - 1 : 0;
}

function lastLines(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-3).join("\n") : "";
}

/** Sends a signal to the traffic, and to nothing else. */
function signal(running: RunningTraffic, name: NodeJS.Signals): void {
  if (!isOurs(running)) return;
  try {
    process.kill(running.pid, name);
  } catch {
    // It ended in this moment.
  }
}

/** Stops the traffic and waits until its last request is answered. Does nothing when none runs. */
export async function stopTraffic(): Promise<void> {
  const running = runningTraffic();
  if (running !== undefined) {
    signal(running, "SIGTERM");
    const deadline = Date.now() + 20_000;
    while (isOurs(running) && Date.now() < deadline) await sleep(50);
    // The log is written line by line, so even this loses no acknowledgement.
    signal(running, "SIGKILL");
    while (isOurs(running)) await sleep(50);
  }
  rmSync(stateFile, { force: true });
}

interface ProgramResult {
  readonly acknowledged: number;
  readonly lostCount: number;
  readonly corruptedCount: number;
  readonly lost: readonly TrafficFault[];
  readonly corrupted: readonly TrafficFault[];
  readonly errors: {
    readonly writes: number;
    readonly reads: number;
    readonly first: readonly Readonly<Record<string, unknown>>[];
  };
  readonly longestGapMs: number;
  readonly outages: TrafficVerdict["outages"];
  readonly latencyMs: TrafficVerdict["latencyMs"];
  readonly databases: TrafficVerdict["databases"];
}

/**
 * Looks for every acknowledged write of one or more logs in MySQL and MinIO.
 * @param databases where to look, as options of im-traffic; server A's suite by default.
 * @param secrets that go with them: MYSQL_PASSWORD, MINIO_ACCESS_KEY, MINIO_SECRET_KEY; those of A's suite by default.
 * @throws OperatorError when it cannot judge: a damaged or empty log, a database that does not answer. Lost writes are a
 * result, not an error.
 */
export async function verifyTraffic(
  logFile: string | readonly string[],
  databases: readonly string[] = databaseArguments(),
  secrets: Readonly<Record<string, string>> = databaseEnvironment(),
): Promise<TrafficVerdict> {
  const files = typeof logFile === "string" ? [logFile] : logFile;
  const args = ["verify", ...databases, ...files.flatMap((file) => ["--log", file])];
  const result = await runTrafficProgram(args, secrets);
  const found = JSON.parse(result.stdout) as ProgramResult;
  return {
    passed: result.exitCode === 0,
    acknowledged: found.acknowledged,
    lost: found.lostCount,
    corrupted: found.corruptedCount,
    errors: found.errors.writes + found.errors.reads,
    failedWrites: found.errors.writes,
    failedReads: found.errors.reads,
    firstErrors: found.errors.first,
    longestGapMs: found.longestGapMs,
    outages: found.outages,
    latencyMs: found.latencyMs,
    databases: found.databases,
    lostWrites: found.lost,
    corruptedWrites: found.corrupted,
  };
}

const help = `node lab/traffic.ts <command>

  start [--clients N] [--rate N] [--log FILE]   chat with the suite on server A until stopped (default: 20 clients, 100 writes a second)
  status                                        is it running, and what it said last
  stop                                          let the running requests finish, then end
  verify [FILE ...]                             look for every acknowledged write in the databases (default: the newest log);
                                                exit code 1 when one is lost or different
`;

/** The log of the last start by hand, so that "verify" needs no argument. */
const newestLogFile = cacheDirectory("lab", "traffic", "newest-log.txt");

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: "string", default: "20" },
      rate: { type: "string", default: "100" },
      log: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    process.stdout.write(help);
    return values.help ? 0 : 1;
  }
  switch (command) {
    case "start": {
      const name = `traffic-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.jsonl`;
      const logFile = resolve(values.log ?? cacheDirectory("lab", "traffic", name));
      const started = await startTraffic({
        clients: wholeNumber("clients", values.clients),
        rate: wholeNumber("rate", values.rate),
        logFile,
        survive: true,
      });
      writeFileSync(newestLogFile, logFile);
      process.stdout.write(`Traffic runs (process ${started.pid}). Log: ${logFile}\n`);
      return 0;
    }
    case "status": {
      const running = runningTraffic();
      process.stdout.write(
        running === undefined
          ? "No traffic runs.\n"
          : `Process ${running.pid}, ${running.clients} clients, ${running.rate} writes a second, since ${running.startedAt}\nLog: ${running.logFile}\n${lastLines(running.outputFile)}\n`,
      );
      return 0;
    }
    case "stop":
      await stopTraffic();
      process.stdout.write("No traffic runs.\n");
      return 0;
    case "verify": {
      const files = rest.length > 0 ? rest.map((file) => resolve(file)) : [newestLog()];
      const verdict = await verifyTraffic(files);
      process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
      return verdict.passed ? 0 : 1;
    }
    default:
      throw new OperatorError(
        `There is no traffic command ${JSON.stringify(command)}. Type: node lab/traffic.ts --help`,
      );
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new OperatorError(`--${name} is ${JSON.stringify(text)}, expected a whole number of at least 1.`);
}

function newestLog(): string {
  const running = runningTraffic();
  if (running !== undefined) return running.logFile;
  try {
    return readFileSync(newestLogFile, "utf8");
  } catch {
    throw new OperatorError("There is no log yet. Type: node lab/traffic.ts start");
  }
}

if (import.meta.main) await runMain(main);
