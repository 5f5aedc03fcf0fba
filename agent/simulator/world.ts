import type { Action, Decision, RecordSyncSet, Role } from "../action.ts";
import type { Database, DurableRecord, PeerAnswer, ServerName } from "../view.ts";
import { Events } from "./events.ts";
import { type Host, hosts, Network } from "./network.ts";
import { Random } from "./random.ts";
import { SimulatedController } from "./simulated-controller.ts";
import { SimulatedDatabase } from "./simulated-database.ts";
import { SimulatedVotes } from "./simulated-votes.ts";
import type { Variant } from "./variant.ts";

/** One data server with all that runs on it. */
export interface SimulatedServer {
  readonly name: ServerName;
  readonly database: SimulatedDatabase;
  controller: SimulatedController | undefined;
  record: DurableRecord;
  leaseInRun: string | undefined;
  role: { role: Role; until: number };
  isUp: boolean;
  isPaused: boolean;
  isBooting: boolean;
  deferred: (() => void)[];
  /** How fast the controller's clock runs. */
  clockRate: number;
  /** Epoch in which this server's mysqld was opened last. */
  openedEpoch: number;
  controllerDiedAt: number | undefined;
  /** Since when it is open although another leads, with a living controller. */
  supersededSince: number | undefined;
  /** Milliseconds between two applied batches. */
  applyEvery: number;
}

/** A lease and a few timeouts of a request: within this a living controller must have fenced. */
const supersededBound = 9000;
/** The longest time between a decision and its effect. */
const longestHesitation = 9000;

/** Raised at the first broken invariant. */
export class InvariantBroken extends Error {}

/** Both data servers, the witness, the network between them, etcd and the clients. */
export class World {
  readonly events = new Events();
  readonly random: Random;
  readonly network: Network;
  readonly votes = new SimulatedVotes();
  readonly variant: Variant | undefined;
  readonly servers: Readonly<Record<ServerName, SimulatedServer>>;
  witnessIsUp = true;
  /** Share of effects that a controller carries out long after it decided on them. */
  hesitation = 0;
  wasHesitating = false;
  wasRestored = false;
  /** Nothing happens in this schedule that may cost a failover. */
  mayNotFailOver = false;
  /** Ids of every write that a client was told is done. */
  readonly acknowledged: number[] = [];
  /** What happened, for a person; empty unless it is recorded. */
  readonly story: string[] = [];
  readonly isRecording: boolean;
  openedBy: { epoch: number; server: ServerName } = { epoch: 1, server: "a" };
  lastAcknowledgedAt = 0;
  longestGap = 0;
  promotions = 0;
  #nextId = 1;

  constructor(seed: number, variant?: Variant, isRecording = false) {
    this.random = new Random(seed);
    this.network = new Network(this.random);
    this.variant = variant;
    this.isRecording = isRecording;
    const server = (name: ServerName): SimulatedServer => ({
      name,
      database: new SimulatedDatabase(name),
      controller: undefined,
      record: {
        clusterId: undefined,
        highestRevision: 0,
        epoch: 0,
        cloning: false,
        setRevision: 0,
        withdrawn: undefined,
      },
      leaseInRun: undefined,
      role: { role: "none", until: 0 },
      isUp: true,
      isPaused: false,
      isBooting: false,
      deferred: [],
      clockRate: 0.9 + this.random.next() * 0.2,
      openedEpoch: 0,
      controllerDiedAt: undefined,
      supersededSince: undefined,
      applyEvery: 60,
    });
    this.servers = { a: server("a"), b: server("b") };
    this.#begin();
  }

  /** A runs open, the pair is set up with A as the only member, B is empty and its controller will make it a replica. */
  #begin(): void {
    const { a, b } = this.servers;
    a.database.start(false);
    a.openedEpoch = 1;
    b.database.start();
    const data = a.database.data;
    this.votes.begin({
      members: [{ server: "a", instance: a.database.instance }],
      epoch: 1,
      lastLeader: { server: "a", data },
      leaderRevision: 0,
      moves: [],
      vouchedFor: undefined,
      acceptedLoss: undefined,
    });
    for (const one of [a, b]) {
      one.controller = new SimulatedController(this, one);
      this.#replicate(one);
      this.#apply(one);
    }
    this.#write();
    this.#watch();
  }

  /** What a person would complain of: a server that goes on although another leads, a virtual IP that points at a dead controller. */
  #watch(): void {
    const { now } = this.events;
    const bound = supersededBound + (this.wasHesitating ? longestHesitation : 0);
    for (const server of [this.servers.a, this.servers.b]) {
      const isSuperseded = server.database.writable && server.openedEpoch < this.openedBy.epoch;
      const controls = server.isUp && !server.isPaused && server.controller !== undefined && !server.database.isHung;
      server.supersededSince = isSuperseded && controls ? (server.supersededSince ?? now) : undefined;
      if (server.supersededSince !== undefined && now - server.supersededSince > bound) {
        this.break(`${server.name} stays open although ${this.openedBy.server} leads`);
      }
      const died = server.controllerDiedAt;
      if (
        server.isUp &&
        died !== undefined &&
        now - died > 5000 &&
        server.role.role !== "none" &&
        server.role.until > now
      ) {
        this.break(`${server.name} is still published as ${server.role.role}, and its controller is dead`);
      }
    }
    this.events.after(500, () => this.#watch());
  }

  other(server: SimulatedServer): SimulatedServer {
    return this.servers[server.name === "a" ? "b" : "a"];
  }

  /** Runs on a server when it is up; a paused one does it after its thaw. */
  onServer(server: SimulatedServer, delay: number, run: () => void): void {
    this.events.after(delay, () => {
      if (!server.isUp) return;
      if (server.isPaused) server.deferred.push(run);
      else run();
    });
  }

  note(server: SimulatedServer, decision: Decision): void {
    if (!this.isRecording) return;
    const text = `${server.name}: ${decision.action.kind} (${decision.because})`;
    this.log(text);
  }

  log(text: string): void {
    if (this.isRecording) this.story.push(`${String(this.events.now).padStart(6)} ${text}`);
  }

  break(what: string): never {
    throw new InvariantBroken(`at ${this.events.now} ms: ${what}`);
  }

  // --- etcd ---------------------------------------------------------------------------------------------------------------------

  #memberIsUp(host: Host): boolean {
    return host === "witness" ? this.witnessIsUp : this.servers[host].isUp && !this.servers[host].isPaused;
  }

  /** A host has etcd when two members that see each other are there, and it sees one of them. */
  reachesVotes(from: Host): boolean {
    for (const member of hosts) {
      if (!this.#memberIsUp(member) || !this.network.passesBoth(from, member)) continue;
      for (const other of hosts) {
        if (other !== member && this.#memberIsUp(other) && this.network.passesBoth(member, other)) return true;
      }
    }
    return false;
  }

  /** One request to etcd. It may be carried out late, and its answer may get lost. */
  askVotes<T>(server: SimulatedServer, atStore: (now: number) => T, onAnswer: (answer: T) => void): void {
    this.events.after(this.network.delay(), () => {
      if (!this.reachesVotes(server.name)) return;
      const answer = atStore(this.events.now);
      this.onServer(server, this.network.delay(), () => {
        if (this.reachesVotes(server.name)) onAnswer(answer);
      });
    });
  }

  askPeer(server: SimulatedServer, onAnswer: (answer: PeerAnswer) => void): void {
    const peer = this.other(server);
    this.onServer(peer, this.network.delay(), () => {
      if (!this.network.passes(server.name, peer.name) || !peer.controller?.isAlive) return;
      const answer = peer.controller.answer(this.observeNow(peer));
      this.onServer(server, this.network.delay(), () => {
        if (this.network.passes(peer.name, server.name)) onAnswer(answer);
      });
    });
  }

  record(server: SimulatedServer, request: RecordSyncSet, now: number): number | undefined {
    const before = this.votes.read(now).syncSet;
    const revision = this.votes.record(request, now, this.variant?.recordsBlindly === true);
    if (revision === undefined) return undefined;
    this.log(
      `${server.name}: set is now ${request.members.map((one) => `${one.server}@${one.instance}`)} epoch ${request.epoch}`,
    );
    if (before !== undefined && request.epoch > before.epoch) {
      this.promotions += 1;
      if (this.mayNotFailOver) this.break("a restart of a controller cost a failover");
      const wasMember = before.members.some(
        (one) => one.server === server.name && one.instance === server.database.instance,
      );
      const ledLast = before.lastLeader.server === server.name && before.lastLeader.data === server.database.data;
      if (!wasMember && !ledLast) this.break(`${server.name} was promoted outside the sync set`);
    }
    this.checkMembers();
    return revision;
  }

  // --- mysqld -------------------------------------------------------------------------------------------------------------------

  observe(server: SimulatedServer): Database {
    return server.database.observe(this.events.now, this.#isConnected(this.other(server)) ? 1 : 0);
  }

  /** What a query says now; undefined when nothing answers. */
  observeNow(server: SimulatedServer): Database | undefined {
    const { isRunning, isHung, isCloning } = server.database;
    return isRunning && !isHung && !isCloning ? this.observe(server) : undefined;
  }

  #isConnected(replica: SimulatedServer): boolean {
    const { database } = replica;
    return replica.isUp && database.isRunning && database.receiver === "connected" && database.source !== replica.name;
  }

  startDatabase(server: SimulatedServer): void {
    server.database.isHeld = false;
    this.#bootLater(server);
  }

  #bootLater(server: SimulatedServer): void {
    if (!server.isUp || server.database.isRunning || server.isBooting) return;
    server.isBooting = true;
    this.onServer(server, this.random.between(1500, 3000), () => {
      server.isBooting = false;
      if (server.database.isRunning || server.database.isHeld) return;
      server.database.start(this.variant?.bootsOpen !== true, this.variant?.bootsReplicating === true);
      this.log(`${server.name}: mysqld runs (${server.database.instance})`);
    });
  }

  /** The process dies; the restart policy brings it back, unless it is held. */
  killDatabase(server: SimulatedServer): void {
    if (!server.isUp) return;
    server.database.kill();
    this.log(`${server.name}: mysqld killed`);
    this.#bootLater(server);
  }

  fence(server: SimulatedServer): void {
    server.database.isHeld = this.variant?.bootsOpen !== true;
    if (this.variant?.fencesGracefully) server.database.shutDown();
    else server.database.kill();
    if (!server.database.isHeld) this.#bootLater(server);
  }

  /** CLONE runs beside the controller. Broken off, it leaves an empty server. */
  clone(server: SimulatedServer, onComplete: () => void): void {
    const donor = this.other(server);
    const { database } = server;
    if (!database.isRunning || database.isCloning || !this.#mysqlPasses(server, donor)) return;
    this.log(`${server.name}: clone begins`);
    database.beginClone();
    const run = database.instance;
    this.onServer(server, this.random.between(2000, 5000), () => {
      if (!database.isCloning || database.instance !== run) return;
      if (!this.#mysqlPasses(server, donor)) return this.killDatabase(server);
      database.finishClone(donor.database);
      this.log(`${server.name}: clone complete (${database.instance})`);
      onComplete();
    });
  }

  /** Effects on a mysqld that runs and is the one that was meant. */
  perform(server: SimulatedServer, action: Action, epoch: number): void {
    const { database } = server;
    switch (action.kind) {
      case "open": {
        // The same session looks at semi-sync once more before it opens.
        if (database.semiSync !== action.semiSync && !this.variant?.opensUnchecked) return;
        database.superReadOnly = false;
        server.openedEpoch = epoch;
        if (epoch === this.openedBy.epoch && server.name !== this.openedBy.server) {
          this.break(`both servers are open in epoch ${epoch}`);
        }
        if (epoch > this.openedBy.epoch) this.openedBy = { epoch, server: server.name };
        const missing = this.acknowledged.find((id) => !database.contents.has(id));
        if (missing !== undefined) this.break(`${server.name} was opened without the acknowledged write ${missing}`);
        break;
      }
      case "close":
        // It hangs behind waiting commits.
        if (database.waiting.length === 0) database.superReadOnly = true;
        break;
      case "set-semi-sync":
        database.setSemiSync(action.enabled);
        break;
      case "stop-receiver":
        database.receiver = "stopped";
        break;
      case "start-receiver":
        database.receiver = "connecting";
        break;
      case "start-applier":
        database.applier = "running";
        break;
      case "forget-source":
        database.forgetSource();
        break;
      case "follow":
        database.forgetSource();
        database.source = action.source;
        database.receiver = "connecting";
        database.applier = "running";
        break;
      default:
        throw new Error(`not an effect on mysqld: ${action.kind}`);
    }
  }

  #mysqlPasses(replica: SimulatedServer, source: SimulatedServer): boolean {
    return (
      source.isUp &&
      !source.isPaused &&
      source.database.isRunning &&
      !source.database.isHung &&
      !source.database.isCloning &&
      this.network.passesBoth(replica.name, source.name)
    );
  }

  /** The receiver: takes what is new and acknowledges it. */
  #replicate(server: SimulatedServer): void {
    const { database } = server;
    const source = this.other(server);
    if (server.isUp && !server.isPaused && database.isRunning && !database.isHung && database.receiver !== "stopped") {
      if (database.source === source.name && this.#mysqlPasses(server, source)) {
        database.receiver = "connected";
        const place = database.receive(source.database);
        const run = source.database.instance;
        this.onServer(source, this.network.delay(), () => {
          if (source.database.instance !== run || !source.database.isRunning || source.database.isHung) return;
          if (this.network.passes(server.name, source.name)) source.database.acknowledged(place);
        });
      } else {
        database.receiver = "connecting";
      }
    }
    // A stranger acknowledges what it has got, and will not be there when it is needed.
    if (database.strangerAcknowledges && database.isRunning) database.acknowledged(database.log.length);
    this.events.after(this.random.between(20, 90), () => this.#replicate(server));
  }

  #apply(server: SimulatedServer): void {
    const { database } = server;
    if (server.isUp && !server.isPaused && database.isRunning && !database.isHung && database.applier === "running") {
      // Semi-sync of a source that is on freezes the applier of a replica.
      if (!database.semiSync) database.apply(3);
    }
    this.events.after(this.random.between(server.applyEvery / 2, server.applyEvery), () => this.#apply(server));
  }

  // --- clients ------------------------------------------------------------------------------------------------------------------

  /** Clients write wherever mysqld is open, however wrong the address is. */
  #write(): void {
    for (const server of [this.servers.a, this.servers.b]) {
      if (!server.isUp || server.isPaused || server.database.isHung) continue;
      const id = this.#nextId++;
      server.database.commit(id, this.events.now, () => this.#onAcknowledged(server, id));
    }
    this.events.after(this.random.between(60, 260), () => this.#write());
  }

  #onAcknowledged(server: SimulatedServer, id: number): void {
    this.acknowledged.push(id);
    this.longestGap = Math.max(this.longestGap, this.events.now - this.lastAcknowledgedAt);
    this.lastAcknowledgedAt = this.events.now;
    // An acknowledgement that was on its way when the server froze may come late: then the new leader has the write.
    if (server.openedEpoch < this.openedBy.epoch && !this.servers[this.openedBy.server].database.contents.has(id)) {
      this.break(
        `${server.name} acknowledges in epoch ${server.openedEpoch} after ${this.openedBy.server} was opened in ${this.openedBy.epoch}`,
      );
    }
    this.#checkHolds(id);
  }

  #checkHolds(id: number): void {
    // What an old copy says of the members means nothing until an operator has looked.
    if (this.wasRestored) return;
    for (const member of this.votes.read(this.events.now).syncSet?.members ?? []) {
      const { database } = this.servers[member.server];
      if (database.instance === member.instance && !database.holds(id)) {
        this.break(`the acknowledged write ${id} is not on the member ${member.server}`);
      }
    }
  }

  /** Every acknowledged write is on every member. */
  checkMembers(): void {
    for (const id of this.acknowledged) this.#checkHolds(id);
  }

  // --- hosts --------------------------------------------------------------------------------------------------------------------

  pause(server: SimulatedServer): void {
    server.isPaused = true;
    this.log(`${server.name}: frozen`);
  }

  thaw(server: SimulatedServer): void {
    if (!server.isPaused) return;
    server.isPaused = false;
    this.log(`${server.name}: thawed`);
    const { deferred } = server;
    server.deferred = [];
    for (const run of deferred) this.onServer(server, this.random.between(0, 30), run);
  }

  /** An operator, after etcd was restored: whoever was opened last has the data. */
  reinit(): void {
    const { server: name, epoch } = this.openedBy;
    const { database } = this.servers[name];
    this.log(`operator: reinit --leader ${name}`);
    this.votes.begin({
      members: [{ server: name, instance: database.instance }],
      epoch: epoch + 1,
      lastLeader: { server: name, data: database.data },
      leaderRevision: 0,
      moves: [],
      vouchedFor: undefined,
      acceptedLoss: undefined,
    });
    this.wasRestored = false;
    for (const server of Object.values(this.servers)) {
      server.record = { ...server.record, clusterId: undefined, highestRevision: 0, epoch: 0 };
    }
  }

  powerOff(server: SimulatedServer): void {
    if (!server.isUp) return;
    this.log(`${server.name}: power off`);
    server.database.powerOff(this.random.between(0, 5));
    this.killController(server);
    server.isUp = false;
    server.isPaused = false;
    server.deferred = [];
    server.isBooting = false;
    server.leaseInRun = undefined;
  }

  powerOn(server: SimulatedServer): void {
    if (server.isUp) return;
    this.log(`${server.name}: power on`);
    server.isUp = true;
    this.#bootLater(server);
    this.startController(server);
  }

  killController(server: SimulatedServer): void {
    if (server.controller === undefined) return;
    server.controller.isAlive = false;
    server.controller = undefined;
    server.controllerDiedAt = this.events.now;
    this.log(`${server.name}: controller killed`);
  }

  startController(server: SimulatedServer): void {
    if (!server.isUp || server.controller !== undefined) return;
    server.controllerDiedAt = undefined;
    server.controller = new SimulatedController(this, server);
  }
}
