import { execFile } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import type { Role } from "../action.ts";
import type { AgentConfiguration } from "../configuration.ts";
import { bootMilliseconds } from "./clock.ts";
import type { Note } from "./mysql/local-database.ts";

/**
 * What others are told of this server, and until when. Everything that a reader sees ends by itself: a controller that is killed or
 * suspended is no leader to anybody after `timing.role`.
 */
export class PublishedRole {
  readonly #configuration: AgentConfiguration;
  readonly #note: Note;
  #role: Role = "none";
  #redis: Role = "none";
  #until = 0;
  #deadline = -1;
  #told: Role | undefined;
  #isTelling = false;

  constructor(configuration: AgentConfiguration, note: Note) {
    this.#configuration = configuration;
    this.#note = note;
  }

  get role(): Role {
    return bootMilliseconds() < this.#until ? this.#role : "none";
  }

  get redis(): Role {
    return bootMilliseconds() < this.#until ? this.#redis : "none";
  }

  /** @param lookedAt when the look began from which this was decided: what was seen then says nothing of later. */
  publish(role: Role, redis: Role, lookedAt: number): void {
    const { timing, paths } = this.#configuration;
    this.#role = role;
    this.#redis = redis;
    this.#until = lookedAt + timing.role;
    const deadline = role === "leader" ? this.#until : 0;
    if (deadline !== this.#deadline) {
      writeDeadline(paths.deadline, deadline);
      this.#deadline = deadline;
    }
    this.#tellHook(role);
  }

  /** The run of Redis for which it was published is over: the next one may have lost everything. */
  dropRedis(): void {
    this.#redis = "none";
  }

  /** Whether this server has the virtual address on one of its interfaces; undefined where there is none. */
  get holdsVip(): boolean | undefined {
    const { vip } = this.#configuration;
    const address = vip.mode === "none" ? undefined : vip.address;
    if (address === undefined) return undefined;
    return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address));
  }

  /** The operator's own command, one at a time, again and again until it succeeds: a half-moved address is nobody's. */
  #tellHook(role: Role): void {
    const { vip } = this.#configuration;
    if (vip.mode !== "hook" || this.#isTelling || this.#told === role) return;
    const [program = "", ...args] = vip.command;
    this.#isTelling = true;
    const started = performance.now();
    execFile(program, [...args, role], { timeout: vip.timeout, killSignal: "SIGKILL" }, (error, _stdout, stderr) => {
      const details = { role, milliseconds: Math.round(performance.now() - started) };
      if (error === null) this.#told = role;
      this.#note(error === null ? "vip-hook" : "vip-hook-failed", {
        ...details,
        ...(error === null ? {} : { error: `${error.message} ${stderr}`.trim().slice(0, 500) }),
      });
      // A command that fails at once must not be started three times a second.
      setTimeout(
        () => {
          this.#isTelling = false;
        },
        error === null ? 0 : 2000,
      ).unref();
    });
  }
}

/** Whole seconds with two decimals, as /proc/uptime has them. Renamed into place: a reader never sees half of it. */
function writeDeadline(file: string, milliseconds: number): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(`${file}.new`, `${(milliseconds / 1000).toFixed(2)}\n`, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  } catch {
    // Nothing was extended, and what was there ends by itself.
  }
}
