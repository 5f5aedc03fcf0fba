import { join } from "node:path";
import type { AgentConfiguration } from "../../configuration.ts";
import { readSecret } from "../../configuration.ts";
import type { Database } from "../../view.ts";
import { bootMilliseconds, within } from "../clock.ts";
import { DatabaseProcess } from "../database-process.ts";
import { DockerEngine } from "../docker-engine.ts";
import { clone, saveBinaryLogs } from "./clone.ts";
import {
  close,
  follow,
  forgetSource,
  goOffline,
  open,
  Refused,
  type SourceLogin,
  setSemiSync,
  startApplier,
  startReceiver,
  stopReceiver,
  wakeEvents,
} from "./effects.ts";
import { type DatabaseDetails, observeDatabase, type PeerDatabaseAddress, WaitingCommits } from "./observe.ts";
import { MysqlSession } from "./session.ts";
import { WriteStall } from "./write-stall.ts";

export interface DatabaseLook {
  readonly database: Database | "down" | "silent";
  readonly details: DatabaseDetails | undefined;
  /** The run of mysqld that there is, whether it answers or not. */
  readonly run: string | undefined;
  /** How long it has answered and could not write, milliseconds. */
  readonly stalledFor: number;
}

export type Note = (event: string, details?: Readonly<Record<string, unknown>>) => void;

/** This server's mysqld. One session looks, another acts: a statement that hangs must not blind the controller. */
export class LocalDatabase {
  readonly #configuration: AgentConfiguration;
  readonly #docker: DockerEngine;
  readonly #process: DatabaseProcess;
  readonly #where: PeerDatabaseAddress;
  readonly #waits = new WaitingCommits();
  readonly #stall = new WriteStall();
  readonly #note: Note;
  /** mysqld ended a connection: it is time to look. */
  readonly #onEnd: () => void;
  #eyes: MysqlSession | undefined;
  #hands: MysqlSession | undefined;
  #look: Promise<DatabaseLook> | undefined;
  #lastLook: DatabaseLook = { database: "silent", details: undefined, run: undefined, stalledFor: 0 };
  #isCloning = false;

  constructor(configuration: AgentConfiguration, note: Note, onEnd: () => void) {
    const { mysql, paths, timing, server, peer } = configuration;
    this.#configuration = configuration;
    this.#docker = new DockerEngine(paths.dockerSocket);
    this.#process = new DatabaseProcess(this.#docker, mysql.container, timing.look, paths.runtime);
    this.#where = { me: server.name, peer: peer.name, address: mysql.peer.address, port: mysql.peer.port };
    this.#note = note;
    this.#onEnd = onEnd;
  }

  get isCloning(): boolean {
    return this.#isCloning;
  }

  /** Never throws. The controller's own look and the peer's question share one. */
  look(): Promise<DatabaseLook> {
    this.#look ??= this.#lookNow()
      .then((look) => {
        this.#lastLook = look;
        return look;
      })
      .finally(() => {
        this.#look = undefined;
      });
    return this.#look;
  }

  /** A new look, or the last one when that takes its time: the other server must not wait for a mysqld that dies here. */
  async quickLook(): Promise<DatabaseLook> {
    const isAway = typeof this.#lastLook.database === "string";
    return await within(isAway ? 20 : 100, "mysqld", this.look()).catch(() => this.#lastLook);
  }

  async #lookNow(): Promise<DatabaseLook> {
    const { look } = this.#configuration.timing;
    // In the middle of a clone mysqld answers, and what it says is of neither the old nor the new data.
    if (this.#isCloning) return { database: "silent", details: undefined, run: undefined, stalledFor: 0 };
    try {
      return await within(look, "mysqld", this.#ask(look));
    } catch {
      this.#eyes?.end();
      this.#eyes = undefined;
      const run = await within(look, "dockerd", this.#process.find()).catch(() => "starting" as const);
      if (run === undefined) return { database: "down", details: undefined, run: undefined, stalledFor: 0 };
      return {
        database: "silent",
        details: undefined,
        run: run === "starting" ? undefined : run.instance,
        stalledFor: 0,
      };
    }
  }

  async #ask(timeout: number): Promise<DatabaseLook> {
    if (!this.#eyes?.isUsable) this.#eyes = await this.#connect(this.#onEnd);
    const { database, details } = await observeDatabase(
      this.#eyes,
      this.#where,
      this.#waits,
      timeout,
      bootMilliseconds,
    );
    // Ready before it is needed: connecting in the middle of a promotion costs time, and a full server lets nobody in.
    if (!this.#hands?.isUsable) this.#hands = await this.#connect().catch(() => undefined);
    const stalledFor = this.#stall.note(
      {
        ...details,
        executed: database.executed.toString(),
        availableBytes: await this.#process.availableBytes(this.#configuration.mysql.dataDirectory),
      },
      bootMilliseconds(),
    );
    return { database, details, run: database.instance, stalledFor };
  }

  #connect(onEnd?: () => void): Promise<MysqlSession> {
    const { mysql, timing } = this.#configuration;
    const login = {
      host: mysql.host,
      port: mysql.port,
      user: mysql.account.user,
      password: readSecret(mysql.account.passwordFile),
      tls: mysql.tls,
    };
    const findInstance = async () => {
      const run = await this.#process.find();
      return run === undefined || run === "starting" ? undefined : run.instance;
    };
    return MysqlSession.connect(login, timing.look, findInstance, onEnd);
  }

  /** A session to exactly this run of mysqld. @throws Refused when there is another by now. */
  async #session(instance: string): Promise<MysqlSession> {
    if (!this.#hands?.isUsable) this.#hands = await this.#connect();
    if (this.#hands.instance !== instance) {
      this.#hands.end();
      throw new Refused("mysqld was restarted since the decision");
    }
    return this.#hands;
  }

  get #statement(): number {
    return this.#configuration.timing.statement;
  }

  get #source(): SourceLogin {
    const { peer, replication } = this.#configuration.mysql;
    return { ...peer, user: replication.user, password: readSecret(replication.passwordFile) };
  }

  async start(): Promise<void> {
    // To a leader a mysqld that already boots again is down too.
    if ((await this.#process.find()) !== undefined) throw new Refused("mysqld is starting");
    await this.#process.start();
  }

  /** offline_mode where it can be had quickly, then SIGKILL in any case. Docker's restart policy does not bring it back. */
  async fence(instance: string | undefined): Promise<void> {
    const run = await this.#process.find();
    if (run === undefined) return;
    if (instance !== undefined && run !== "starting" && run.instance !== instance) {
      throw new Refused("mysqld was restarted since the decision");
    }
    if (this.#hands?.isUsable) await within(300, "offline_mode", goOffline(this.#hands, 300)).catch(() => undefined);
    await this.#process.kill();
  }

  async open(instance: string, semiSync: boolean): Promise<void> {
    await open(await this.#session(instance), semiSync, this.#statement);
    // Not part of the outage: it may wait for an acknowledgement like any other write.
    void this.#wakeEvents(instance);
  }

  async #wakeEvents(instance: string): Promise<void> {
    let session: MysqlSession | undefined;
    try {
      session = await this.#connect();
      if (session.instance !== instance) return;
      const woken = await wakeEvents(session, 60_000);
      if (woken > 0) this.#note("events-woken", { count: woken });
    } catch (error) {
      this.#note("events-not-woken", { error: String(error) });
    } finally {
      session?.end();
    }
  }

  async close(instance: string): Promise<void> {
    await close(await this.#session(instance), this.#statement);
  }

  async setSemiSync(instance: string, enabled: boolean): Promise<void> {
    await setSemiSync(await this.#session(instance), enabled, this.#statement);
  }

  async stopReceiver(instance: string): Promise<void> {
    await stopReceiver(await this.#session(instance), this.#statement);
  }

  async startReceiver(instance: string): Promise<void> {
    await startReceiver(await this.#session(instance), this.#statement);
  }

  async startApplier(instance: string): Promise<void> {
    await startApplier(await this.#session(instance), this.#statement);
  }

  async forgetSource(instance: string): Promise<void> {
    await forgetSource(await this.#session(instance), () => this.#connect(), this.#statement);
  }

  async follow(instance: string): Promise<void> {
    await follow(
      await this.#session(instance),
      () => this.#connect(),
      this.#configuration.peer.name,
      this.#source,
      this.#statement,
    );
  }

  /**
   * Begins a clone from the peer and returns; until it ends this mysqld is silent to every look.
   * @param onEnd with the error, when the copy is not known to be complete.
   */
  async beginClone(onEnd: (error: unknown) => Promise<void>): Promise<void> {
    if (this.#isCloning) return;
    const session = await this.#connect();
    this.#isCloning = true;
    this.#eyes?.end();
    this.#hands?.end();
    const run = async () => {
      const { mysql, paths } = this.#configuration;
      try {
        const saved = await saveBinaryLogs(
          session,
          this.#docker,
          mysql.container,
          join(paths.state, "binary-logs-before-clone"),
          this.#statement,
        ).catch((error: unknown) => {
          // No reason to stay without a replica: the same transactions were never acknowledged.
          this.#note("binary-logs-not-saved", { error: String(error) });
          return undefined;
        });
        if (saved !== undefined) this.#note("binary-logs-saved", { folder: saved });
        await clone({
          session,
          process: this.#process,
          connect: () => this.#connect(),
          source: this.#source,
          statementTimeout: this.#statement,
          note: this.#note,
        });
        await onEnd(undefined);
      } catch (error) {
        await onEnd(error);
      } finally {
        session.end();
        this.#isCloning = false;
      }
    };
    void run();
  }

  end(): void {
    this.#eyes?.end();
    this.#hands?.end();
  }
}
