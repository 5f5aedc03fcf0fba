import { createHmac } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../../lib/errors.ts";
import type { RedisAction, RedisDecision } from "../../action.ts";
import { type AgentConfiguration, readSecret } from "../../configuration.ts";
import type { Redis, View } from "../../view.ts";
import { within } from "../clock.ts";
import { DockerEngine } from "../docker-engine.ts";
import { readIfThere } from "../durable-file.ts";
import type { Note } from "../mysql/local-database.ts";
import { RedisClient, readInfo } from "./client.ts";

type RedisConfiguration = NonNullable<AgentConfiguration["redis"]>;

/** The user as whom a replica comes. It exists only in runs of Redis that a controller gave a role to: see `admit`. */
const replicationUser = "im_replication";

/** What is known of one run of Redis; kept in /run. */
interface Assigned {
  readonly run: string;
  readonly role: Redis["assigned"];
  readonly complete: boolean;
}

export interface RedisDetails {
  readonly version: string;
  readonly role: string;
  readonly offset: number;
  readonly replicas: number;
  /** Seconds since the master was heard last; undefined for a master. */
  readonly silentSeconds: number | undefined;
}

/** This server's Redis: looked at with each look, changed beside the loop, because MySQL never waits for it. */
export class LocalRedis {
  readonly #configuration: AgentConfiguration;
  readonly #redis: RedisConfiguration;
  readonly #docker: DockerEngine;
  readonly #note: Note;
  readonly #noteFile: string;
  /** The run of Redis that was looked at may be over. */
  readonly #onEnd: () => void;
  #client: RedisClient | undefined;
  #assigned: Assigned | undefined;
  #isLoaded = false;
  #isActing = false;
  #lastFailure = "";
  details: RedisDetails | undefined;

  constructor(configuration: AgentConfiguration, redis: RedisConfiguration, note: Note, onEnd: () => void) {
    this.#configuration = configuration;
    this.#redis = redis;
    this.#docker = new DockerEngine(configuration.paths.dockerSocket);
    this.#note = note;
    this.#onEnd = onEnd;
    this.#noteFile = join(configuration.paths.runtime, "redis-run");
  }

  /** Never throws. */
  async look(): Promise<View["redis"]> {
    const { look } = this.#configuration.timing;
    try {
      return await within(look, "Redis", this.#ask(look));
    } catch (error) {
      this.#client?.end();
      this.#client = undefined;
      this.details = undefined;
      return (error as NodeJS.ErrnoException).code === "ECONNREFUSED" ? "down" : "silent";
    }
  }

  async #ask(timeout: number): Promise<Redis> {
    const client = await this.#connected(timeout);
    const info = readInfo(await client.send(["INFO"], timeout));
    const assigned = await this.#assignedTo(info.get("run_id") ?? "");
    const redis = readRedis(info, this.#configuration, assigned);
    if (redis.complete !== assigned.complete) await this.#keep({ ...assigned, complete: redis.complete });
    const silent = info.get("master_last_io_seconds_ago");
    this.details = {
      version: info.get("redis_version") ?? "",
      role: info.get("role") ?? "",
      offset: Number(info.get("master_repl_offset") ?? 0),
      replicas: Number(info.get("connected_slaves") ?? 0),
      silentSeconds: silent === undefined ? undefined : Number(silent),
    };
    return redis;
  }

  async #connected(timeout: number): Promise<RedisClient> {
    if (this.#client?.isUsable) return this.#client;
    const { host, port } = this.#redis;
    this.#client = await RedisClient.connect(host, port, this.#password, timeout, this.#onEnd);
    return this.#client;
  }

  get #password(): string | undefined {
    const { passwordFile } = this.#redis;
    return passwordFile === undefined ? undefined : readSecret(passwordFile);
  }

  /** The same on both servers, and not the application's password: a user of its own has one of its own. */
  get #replicationPassword(): string {
    const secret = this.#password ?? readSecret(this.#configuration.mysql.replication.passwordFile);
    return createHmac("sha256", secret).update(replicationUser).digest("hex");
  }

  async #assignedTo(run: string): Promise<Assigned> {
    if (!this.#isLoaded) {
      const text = await readIfThere(this.#noteFile);
      this.#assigned = text === undefined ? undefined : (JSON.parse(text) as Assigned);
      this.#isLoaded = true;
    }
    return this.#assigned?.run === run ? this.#assigned : { run, role: undefined, complete: true };
  }

  async #keep(assigned: Assigned): Promise<void> {
    this.#assigned = assigned;
    await mkdir(join(this.#noteFile, ".."), { recursive: true, mode: 0o755 });
    await writeFile(this.#noteFile, JSON.stringify(assigned), { mode: 0o600 });
  }

  /** Starts what was decided, unless something is being done already. */
  perform({ action, because }: RedisDecision): void {
    if (action.kind === "wait" || this.#isActing) return;
    this.#isActing = true;
    const started = performance.now();
    void this.#effect(action)
      .then(
        () => {
          this.#lastFailure = "";
          this.#note(`did-${action.kind}`, { because, milliseconds: Math.round(performance.now() - started) });
        },
        async (error: unknown) => {
          const message = messageOf(error);
          if (message !== this.#lastFailure) this.#note("trouble", { subject: action.kind, error: message });
          this.#lastFailure = message;
          await new Promise((resolve) => setTimeout(resolve, 500));
        },
      )
      .finally(() => {
        this.#isActing = false;
      });
  }

  async #effect(action: Exclude<RedisAction, { kind: "wait" }>): Promise<void> {
    const { statement } = this.#configuration.timing;
    const { host, port } = this.#redis;
    const client = await RedisClient.connect(host, port, this.#password, statement);
    try {
      const info = readInfo(await client.send(["INFO", "server"], statement));
      if (info.get("run_id") !== action.run) throw new Error("Redis was restarted since the decision");
      const send = (...words: string[]) => client.send(words, statement);
      switch (action.kind) {
        case "lead-redis":
          await this.#requireWhole(client, statement);
          await send("REPLICAOF", "NO", "ONE");
          await this.#requireWhole(client, statement);
          // A short absence of the replica must not cost a full copy.
          await send("CONFIG", "SET", "repl-backlog-size", String(64 * 1024 * 1024));
          await this.#admit(send);
          break;
        case "reload-redis":
          await send("REPLICAOF", "NO", "ONE");
          return await this.#reload();
        case "detach-redis":
          await send("REPLICAOF", "NO", "ONE");
          await this.#admit(send);
          break;
        case "follow-redis": {
          await send("ACL", "DELUSER", replicationUser);
          await send("CONFIG", "SET", "masteruser", replicationUser);
          await send("CONFIG", "SET", "masterauth", this.#replicationPassword);
          await send("CONFIG", "SET", "replica-read-only", "yes");
          await send("REPLICAOF", this.#redis.peer.address, String(this.#redis.peer.port));
          break;
        }
      }
      const role = { "lead-redis": "leader", "detach-redis": "detached", "follow-redis": "replica" } as const;
      const { complete } = await this.#assignedTo(action.run);
      await this.#keep({ run: action.run, role: role[action.kind], complete });
    } finally {
      client.end();
    }
  }

  /** A full copy may have begun since the decision. @throws Error when it has; the next look then knows that the data set is not whole. */
  async #requireWhole(client: RedisClient, timeout: number): Promise<void> {
    const info = readInfo(await client.send(["INFO"], timeout));
    const assigned = await this.#assignedTo(info.get("run_id") ?? "");
    const { complete } = readRedis(info, this.#configuration, assigned);
    if (complete && info.get("loading") !== "1") return;
    await this.#keep({ ...assigned, complete: false });
    throw new Error("a full copy is under way");
  }

  /**
   * Replicas come as a user that lives in this run of Redis only. One that was restarted, and may have lost everything, knows no such user:
   * nobody can copy its emptiness before a controller has looked.
   */
  async #admit(send: (...words: string[]) => Promise<unknown>): Promise<void> {
    await send(
      ...["ACL", "SETUSER", replicationUser, "reset", "on", `>${this.#replicationPassword}`],
      ...["+psync", "+replconf", "+ping"],
    );
  }

  /** SIGKILL, so that it does not save the half copy over the whole file at its end. */
  async #reload(): Promise<void> {
    this.#note("redis-reloaded", { because: "a full copy was cut off; what is on the disk is older" });
    await this.#docker.kill(this.#redis.container, 10_000);
    for (let tried = 1; ; tried++) {
      try {
        return await this.#docker.start(this.#redis.container, 30_000);
      } catch (error) {
        if (tried === 10) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }
}

/** What INFO means. @throws Error when it is not Redis's. */
export function readRedis(
  info: ReadonlyMap<string, string>,
  configuration: AgentConfiguration,
  known: { readonly role: Redis["assigned"]; readonly complete: boolean },
): Redis {
  const run = info.get("run_id");
  if (run === undefined) throw new Error("Redis did not say its run_id");
  const { server, peer, redis } = configuration;
  const isReplica = info.get("role") === "slave";
  const isPeer =
    info.get("master_host") === redis?.peer.address && Number(info.get("master_port")) === redis?.peer.port;
  const isSyncing = info.get("master_sync_in_progress") === "1" || info.get("async_loading") === "1";
  const isUp = isReplica && info.get("master_link_status") === "up";
  return {
    run,
    assigned: known.role,
    source: isReplica ? (isPeer ? peer.name : server.name) : undefined,
    link: isReplica && isSyncing ? "syncing" : isUp ? "up" : "down",
    complete: isReplica && isSyncing ? false : isUp || known.complete,
    isEmpty: ![...info.keys()].some((name) => /^db\d+$/.test(name)),
  };
}
