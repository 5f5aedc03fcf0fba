import type { Action, Decision, RecordSyncSet, Role } from "../action.ts";
import { advanceRecord, decide } from "../decide.ts";
import type { DurableRecord, Memory, PeerAnswer, ServerName, SyncSet, View, Votes } from "../view.ts";
import { defaultLimits } from "../view.ts";
import { leaseTtl } from "./simulated-votes.ts";
import type { SimulatedServer, World } from "./world.ts";

const requestTimeout = 1000;
const pauseBetween = 500;
const roleLasts = 3000;

/** How long something has been so: undefined when it is not. */
type Since = number | undefined;

/** One run of the controller process on one server. */
export class SimulatedController {
  isAlive = true;
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
      redis: undefined,
      backend: "unknown",
      pairFile: undefined,
    };
  }

  /** Runs on this server, in this run of the controller: a paused host does it after its thaw, a dead process never. */
  #later(delay: number, run: () => void): void {
    this.#world.onServer(this.#server, delay, () => {
      if (this.isAlive) run();
    });
  }

  /** Looks at everything at once, then decides. */
  #cycle(): void {
    const world = this.#world;
    const server = this.#server;
    const sentAt = world.events.now;
    let votes: Votes | "away" = "away";
    let database: View["database"] = "silent";
    let peerAnswer: View["peerAnswer"] = "silent";
    let pending = 3;
    let isOver = false;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      this.#decide(votes, database, peerAnswer);
    };
    const done = () => {
      pending -= 1;
      if (pending === 0) finish();
    };
    this.#later(requestTimeout, finish);
    this.#later(world.random.between(1, 5), () => {
      if (isOver) return;
      const { isHung, isCloning, isRunning } = server.database;
      if (!isHung) {
        database = isCloning ? "silent" : isRunning ? world.observe(server) : "down";
        done();
      }
      // After our own look: an older answer would seem to lack what we have.
      world.askPeer(server, (answer) => {
        if (isOver || !this.isAlive) return;
        peerAnswer = answer;
        done();
      });
    });
    world.askVotes(
      server,
      (now) => {
        const lease = this.#lease;
        const isKept = lease !== undefined && world.votes.renew(lease.id, now);
        return { votes: world.votes.read(now), isKept, leaseId: lease?.id };
      },
      (answer) => {
        if (isOver || !this.isAlive) return;
        votes = answer.votes;
        if (answer.leaseId !== undefined && answer.leaseId === this.#lease?.id) {
          this.#lease = answer.isKept ? { id: answer.leaseId, validUntil: sentAt + leaseTtl } : undefined;
          if (!answer.isKept) server.leaseInRun = undefined;
        }
        done();
      },
    );
  }

  #decide(votes: View["votes"], database: View["database"], peerAnswer: View["peerAnswer"]): void {
    const world = this.#world;
    const now = world.events.now;
    const server = this.#server;
    const since = (previous: Since, holds: boolean): Since => (holds ? (previous ?? now) : undefined);
    this.#votesAwaySince = since(this.#votesAwaySince, votes === "away");
    this.#databaseAwaySince = since(this.#databaseAwaySince, typeof database === "string");
    this.#peerSilentSince = since(this.#peerSilentSince, peerAnswer === "silent");
    const leads = votes !== "away" && votes.leader?.server === server.name;
    const writable = typeof database !== "string" && database.writable;
    this.#promotingSince = since(this.#promotingSince, leads && !writable);
    this.#leaderlessSince = since(this.#leaderlessSince, votes !== "away" && votes.leader === undefined);
    if (votes !== "away") {
      this.#lastSyncSet = votes.syncSet;
      this.#knownLeader = votes.leader?.server;
    }
    const lasted = (start: Since) => (start === undefined ? 0 : now - start);
    const view: View = {
      me: server.name,
      peer: this.#peer,
      votes,
      votesAwayFor: lasted(this.#votesAwaySince),
      lastSyncSet: this.#lastSyncSet,
      lease:
        this.#lease === undefined
          ? undefined
          : { id: this.#lease.id, remaining: (this.#lease.validUntil - now) * server.clockRate },
      database,
      databaseAwayFor: lasted(this.#databaseAwaySince),
      peerAnswer,
      peerSilentFor: lasted(this.#peerSilentSince),
      promotingFor: lasted(this.#promotingSince),
      leaderlessFor: lasted(this.#leaderlessSince),
      record: server.record,
      memory: this.#memory,
      now,
      pair: undefined,
      redis: "down",
      redisNotLeadingFor: 0,
      backend: "unknown",
      backendDownFor: 0,
      request: undefined,
      peerLastExecuted: undefined,
    };
    const plain = (seen: View): Decision => decide(seen, defaultLimits);
    const decision = world.variant?.decide === undefined ? plain(view) : world.variant.decide(view, plain);
    if (votes !== "away") this.#keep(advanceRecord(server.record, votes));
    this.#publish(decision.role);
    world.note(server, decision);
    if (decision.action.kind === "wait") {
      this.#later(world.random.between(pauseBetween / 2, pauseBetween), () => this.#cycle());
      return;
    }
    // Between a decision and its effect a process may be swapped out, or wait for a slow disk.
    const held = world.random.chance(world.hesitation) ? world.random.between(200, 9000) : world.random.between(1, 15);
    this.#later(held, () => this.#perform(decision.action));
  }

  #keep(record: DurableRecord): void {
    this.#server.record = record;
  }

  #publish(role: Role): void {
    const until = this.#world.variant?.roleNeverExpires ? Number.POSITIVE_INFINITY : this.#world.events.now + roleLasts;
    this.#server.role = { role, until };
  }

  #again(): void {
    this.#later(this.#world.random.between(1, 30), () => this.#cycle());
  }

  #perform(action: Action): void {
    if (this.#performInVotes(action)) return;
    const world = this.#world;
    const server = this.#server;
    const { database } = server;
    switch (action.kind) {
      case "sample":
        this.#memory = { ...this.#memory, joinSample: action.sample };
        break;
      case "start-database":
        world.startDatabase(server);
        break;
      case "fence":
        if (action.instance === undefined || action.instance === database.instance) world.fence(server);
        break;
      case "clone":
        this.#keep({ ...server.record, cloning: world.variant?.forgetsCloning !== true });
        world.clone(server, () => this.#later(1, () => this.#keep({ ...server.record, cloning: false })));
        break;
      default:
        if ("instance" in action && database.isRunning && !database.isHung && action.instance === database.instance) {
          world.perform(server, action, this.#lastSyncSet?.epoch ?? 0);
        }
    }
    this.#again();
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
      case "clear-handover":
        this.#ask(() => world.votes.setHandover(undefined));
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
    this.#ask(
      (now) => world.record(this.#server, action, now),
      (revision) => {
        if (alone && revision !== undefined) this.#memory = { ...this.#memory, aloneAt: revision };
      },
    );
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
    this.#world.askVotes(this.#server, atStore, (answer) => {
      if (isOver || !this.isAlive) return;
      onAnswer(answer);
      finish();
    });
  }
}
