import { readFileSync } from "node:fs";
import type { AgentOptions } from "node:https";
import { messageOf } from "../lib/errors.ts";
import type { Action, Decision, Decisions, RecordSyncSet } from "./action.ts";
import { type AgentConfiguration, readSecret } from "./configuration.ts";
import { advanceRecord, decide, whyHalted } from "./decide.ts";
import { BackendProbe } from "./edges/backend.ts";
import { bootMilliseconds, Since, within } from "./edges/clock.ts";
import { EtcdClient } from "./edges/etcd/client.ts";
import { EtcdVotes } from "./edges/etcd/votes.ts";
import { EventLog, PhaseClock } from "./edges/events.ts";
import { Lease } from "./edges/lease.ts";
import { type DatabaseLook, LocalDatabase } from "./edges/mysql/local-database.ts";
import { Peer } from "./edges/peer.ts";
import { PublishedRole } from "./edges/published-role.ts";
import { Records } from "./edges/records.ts";
import { LocalRedis } from "./edges/redis/local-redis.ts";
import type { GtidSet } from "./gtid-set.ts";
import { Requests } from "./requests.ts";
import type { Memory, PeerAnswer, SyncSet, View, Votes } from "./view.ts";

/** Between two looks while clients wait. */
const movingPause = 30;

/** How long a look waits for a peer that did not answer the last one: a round trip, and what it needs for a look of its own. */
const briefly = 250;

/** What the status page shows. */
export interface ControllerState {
  readonly view: View | undefined;
  readonly decision: Decisions | undefined;
  readonly details: DatabaseLook["details"];
}

/**
 * The loop of one server: look at everything at once, decide, do one thing, look again. Whatever fails is a value of the next look; no
 * error ends the loop.
 */
export class Controller {
  readonly configuration: AgentConfiguration;
  readonly events: EventLog;
  readonly published: PublishedRole;
  readonly requests: Requests;
  readonly #records: Records;
  readonly #database: LocalDatabase;
  readonly #redis: LocalRedis | undefined;
  readonly #backend: BackendProbe | undefined;
  readonly #peer: Peer;
  readonly #votes: EtcdVotes | undefined;
  readonly #lease: Lease | undefined;
  readonly #promotion = new PhaseClock();
  readonly #since = {
    votesAway: new Since(),
    databaseAway: new Since(),
    peerSilent: new Since(),
    promoting: new Since(),
    leaderless: new Since(),
    redisNotLeading: new Since(),
  };
  #memory: Memory = { joinSample: undefined, aloneAt: undefined };
  #lastSyncSet: SyncSet | undefined;
  #knownLeader: PeerAnswer["leader"];
  #peerLastExecuted: GtidSet | undefined;
  #state: ControllerState = { view: undefined, decision: undefined, details: undefined };
  #lookedAt = 0;
  #because = "";
  #isEnded = false;
  #endFirstTurn: () => void = () => {};
  readonly #firstTurn = new Promise<void>((resolve) => {
    this.#endFirstTurn = resolve;
  });
  #wake: () => void = () => {};
  #isAwake = false;

  constructor(configuration: AgentConfiguration) {
    const { server, http, votes, timing, paths, redis, backend } = configuration;
    this.configuration = configuration;
    this.events = new EventLog(paths.log, server.name);
    const note = this.events.note.bind(this.events);
    this.published = new PublishedRole(configuration, note);
    this.requests = new Requests(() => this.wake());
    this.#records = new Records(paths.state, paths.runtime);
    this.#database = new LocalDatabase(configuration, note, () => this.wake());
    this.#redis =
      redis === undefined
        ? undefined
        : new LocalRedis(configuration, redis, note, () => {
            this.published.dropRedis();
            this.wake();
          });
    this.#backend = backend === undefined ? undefined : new BackendProbe(backend);
    const tls: AgentOptions = {
      ca: readFileSync(http.tls.certificateAuthority),
      cert: readFileSync(http.tls.certificate),
      key: readFileSync(http.tls.key),
    };
    this.#peer = new Peer(configuration, tls);
    if (votes.witness === "etcd") {
      const { account } = votes;
      const login =
        account === undefined ? undefined : () => ({ user: account.user, password: readSecret(account.passwordFile) });
      const client = new EtcdClient(votes.endpoints, tls, login);
      this.#votes = new EtcdVotes(client, votes.prefix, timing.leaseSeconds);
      this.#lease = new Lease(this.#votes, this.#records, server.name, timing.leaseSeconds);
    }
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** Milliseconds since the last look began: what tells a loop that hangs. */
  get lookAge(): number {
    return bootMilliseconds() - this.#lookedAt;
  }

  get record(): Records["record"] {
    return this.#records.record;
  }

  get redisDetails() {
    return this.#redis?.details;
  }

  /** The first look is over, or takes too long: before that, "no leader" would only mean "not looked yet". */
  async ready(): Promise<void> {
    await within(1500, "the first look", this.#firstTurn).catch(() => undefined);
  }

  /** Look now instead of at the end of the pause. */
  wake(): void {
    this.#isAwake = true;
    this.#wake();
  }

  /** Until `end`. @param onLook called after each look: the watchdog's sign of life. */
  async run(onLook: () => void = () => {}): Promise<void> {
    await this.#records.load();
    await this.#lease?.resume();
    this.events.note("controller-started", { pid: process.pid });
    this.#backend?.start();
    while (!this.#isEnded) {
      let mayGoOn = false;
      try {
        mayGoOn = await this.#turn();
      } catch (error) {
        // Ours to mend; the next look may not run into it.
        this.events.note("turn-failed", {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
      this.#endFirstTurn();
      onLook();
      if (!mayGoOn) await this.#pause();
    }
    this.#backend?.stop();
    this.#database.end();
    await this.events.written();
  }

  /** Lease and deadline stay: whoever stops a controller may start it again in a second, and a failover would be the greater harm. */
  end(): void {
    this.#isEnded = true;
    this.events.note("controller-ended");
    this.wake();
  }

  async #pause(): Promise<void> {
    if (!this.#isAwake) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#isMoving ? movingPause : this.configuration.timing.pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = () => {};
    this.#isAwake = false;
  }

  /** Clients wait: this server leads and is closed. What it waits for is looked at more often. */
  get #isMoving(): boolean {
    const { view } = this.#state;
    if (view === undefined || typeof view.database !== "object" || view.database.writable) return false;
    const file = view.pair?.file;
    return view.lease !== undefined || (file?.lead !== "released" && file?.syncSet?.lastLeader.server === view.me);
  }

  /** @returns whether something was done, so that the next look must not wait. */
  async #turn(): Promise<boolean> {
    this.#isAwake = false;
    const view = await this.#look();
    const { limits } = this.configuration;
    const decision = decide(view, limits);
    if (view.votes !== "away") await this.#keepRecord(advanceRecord(this.#records.record, view.votes));
    this.#state = { ...this.#state, view, decision };
    this.published.publish(decision.role, decision.redis.role, this.#lookedAt);
    this.#noteDecision(view, decision);
    this.#redis?.perform(decision.redis);
    if (decision.action.kind === "wait") return false;
    return await this.#perform(decision.action, decision.because, view);
  }

  // --- looking ------------------------------------------------------------------------------------------------------------------

  async #look(): Promise<View> {
    this.#lookedAt = bootMilliseconds();
    const { server, peer, timing } = this.configuration;
    const [votes, [look, peerAnswer], redis] = await Promise.all([
      this.#readVotes(timing.look),
      // After our own look: an older answer would seem to lack what we have.
      this.#database.look().then(async (seen) => [seen, await this.#askPeer()] as const),
      this.#redis?.look() ?? ("down" as const),
    ]);
    const now = bootMilliseconds();
    const leads = votes !== "away" && votes.leader?.server === server.name;
    const database = this.#databaseOf(look, leads, votes, peerAnswer);
    const writable = typeof database !== "string" && database.writable;
    if (votes !== "away") {
      if (whyHalted(this.#records.record, votes) === undefined) this.#lastSyncSet = votes.syncSet;
      this.#knownLeader = votes.leader?.server;
    }
    if (peerAnswer !== "silent" && peerAnswer.database !== undefined) {
      this.#peerLastExecuted = peerAnswer.database.executed;
    }
    this.#state = { ...this.#state, details: look.details };
    const since = this.#since;
    const { votes: votesConfiguration } = this.configuration;
    const isLeaderless =
      votesConfiguration.witness === "none"
        ? this.#records.pair.lead === "released"
        : votes !== "away" && votes.leader === undefined;
    return {
      me: server.name,
      peer: peer.name,
      votes,
      votesAwayFor: since.votesAway.note(votes === "away", now),
      lastSyncSet: this.#lastSyncSet,
      lease: this.#lease?.held,
      database,
      databaseAwayFor: since.databaseAway.note(typeof database === "string", now),
      peerAnswer,
      peerSilentFor: since.peerSilent.note(peerAnswer === "silent", now),
      promotingFor: since.promoting.note(leads && !writable, now),
      leaderlessFor: since.leaderless.note(isLeaderless, now),
      record: this.#records.record,
      memory: this.#memory,
      now: Date.now(),
      pair:
        votesConfiguration.witness === "none"
          ? { policy: votesConfiguration.policy, file: this.#records.pair }
          : undefined,
      redis,
      redisNotLeadingFor: since.redisNotLeading.note(
        this.published.role === "leader" && typeof redis !== "string" && redis.assigned !== "leader",
        now,
      ),
      backend: this.#backend?.state ?? "unknown",
      backendDownFor: this.#backend?.downFor ?? 0,
      request: this.requests.current,
      peerLastExecuted: this.#peerLastExecuted,
    };
  }

  #lastInstance: string | undefined;

  /**
   * A leader whose mysqld already boots again is as dead as one whose mysqld does not: that run is over. One whose mysqld answers and cannot
   * write is silent to clients; while the other server leads it is looked at as it is, so that it is fenced.
   */
  #databaseOf(
    look: DatabaseLook,
    leads: boolean,
    votes: Votes | "away",
    peerAnswer: PeerAnswer | "silent",
  ): View["database"] {
    const { peer, timing } = this.configuration;
    if (typeof look.database !== "string") {
      this.#lastInstance = look.database.instance;
      const otherLeads = votes !== "away" && votes.leader?.server === peer.name;
      const otherCan =
        peerAnswer !== "silent" &&
        peerAnswer.database !== undefined &&
        this.#lastSyncSet?.members.some((member) => member.server === peer.name) === true;
      if (look.stalledFor < timing.stall || !look.database.writable || otherLeads || !otherCan) return look.database;
      this.#noteOnce("mysqld", "it answers and cannot write: its disk is full or stuck");
      return "silent";
    }
    const isAnother = look.run !== undefined && look.run !== this.#lastInstance && this.#lastInstance !== undefined;
    return leads && isAnother && !this.#database.isCloning ? "down" : look.database;
  }

  async #readVotes(timeout: number): Promise<Votes | "away"> {
    const votes = this.#votes;
    if (votes === undefined) return "away";
    try {
      return await within(
        timeout,
        "etcd",
        (async () => {
          await this.#lease?.renew(timeout);
          const read = await votes.read(timeout);
          await this.#lease?.compare(read);
          return read;
        })(),
      );
    } catch (error) {
      this.#noteOnce("votes", messageOf(error));
      return "away";
    }
  }

  #peerWasSilent = false;
  /** A question that was given up goes on, so that the connection is made: its answer is too late for anybody. */
  #isPeerPending = false;

  /**
   * A peer that was silent the last time is waited for only briefly, or every step of a promotion would cost the whole timeout of a dead
   * server.
   */
  async #askPeer(): Promise<PeerAnswer | "silent"> {
    if (this.#isPeerPending) return "silent";
    const timeout = Math.round(this.configuration.timing.look * 0.8);
    this.#isPeerPending = true;
    const question = this.#peer.ask(timeout).finally(() => {
      this.#isPeerPending = false;
    });
    // Given up, it may still fail.
    question.catch(() => undefined);
    try {
      const answer = await within(this.#peerWasSilent ? briefly : timeout, "the peer", question);
      this.#peerWasSilent = false;
      return answer;
    } catch {
      this.#peerWasSilent = true;
      return "silent";
    }
  }

  /** What the peer's controller hears. Its mysqld part is looked at anew. */
  async answerPeer(): Promise<PeerAnswer> {
    const look = await this.#database.quickLook();
    const { view } = this.#state;
    return {
      database: typeof look.database === "string" ? undefined : look.database,
      cloning: this.#records.record.cloning,
      epoch: this.#records.record.epoch,
      leader: this.#knownLeader,
      withdrawn: this.#records.record.withdrawn,
      redis: typeof view?.redis === "object" ? view.redis : undefined,
      backend: this.#backend?.state ?? "unknown",
      pairFile: this.configuration.votes.witness === "none" ? this.#records.pair : undefined,
    };
  }

  // --- doing --------------------------------------------------------------------------------------------------------------------

  /** @returns whether it was done. A failure waits for the next look like any other state. */
  async #perform(action: Action, because: string, view: View): Promise<boolean> {
    const started = performance.now();
    const stopRenewing = this.#renewMeanwhile();
    try {
      await this.#effect(action, because);
    } catch (error) {
      this.#noteOnce(action.kind, messageOf(error));
      this.#count(action, false);
      if (action.kind === "close") await this.#giveUpHandover();
      return false;
    } finally {
      stopRenewing();
    }
    this.#count(action, true);
    const milliseconds = Math.round(performance.now() - started);
    if (action.kind !== "sample") this.events.note(`did-${action.kind}`, { because, milliseconds, ...summary(action) });
    this.#measure(action, view);
    return true;
  }

  /** A statement may take longer than a lease lasts, and is no reason to lose it. @returns what ends the renewing. */
  #renewMeanwhile(): () => void {
    const { look, leaseSeconds } = this.configuration.timing;
    let isAsking = false;
    const timer = setInterval(() => {
      if (isAsking || this.#lease?.held === undefined) return;
      isAsking = true;
      void this.#lease
        .renew(look)
        .catch(() => undefined)
        .finally(() => {
          isAsking = false;
        });
    }, leaseSeconds * 250);
    return () => clearInterval(timer);
  }

  #closesFailed = 0;

  /** A leader that cannot be closed keeps serving: it must not try, and hold everybody up, for ever. */
  async #giveUpHandover(): Promise<void> {
    this.#closesFailed += 1;
    if (this.#closesFailed < 3) return;
    this.#closesFailed = 0;
    await this.#votes?.clearHandover(this.configuration.timing.look).catch(() => undefined);
    this.events.note("switchover-given-up", { because: "the leader could not be closed three times" });
  }

  #count(action: Action, isDone: boolean): void {
    if (action.kind === "close" && isDone) this.#closesFailed = 0;
  }

  async #effect(action: Action, because: string): Promise<void> {
    const database = this.#database;
    const timeout = this.configuration.timing.look;
    switch (action.kind) {
      case "wait":
        return;
      case "sample":
        this.#memory = { ...this.#memory, joinSample: action.sample };
        return;
      case "take-lease": {
        const isTaken = await this.#etcd.lease.take(timeout);
        if (!isTaken) throw new Error("another server took the lead first");
        return;
      }
      case "release-lease":
        await this.#etcd.lease.release(timeout);
        this.#peer.nudge();
        return;
      case "record-sync-set":
        return await this.#recordSyncSet(action, timeout);
      case "request-handover":
        if (!(await this.#etcd.votes.requestHandover(action.to, action.leaderRevision, timeout))) {
          throw new Error("the leader has changed");
        }
        this.#peer.nudge();
        return;
      case "clear-handover":
        return await this.#etcd.votes.clearHandover(timeout);
      case "set-maintenance":
        return await this.#etcd.votes.setMaintenance(action.on, action.resumedAt, timeout);
      case "reinit":
        if ((await this.#etcd.votes.begin(action.record, timeout)) === undefined) {
          throw new Error("the record was changed meanwhile, or somebody leads");
        }
        this.requests.finish(action.id, "done", because);
        return;
      case "write-pair-file":
        await this.#records.keepPair(action.file, action.ifModRevision);
        if (action.finishes !== undefined) this.requests.finish(action.finishes, "done", because);
        this.#peer.nudge();
        return;
      case "withdraw":
        return await this.#records.keep({ ...this.#records.record, withdrawn: action.withdrawal });
      case "finish-request":
        this.requests.finish(action.id, action.outcome, because);
        return;
      case "start-database":
        return await database.start();
      case "fence":
        return await database.fence(action.instance);
      case "close":
        return await database.close(action.instance);
      case "open":
        // Suspended since the decision: somebody else may lead by now. Nothing would be lost, but readers would be misled.
        if (this.#lease !== undefined && (this.#lease.held?.remaining ?? 0) <= 0)
          throw new Error("the lease has ended");
        return await database.open(action.instance, action.semiSync);
      case "set-semi-sync":
        return await database.setSemiSync(action.instance, action.enabled);
      case "stop-receiver":
        return await database.stopReceiver(action.instance);
      case "start-receiver":
        return await database.startReceiver(action.instance);
      case "start-applier":
        return await database.startApplier(action.instance);
      case "forget-source":
        return await database.forgetSource(action.instance);
      case "follow":
        return await database.follow(action.instance);
      case "clone":
        return await this.#beginClone();
      default: {
        const unknown: never = action;
        throw new Error(`unknown action ${JSON.stringify(unknown)}`);
      }
    }
  }

  get #etcd(): { readonly votes: EtcdVotes; readonly lease: Lease } {
    if (this.#votes === undefined || this.#lease === undefined)
      throw new Error("there is no etcd here (witness: none)");
    return { votes: this.#votes, lease: this.#lease };
  }

  async #recordSyncSet(action: RecordSyncSet, timeout: number): Promise<void> {
    const isAlone = action.members.every((member) => member.server === this.configuration.server.name);
    // From the moment it is sent, a request to add the peer may be carried out.
    if (!isAlone) this.#memory = { ...this.#memory, aloneAt: undefined };
    const revision = await this.#etcd.votes.record(action, timeout);
    if (revision === undefined) throw new Error("the leader or the record has changed");
    if (isAlone) this.#memory = { ...this.#memory, aloneAt: revision };
  }

  async #beginClone(): Promise<void> {
    // On the disk before anything is wiped: a half copy looks like a healthy, empty server.
    await this.#records.keep({ ...this.#records.record, cloning: true });
    const started = performance.now();
    await this.#database.beginClone(async (error) => {
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      if (error === undefined) {
        await this.#keepRecord({ ...this.#records.record, cloning: false });
        this.events.note("cloned", { seconds });
        this.wake();
        return;
      }
      this.events.note("clone-failed", { seconds, error: messageOf(error) });
      // Not at once again: a donor that refuses would be asked three times a second.
      await new Promise((resolve) => setTimeout(resolve, 5000));
    });
  }

  async #keepRecord(record: Records["record"]): Promise<void> {
    try {
      await this.#records.keep(record);
    } catch (error) {
      this.#noteOnce("record", `the durable record is not on the disk: ${messageOf(error)}`);
    }
  }

  // --- telling ------------------------------------------------------------------------------------------------------------------

  readonly #noted = new Map<string, { message: string; at: number }>();

  /** What stays wrong is told once a minute, not with each look. */
  #noteOnce(subject: string, message: string): void {
    const last = this.#noted.get(subject);
    if (last?.message === message && performance.now() - last.at < 60_000) return;
    this.#noted.set(subject, { message, at: performance.now() });
    this.events.note("trouble", { subject, error: message });
  }

  #noteDecision(view: View, decision: Decision): void {
    const said = `${decision.role}: ${decision.because.replaceAll(/\d+ ms/g, "… ms")}`;
    if (said !== this.#because) {
      this.events.note("decided", { role: decision.role, because: decision.because, action: decision.action.kind });
    }
    this.#because = said;
    const isDead = view.lease !== undefined && view.database === "down";
    if (isDead && !this.#promotion.isRunning) this.#promotion.begin(performance.now());
  }

  /** Phases of a change of leader, on whichever server they happen. */
  #measure(action: Action, view: View): void {
    const now = performance.now();
    if (action.kind === "take-lease") {
      this.#promotion.begin(now - view.leaderlessFor);
      this.#promotion.end("lease", now);
      return;
    }
    const phases: Partial<Record<Action["kind"], string>> = {
      close: "close",
      "release-lease": "release",
      "stop-receiver": "stop-receiver",
      "forget-source": "drain-and-forget",
      "record-sync-set": "record",
      open: "open",
    };
    const phase = phases[action.kind];
    if (action.kind === "close") this.#promotion.begin(now);
    if (phase === undefined) return;
    this.#promotion.end(phase, now);
    if (action.kind === "open" && this.#promotion.isRunning) {
      this.events.note("promoted", { epoch: this.#lastSyncSet?.epoch, phases: this.#promotion.finish(now) });
    }
    if (action.kind === "release-lease" && this.#promotion.isRunning) {
      this.events.note("gave-lead-up", { phases: this.#promotion.finish(now) });
    }
  }
}

/** What an event says of an action beside its kind. */
function summary(action: Action): Readonly<Record<string, unknown>> {
  if (action.kind === "record-sync-set") {
    return { members: action.members.map((member) => `${member.server}@${member.instance}`), epoch: action.epoch };
  }
  if (action.kind === "open") return { semiSync: action.semiSync };
  if (action.kind === "set-semi-sync") return { enabled: action.enabled };
  return {};
}
