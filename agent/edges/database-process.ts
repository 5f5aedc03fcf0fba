import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, readFile, statfs, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { bootId } from "./clock.ts";
import type { DockerEngine } from "./docker-engine.ts";

/** One run of mysqld. */
export interface DatabaseRun {
  readonly pid: number;
  /** Differs for every run: pid and start time of the process, in this boot of the host. */
  readonly instance: string;
}

/** dockerd that does not say within this that there is a process is taken to have none: that run is over in any case. */
const dockerAnswers = 250;

/**
 * mysqld's process, as the host sees it. The run of the process is what counts, not that of the container: a supervisor inside may start
 * mysqld again, and a replica that was restarted unseen could be promoted without what it had acknowledged.
 */
export class DatabaseProcess {
  readonly #docker: DockerEngine;
  readonly #container: string;
  readonly #timeout: number;
  readonly #noteFile: string;
  /** Kept in /run: without it a controller that starts while dockerd is away could neither see nor kill mysqld. */
  #known: DatabaseRun | undefined;

  constructor(docker: DockerEngine, container: string, timeout: number, runtimeDirectory: string) {
    this.#docker = docker;
    this.#container = container;
    this.#timeout = timeout;
    this.#noteFile = join(runtimeDirectory, "database-process");
  }

  /** @returns undefined when there is no process; "starting" while the container runs something else first. */
  async find(): Promise<DatabaseRun | "starting" | undefined> {
    // A process that lives is the same run, whatever dockerd is busy with; it holds a container's lock while it restarts it.
    this.#known ??= await this.#readNote();
    if (this.#known !== undefined && runOf(this.#known.pid)?.instance === this.#known.instance) return this.#known;
    const state = await this.#docker.inspect(this.#container, dockerAnswers).catch(() => undefined);
    if (state === undefined || !state.running || runOf(state.pid) === undefined) return undefined;
    const run = findDatabase(state.pid);
    if (run === undefined) return "starting";
    if (run.instance !== this.#known?.instance) await this.#note(run);
    return run;
  }

  /** What mysqld's own user may still write below a folder of its container; undefined when that cannot be said. */
  async availableBytes(folder: string): Promise<number | undefined> {
    if (this.#known === undefined) return undefined;
    try {
      const { bavail, bsize } = await statfs(join(`/proc/${this.#known.pid}/root`, folder));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  /**
   * SIGKILL, and nothing starts it again. Straight to the process when dockerd does not answer, and then it is dockerd's restart
   * policy that may bring it back: read-only, as every mysqld of the pair boots.
   */
  async kill(): Promise<void> {
    try {
      await this.#docker.kill(this.#container, this.#timeout);
    } catch (error) {
      const run = await this.find();
      if (run === undefined) return;
      if (run === "starting") throw error;
      process.kill(run.pid, "SIGKILL");
    }
  }

  async start(): Promise<void> {
    // Pulling up a large buffer pool's container may take Docker longer than a look.
    await this.#docker.start(this.#container, Math.max(this.#timeout, 30_000));
  }

  async #readNote(): Promise<DatabaseRun | undefined> {
    return JSON.parse(await readFile(this.#noteFile, "utf8").catch(() => "null")) ?? undefined;
  }

  async #note(run: DatabaseRun): Promise<void> {
    this.#known = run;
    await mkdir(join(this.#noteFile, ".."), { recursive: true, mode: 0o755 });
    await writeFile(this.#noteFile, JSON.stringify(run), { mode: 0o600 });
  }
}

interface Process {
  readonly parent: number;
  readonly instance: string;
}

/** From /proc/PID/stat; undefined when it is gone or a zombie. */
function runOf(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { parent: Number(fields[1]), instance: `${bootId().slice(0, 8)}-${pid}-${fields[19]}` };
  } catch {
    return undefined;
  }
}

function isDatabase(pid: number): boolean {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(" (deleted)", "") === "mysqld";
  } catch {
    return false;
  }
}

/** mysqld among a process and its descendants. */
function findDatabase(root: number): DatabaseRun | undefined {
  const found = (pid: number): DatabaseRun | undefined => {
    const run = isDatabase(pid) ? runOf(pid) : undefined;
    return run === undefined ? undefined : { pid, instance: run.instance };
  };
  const first = found(root);
  if (first !== undefined) return first;
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const run = runOf(Number(name));
    if (run !== undefined) children.set(run.parent, [...(children.get(run.parent) ?? []), Number(name)]);
  }
  const pending = [root];
  for (let pid = pending.shift(); pid !== undefined; pid = pending.shift()) {
    for (const child of children.get(pid) ?? []) {
      const run = found(child);
      if (run !== undefined) return run;
      pending.push(child);
    }
  }
  return undefined;
}
