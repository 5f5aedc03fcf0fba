import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { OperatorError } from "./errors.ts";

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined removes a variable. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Written to the command's stdin, which is then closed. Without it stdin is empty. */
  readonly input?: string;
  /** After this many seconds the command's process group is ended. Default 600. */
  readonly timeoutSeconds?: number;
  /** Every line of output is also appended here, with the command line before it. */
  readonly logFile?: string;
  /** Called with each line of stdout and stderr as it comes: for progress. */
  readonly onLine?: (line: string) => void;
  /** Give the command this process's own terminal instead of collecting its output. */
  readonly inheritOutput?: boolean;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** Process groups that are running, so that Ctrl-C ends exactly what we started. */
const runningGroups = new Set<number>();
let signalsHooked = false;

function endRunningGroups(signal: NodeJS.Signals): void {
  for (const group of runningGroups) {
    try {
      process.kill(-group, signal);
    } catch {
      // The group ended by itself between two looks.
    }
  }
}

function hookSignals(): void {
  if (signalsHooked) return;
  signalsHooked = true;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      endRunningGroups(signal);
      process.exit(signal === "SIGINT" ? 130 : 143);
    });
  }
}

/** Runs a command without a shell and returns its result, whatever the exit code. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  hookSignals();
  const started = performance.now();
  const log = options.logFile === undefined ? undefined : openLog(options.logFile);
  log?.write(`\n$ ${command} ${args.join(" ")}\n`);
  const environment = { ...process.env, ...options.environment };
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: environment,
    // A group of its own: a timeout must end the grandchildren too (a build's compilers, ssh's proxy).
    detached: !options.inheritOutput,
    stdio: options.inheritOutput ? ["inherit", "inherit", "inherit"] : ["pipe", "pipe", "pipe"],
  });
  const group = child.pid;
  if (group !== undefined && !options.inheritOutput) runningGroups.add(group);

  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    const stream = child[name];
    if (stream === null) continue;
    stream.setEncoding("utf8");
    let rest = "";
    stream.on("data", (text: string) => {
      output[name] += text;
      log?.write(text);
      if (options.onLine === undefined) return;
      const lines = (rest + text).split(/\r?\n|\r/);
      rest = lines.pop() ?? "";
      for (const line of lines) options.onLine(line);
    });
  }
  child.stdin?.on("error", () => {
    // The command may end before it has read all of its input; its exit code tells.
  });
  child.stdin?.end(options.input ?? "");

  let timedOut = false;
  const timeoutSeconds = options.timeoutSeconds ?? 600;
  const timer = setTimeout(() => {
    timedOut = true;
    if (group === undefined) return;
    const target = options.inheritOutput ? group : -group;
    try {
      process.kill(target, "SIGTERM");
      setTimeout(() => {
        try {
          process.kill(target, "SIGKILL");
        } catch {
          // It obeyed the first signal.
        }
      }, 5000).unref();
    } catch {
      // It ended by itself in this moment.
    }
  }, timeoutSeconds * 1000);

  const exitCode = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
  }).finally(() => {
    clearTimeout(timer);
    if (group !== undefined) runningGroups.delete(group);
    log?.end();
  });
  const seconds = (performance.now() - started) / 1000;
  if (timedOut) output.stderr += `\n(ended after ${timeoutSeconds} s)`;
  return { exitCode, ...output, seconds };
}

/** Runs a command that must succeed. The error names the command, the exit code, the last lines and the log file. */
export async function runChecked(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  let result: RunResult;
  try {
    result = await run(command, args, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new OperatorError(`The command "${command}" is not on this machine. Install it, then run this again.`);
    }
    throw error;
  }
  if (result.exitCode !== 0) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-15).join("\n");
    const where = options.logFile === undefined ? "" : `\nThe whole output: ${options.logFile}`;
    throw new OperatorError(
      `"${[command, ...args].join(" ").slice(0, 200)}" ended with exit code ${result.exitCode}:\n${tail}${where}`,
    );
  }
  return result;
}

function openLog(file: string) {
  mkdirSync(dirname(file), { recursive: true });
  return createWriteStream(file, { flags: "a", mode: 0o600 });
}
