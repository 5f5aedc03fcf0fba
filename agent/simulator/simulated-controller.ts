import type { Action, Decisions, RecordSyncSet } from "../action.ts";
import { advanceRecord, decide, whyHalted } from "../decide.ts";
import type { GtidSet } from "../gtid-set.ts";
import type {
  DurableRecord,
  Memory,
  OperatorRequest,
  PeerAnswer,
  Redis,
  ServerName,
  SyncSet,
  View,
  Votes,
} from "../view.ts";
import { defaultLimits } from "../view.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import { leaseTtl } from "./simulated-votes.ts";
import type { World } from "./world.ts";

const requestTimeout = 1000;
/** How long a peer is waited for that was silent the last time; now and then it gets the whole timeout again. */
const silentPeerTimeout = 200;
const patienceEvery = 3000;
const pauseBetween = 500;
const roleLasts = 3000;
/** A wall clock that reads like one. */
const wallClockBegin = 1_790_000_000_000;

/** How long something has been so: undefined when it is not. */
type Since = number | undefined;

/** One run of the controller process on one server. */
export class SimulatedController {
  isAlive = true;
  /** What the operator asked of it. */
  request: OperatorRequest | undefined;
  #isFrozen = false;
  #deferred: (() => void)[] = [];
  readonly #world: World;
  readonly #server: SimulatedServer;
  readonly #peer: ServerName;
  #memory: Memory = { joinSample: undefined, aloneAt: undefined };
  #lastSyncSet: SyncSet | undefined;
  #lease: { id: string; validUntil: number } | undefined;
  #votesAwaySince: Since;
  #databaseAwaySince: Since;
  #peerSilentSince: Since;
  #promotingSince: Since;
  #leaderlessSince: Since;
  #redisNotLeadingSince: Since;
  #backendDownSince: Since;
  #peerLastExecuted: GtidSet | undefined;
  #isRedisBusy = false;
  #patientAt = 0;
  #knownLeader: ServerName | undefined;

  constructor(world: World, server: SimulatedServer) {
    this.#world = world;
    this.#server = server;
    this.#peer = server.name === "a" ? "b" : "a";
    // The lease id lies in /run: a restart of the controller goes on with it, a reboot does not.
    if (server.leaseInRun !== undefined && world.variant?.forgetsLease !== true) {
      this.#lease = { id: server.leaseInRun, validUntil: 0 };
    }
    this.#later(world.random.between(0, 300), () => this.#cycle());
  }

  /** What the peer hears over HTTP. */
  answer(database: PeerAnswer["database"]): PeerAnswer {
    return {
      database,
      cloning: this.#server.record.cloning,
      epoch: this.#server.record.epoch,
      leader: this.#knownLeader,
      withdrawn: this.#server.record.withdrawn,
      redis: this.#server.redis.observe(),
      backend: this.#server.backend,
      pairFile: this.#world.witness === "etcd" ? undefined : this.#server.file,
    };
  }

  get isRunning(): boolean {
    return this.isAlive && !this.#isFrozen;
  }

  /** SIGSTOP: everything else on the server goes on. */
  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) this.#later(this.#world.random.between(0, 30), run);
  }

  /** Runs on this server, in this run of the controller: a paused host does it after its thaw, a dead process never. */
  #later(delay: number, run: () => void): void {
    this.#world.onServer(this.#server, delay, () => this.#now(run));
  }

  #now(run: () => void): void {
    if (this.#isFrozen) this.#deferred.push(run);
    else if (this.isAlive) run();
  }

  /** Looks at everything at once, then decides. */
  #cycle(): void {
    const world = this.#world;
    const server = this.#server;
    const sentAt = world.events.now;
    let votes: Votes | "away" = "away";
    let database: View["database"] = "silent";
    let peerAnswer: View["peerAnswer"] = "silent";
    let pending = world.witness === "etcd" ? 3 : 2;
    let isOver = false;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      this.#decide(votes, database, peerAnswer);
    };
    const isPatient = this.#peerSilentSince === undefined || sentAt - this.#patientAt >= patienceEvery;
    if (isPatient) this.#patientAt = sentAt;
    let isPatienceOver = false;
    const done = () => {
      if (pending === 0 || (isPatienceOver && pending === 1 && peerAnswer === "silent")) finish();
    };
    const answered = () => {
      pending -= 1;
      done();
    };
    this.#later(requestTimeout, finish);
    if (!isPatient) {
      this.#later(silentPeerTimeout, () => {
        isPatienceOver = true;
        done();
      });
    }
    this.#later(world.random.between(1, 5), () => {
      if (isOver) return;
      const { isHung, isCloning, isRunning } = server.database;
      if (!isHung) {
        database = isCloning ? "silent" : isRunning ? world.databases.observe(server) : "down";
        answered();
      }
      // After our own look: an older answer would seem to lack what we have.
      world.askPeer(server, (answer) =>
        this.#now(() => {
          if (isOver) return;
          peerAnswer = answer;
          answered();
        }),
      );
    });
    world.askVotes(
      server,
      (now) => {
        const lease = this.#lease;
        const isKept = lease !== undefined && world.votes.renew(lease.id, now);
        return { votes: world.votes.read(now), isKept, leaseId: lease?.id };
      },
      (answer) =>
        this.#now(() => {
          if (isOver) return;
          votes = answer.votes;
          if (answer.leaseId !== undefined && answer.leaseId === this.#lease?.id) {
            this.#lease = answer.isKept ? { id: answer.leaseId, validUntil: sentAt + leaseTtl } : undefined;
            if (!answer.isKept) server.leaseInRun = undefined;
          }
          answered();
        }),
    );
  }

  #decide(votes: View["votes"], database: View["database"], peerAnswer: View["peerAnswer"]): void {
    const world = this.#world;
    const server = this.#server;
    const view = this.#look(votes, database, peerAnswer);
    const plain = (seen: View): Decisions => decide(seen, defaultLimits);
    const decision = world.variant?.decide === undefined ? plain(view) : world.variant.decide(view, plain);
    if (votes !== "away") this.#keep(advanceRecord(server.record, votes));
    this.#publish(decision, view);
    world.note(server, decision);
    this.#performRedis(decision, view);
    if (decision.action.kind === "wait") {
      this.#later(world.random.between(pauseBetween / 2, pauseBetween), () => this.#cycle());
      return;
    }
    // Between a decision and its effect a process may be swapped out, or wait for a slow disk.
    const held = world.random.chance(world.hesitation) ? world.random.between(200, 9000) : world.random.between(1, 15);
    this.#later(held, () => this.#perform(decision));
  }

  #look(votes: View["votes"], database: View["database"], peerAnswer: View["peerAnswer"]): View {
    const world = this.#world;
    const server = this.#server;
    const { now } = world.events;
    const pair = world.witness === "etcd" ? undefined : { policy: world.witness, file: server.file };
    const since = (previous: Since, holds: boolean): Since => (holds ? (previous ?? now) : undefined);
    this.#votesAwaySince = since(this.#votesAwaySince, votes === "away");
    this.#databaseAwaySince = since(this.#databaseAwaySince, typeof database === "string");
    this.#peerSilentSince = since(this.#peerSilentSince, peerAnswer === "silent");
    if (votes !== "away" && whyHalted(server.record, votes) === undefined) {
      this.#lastSyncSet = votes.syncSet;
      this.#knownLeader = votes.leader?.server;
    }
    if (pair !== undefined) {
      this.#knownLeader = pair.file.lead === "released" ? undefined : pair.file.syncSet?.lastLeader.server;
    }
    const leads = this.#knownLeader === server.name && (pair !== undefined || votes !== "away");
    const writable = typeof database !== "string" && database.writable;
    this.#promotingSince = since(this.#promotingSince, leads && !writable);
    const isFree = pair === undefined ? votes !== "away" && votes.leader === undefined : pair.file.lead === "released";
    this.#leaderlessSince = since(this.#leaderlessSince, isFree);
    this.#backendDownSince = since(this.#backendDownSince, server.backend === "down");
    const redis = server.redis.observe();
    const leadsWithoutRedis = leads && writable && redis !== undefined && redis.assigned !== "leader";
    this.#redisNotLeadingSince = since(this.#redisNotLeadingSince, leadsWithoutRedis);
    if (peerAnswer !== "silent") this.#peerLastExecuted = peerAnswer.database?.executed ?? this.#peerLastExecuted;
    const lasted = (start: Since) => (start === undefined ? 0 : now - start);
    const lease = this.#lease;
    return {
      me: server.name,
      peer: this.#peer,
      votes,
      votesAwayFor: lasted(this.#votesAwaySince),
      lastSyncSet: this.#lastSyncSet,
      lease: lease === undefined ? undefined : { id: lease.id, remaining: (lease.validUntil - now) * server.clockRate },
      database,
      databaseAwayFor: lasted(this.#databaseAwaySince),
      peerAnswer,
      peerSilentFor: lasted(this.#peerSilentSince),
      promotingFor: lasted(this.#promotingSince),
      leaderlessFor: lasted(this.#leaderlessSince),
      record: server.record,
      memory: this.#memory,
      now: wallClockBegin + now + server.wallClockError,
      pair,
      redis: redis ?? "down",
      redisNotLeadingFor: lasted(this.#redisNotLeadingSince),
      backend: server.backend,
      backendDownFor: lasted(this.#backendDownSince),
      request: this.request,
      peerLastExecuted: this.#peerLastExecuted,
    };
  }

  #keep(record: DurableRecord): void {
    this.#server.record = record;
  }

  #publish(decision: Decisions, view: View): void {
    const { variant, events } = this.#world;
    const { role, redis } = decision;
    const clock = events.now + (variant?.deadlineByWallClock === true ? this.#server.wallClockError : 0);
    const until = variant?.roleNeverExpires ? Number.POSITIVE_INFINITY : clock + roleLasts;
    const run = typeof view.redis === "string" ? "" : view.redis.run;
    this.#server.uncontrolledSince = undefined;
    this.#server.published = { role, redis: { role: redis.role, run }, until };
  }

  /** Beside MySQL's, one at a time. */
  #performRedis(decision: Decisions, view: View): void {
    const { action } = decision.redis;
    if (action.kind === "wait" || this.#isRedisBusy) return;
    this.#isRedisBusy = true;
    const world = this.#world;
    this.#later(world.random.between(1, 200), () => {
      this.#isRedisBusy = false;
      const { redis } = this.#server;
      world.log(`${this.#server.name}: ${action.kind} (${decision.redis.because})`);
      if (action.kind === "lead-redis" && redis.newest === 0) redis.ledEmpty = hasWaitedForRedis(view, redis.assigned);
      redis.perform(action, world.variant?.redisLeadsUnchecked);
    });
  }

  #again(): void {
    this.#later(this.#world.random.between(1, 30), () => this.#cycle());
  }

  #perform(decision: Decisions): void {
    const { action } = decision;
    if (this.#performInVotes(action)) return;
    const world = this.#world;
    const server = this.#server;
    const { database } = server;
    switch (action.kind) {
      case "sample":
        this.#memory = { ...this.#memory, joinSample: action.sample };
        break;
      case "start-database":
        world.databases.start(server);
        this.#later(pauseBetween, () => this.#cycle());
        return;
      case "fence":
        if (action.instance === undefined || action.instance === database.instance) world.databases.fence(server);
        break;
      case "clone":
        this.#keep({ ...server.record, cloning: world.variant?.forgetsCloning !== true });
        world.databases.clone(server, () => this.#later(1, () => this.#keep({ ...server.record, cloning: false })));
        break;
      case "withdraw":
        this.#keep({ ...server.record, withdrawn: action.withdrawal });
        break;
      case "write-pair-file":
        this.#writeFile(decision, action);
        break;
      case "finish-request":
        this.#finish(action.id, action.outcome, decision.because);
        break;
      default:
        if ("instance" in action && database.isRunning && !database.isHung && action.instance === database.instance) {
          world.databases.perform(server, action, this.#epoch);
        }
    }
    this.#again();
  }

  get #epoch(): number {
    const set = this.#world.witness === "etcd" ? this.#lastSyncSet : this.#server.file.syncSet;
    return set?.epoch ?? 0;
  }

  #finish(id: string, outcome: "done" | "refused", because: string): void {
    const { request } = this;
    if (request?.id !== id) return;
    this.request = undefined;
    this.#world.operator.onAnswer(request, outcome, because);
  }

  #writeFile(decision: Decisions, action: Extract<Action, { kind: "write-pair-file" }>): void {
    const world = this.#world;
    const asksToMove = action.file.handover === this.#peer && this.#server.file.handover === undefined;
    if (asksToMove && this.request === undefined && action.file.syncSet?.lastLeader.server === this.#server.name) {
      world.invariants.onElectiveMove();
    }
    world.writeFile(this.#server, action.file, action.ifModRevision);
    if (action.finishes !== undefined) this.#finish(action.finishes, "done", decision.because);
  }

  /** @returns whether the action was one for etcd: the next look follows its answer, or its timeout. */
  #performInVotes(action: Action): boolean {
    const world = this.#world;
    const server = this.#server;
    switch (action.kind) {
      case "take-lease": {
        const sentAt = world.events.now;
        this.#ask(
          (now) => {
            const id = world.votes.grant(now);
            return world.votes.takeLeader(server.name, id, now) ? id : undefined;
          },
          (id) => this.#holdLease(sentAt, id),
        );
        return true;
      }
      case "release-lease": {
        const lease = this.#lease;
        this.#lease = undefined;
        server.leaseInRun = undefined;
        this.#ask((now) => (lease === undefined ? undefined : world.votes.revoke(lease.id, now)));
        return true;
      }
      case "request-handover":
        if (this.request === undefined) world.invariants.onElectiveMove();
        this.#ask((now) => world.votes.requestHandover(action.to, action.leaderRevision, now));
        return true;
      case "clear-handover":
        this.#ask(() => world.votes.setHandover(undefined));
        return true;
      case "set-maintenance":
        this.#ask(() => world.votes.setMaintenance(action.on, action.resumedAt));
        return true;
      case "reinit":
        this.#ask(
          (now) => world.votes.reinit(action.record, now),
          (isDone) => {
            if (isDone) this.#finish(action.id, "done", "this server has the data");
          },
        );
        return true;
      case "record-sync-set":
        this.#record(action);
        return true;
      default:
        return false;
    }
  }

  #holdLease(sentAt: number, id: string | undefined): void {
    if (id === undefined) return;
    this.#lease = { id, validUntil: sentAt + leaseTtl };
    this.#server.leaseInRun = id;
  }

  #record(action: RecordSyncSet): void {
    const world = this.#world;
    const alone = action.members.every((member) => member.server === this.#server.name);
    // From the moment it is sent, a request to add the peer may be carried out.
    if (!alone) this.#memory = { ...this.#memory, aloneAt: undefined };
    if (world.variant?.opensAfterAnyRecord === true) this.#openAnyway(action);
    this.#ask(
      (now) => world.record(this.#server, action, now),
      (revision) => {
        if (alone && revision !== undefined) this.#memory = { ...this.#memory, aloneAt: revision };
      },
    );
  }

  /** Known-bad: the next effect on the list, without a look at what became of the last. */
  #openAnyway(action: RecordSyncSet): void {
    const { database } = this.#server;
    if (action.members.length > 1 || database.writable) return;
    const held = this.#world.random.chance(this.#world.hesitation) ? 9000 : 20;
    this.#later(held, () => {
      if (!database.isRunning) return;
      this.#world.databases.perform(
        this.#server,
        { kind: "open", instance: database.instance, semiSync: database.semiSync },
        action.epoch,
      );
    });
  }

  /** One request to etcd; its outcome may stay unknown, and then the next look at etcd settles what is done next. */
  #ask<T>(atStore: (now: number) => T, onAnswer: (answer: T) => void = () => {}): void {
    let isOver = false;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      this.#again();
    };
    this.#later(requestTimeout, finish);
    this.#world.askVotes(this.#server, atStore, (answer) =>
      this.#now(() => {
        if (isOver) return;
        onAnswer(answer);
        finish();
      }),
    );
  }
}

/** An empty Redis was made the leader because nobody had anything, or nobody came for as long as one waits. */
function hasWaitedForRedis(view: View, assigned: Redis["assigned"]): boolean {
  const kept = view.peerAnswer === "silent" ? undefined : view.peerAnswer.redis;
  const hasNothingToWaitFor = kept !== undefined && (kept.isEmpty || !kept.complete);
  return assigned !== undefined || hasNothingToWaitFor || view.redisNotLeadingFor >= defaultLimits.redisRestore;
}
