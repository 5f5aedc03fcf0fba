import type { Decision, RecordSyncSet } from "../action.ts";
import type { PairFile, PairPolicy, PeerAnswer, ServerName, SyncSet } from "../view.ts";
import { Databases } from "./databases.ts";
import { Events } from "./events.ts";
import { Invariants } from "./invariants.ts";
import { type Host, hosts, Network } from "./network.ts";
import { Operator } from "./operator.ts";
import { Random } from "./random.ts";
import { SimulatedController } from "./simulated-controller.ts";
import { newServer, type SimulatedServer } from "./simulated-server.ts";
import { SimulatedVotes } from "./simulated-votes.ts";
import type { Variant } from "./variant.ts";

/** Who has the votes: etcd with a third member, or the two servers' own files and a policy. */
export type Witness = "etcd" | PairPolicy;

/** Both data servers, the witness, the network between them, etcd, the clients and the operator. */
export class World {
  readonly events = new Events();
  readonly random: Random;
  readonly network: Network;
  readonly witness: Witness;
  readonly votes = new SimulatedVotes();
  readonly variant: Variant | undefined;
  readonly servers: Readonly<Record<ServerName, SimulatedServer>>;
  readonly invariants: Invariants;
  readonly databases: Databases;
  readonly operator: Operator;
  witnessIsUp = true;
  /** Share of effects that a controller carries out long after it decided on them. */
  hesitation = 0;
  wasHesitating = false;
  wasRestored = false;
  hadClockFaults = false;
  /** What happened, for a person; empty unless it is recorded. */
  readonly story: string[] = [];
  readonly isRecording: boolean;
  #disturbedUntil = 0;

  constructor(seed: number, variant?: Variant, isRecording = false) {
    this.random = new Random(seed);
    this.network = new Network(this.random);
    this.variant = variant;
    this.isRecording = isRecording;
    const kind = this.random.next();
    this.witness = kind < 0.62 ? "etcd" : kind < 0.86 ? "failover" : "availability";
    const clockRate = () => 0.9 + this.random.next() * 0.2;
    this.servers = { a: newServer("a", clockRate()), b: newServer("b", clockRate()) };
    const keepsFile = this.random.chance(0.5);
    for (const server of [this.servers.a, this.servers.b]) server.redis.keepsFile = keepsFile;
    this.log(`--- witness: ${this.witness}; Redis ${keepsFile ? "keeps" : "does not keep"} a file`);
    this.#begin();
    this.invariants = new Invariants(this);
    this.operator = new Operator(this);
    this.databases = new Databases(this);
    for (const server of [this.servers.a, this.servers.b]) server.controller = new SimulatedController(this, server);
  }

  /** A runs open, the pair is set up with A as the only member, B is empty and its controller will make it a replica. */
  #begin(): void {
    const { a, b } = this.servers;
    a.database.start(false);
    a.openedEpoch = 1;
    b.database.start();
    const record = {
      members: [{ server: "a" as const, instance: a.database.instance }],
      epoch: 1,
      lastLeader: { server: "a" as const, data: a.database.data },
      leaderRevision: 0,
      moves: [],
      vouchedFor: undefined,
      acceptedLoss: undefined,
    };
    if (this.witness === "etcd") this.votes.begin(record);
    else a.file = { ...a.file, syncSet: { ...record, leaderRevision: 1, modRevision: 1 } };
  }

  other(server: SimulatedServer): SimulatedServer {
    return this.servers[server.name === "a" ? "b" : "a"];
  }

  /** The record that is in force. */
  syncSet(): SyncSet | undefined {
    return this.witness === "etcd" ? this.votes.read(this.events.now).syncSet : this.#newestFile().syncSet;
  }

  leader(): ServerName | undefined {
    if (this.witness === "etcd") return this.votes.read(this.events.now).leader?.server;
    const file = this.#newestFile();
    return file.lead === "released" ? undefined : file.syncSet?.lastLeader.server;
  }

  #newestFile(): PairFile {
    const { a, b } = this.servers;
    const [one, other] = [a.file.syncSet, b.file.syncSet];
    if (other === undefined) return a.file;
    if (one === undefined) return b.file;
    if (one.epoch !== other.epoch) return one.epoch > other.epoch ? a.file : b.file;
    return one.modRevision >= other.modRevision ? a.file : b.file;
  }

  isMaintenance(): boolean {
    if (this.witness === "etcd") return this.votes.read(this.events.now).maintenance;
    return this.servers.a.file.maintenance && this.servers.b.file.maintenance;
  }

  /** Something is wrong until then, as far as bounds of time are concerned. */
  disturb(milliseconds: number): void {
    this.#disturbedUntil = Math.max(this.#disturbedUntil, this.events.now + milliseconds);
  }

  /** How long nothing has been wrong; 0 while something is. */
  calmFor(): number {
    return Math.max(0, this.events.now - this.#disturbedUntil);
  }

  /** Whether others still believe what this server's controller published last. */
  isPublished(server: SimulatedServer): boolean {
    const clock = this.variant?.deadlineByWallClock === true ? server.wallClockError : 0;
    return server.published.until > this.events.now + clock;
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
    if (this.isRecording) this.log(`${server.name}: ${decision.action.kind} (${decision.because})`);
  }

  log(text: string): void {
    if (this.isRecording) this.story.push(`${String(this.events.now).padStart(6)} ${text}`);
  }

  // --- votes --------------------------------------------------------------------------------------------------------------------

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
      if (this.witness !== "etcd" || !this.reachesVotes(server.name)) return;
      const answer = atStore(this.events.now);
      this.onServer(server, this.network.delay(), () => {
        if (this.reachesVotes(server.name)) onAnswer(answer);
      });
    });
  }

  askPeer(server: SimulatedServer, onAnswer: (answer: PeerAnswer) => void): void {
    const peer = this.other(server);
    this.onServer(peer, this.network.delay(), () => {
      if (!this.network.passes(server.name, peer.name) || !peer.controller?.isRunning) return;
      const answer = peer.controller.answer(this.databases.observeNow(peer));
      this.onServer(server, this.network.delay(), () => {
        if (this.network.passes(peer.name, server.name)) onAnswer(answer);
      });
    });
  }

  record(server: SimulatedServer, request: RecordSyncSet, now: number): number | undefined {
    const before = this.votes.read(now).syncSet;
    const revision = this.votes.record(request, now, this.variant?.recordsBlindly === true);
    if (revision !== undefined) this.#onRecorded(server, before, false);
    return revision;
  }

  /** `witness: none`: the server's own file, when it still is what the controller has seen. */
  writeFile(server: SimulatedServer, file: PairFile, ifModRevision: number): void {
    if ((server.file.syncSet?.modRevision ?? 0) !== ifModRevision) return;
    const before = this.#newestFile();
    server.fileBefore = server.file;
    server.file = file;
    // Of the promoted server's own file: the old leader may have taken the lead back meanwhile, and then waits for a confirmation.
    if (this.#newestFile() === file) this.#onRecorded(server, before.syncSet, server.fileBefore.lead === "released");
  }

  #onRecorded(server: SimulatedServer, before: SyncSet | undefined, isReleased: boolean): void {
    const after = this.syncSet();
    if (after === undefined) return;
    const members = after.members.map((one) => `${one.server}@${one.instance}`).join(", ");
    this.log(`${server.name}: the set is now ${members}, epoch ${after.epoch}, revision ${after.modRevision}`);
    this.invariants.onRecorded(server, before, after, isReleased);
  }

  onReinit(): void {
    this.wasRestored = false;
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

  powerOff(server: SimulatedServer): void {
    if (!server.isUp) return;
    this.log(`${server.name}: power off`);
    server.database.powerOff(this.random.between(0, 5));
    server.redis.kill();
    this.killController(server);
    server.isUp = false;
    server.isPaused = false;
    server.deferred = [];
    server.isBooting = false;
    server.leaseInRun = undefined;
    server.published = { ...server.published, until: 0 };
    if (this.variant?.losesFile) server.file = server.fileBefore;
  }

  powerOn(server: SimulatedServer): void {
    if (server.isUp) return;
    this.log(`${server.name}: power on`);
    server.isUp = true;
    this.databases.bootLater(server);
    this.databases.startRedisLater(server);
    this.startController(server);
  }

  killController(server: SimulatedServer): void {
    if (server.controller === undefined) return;
    server.controller.isAlive = false;
    server.controller = undefined;
    this.log(`${server.name}: controller killed`);
  }

  startController(server: SimulatedServer): void {
    if (!server.isUp || server.controller !== undefined) return;
    server.controller = new SimulatedController(this, server);
  }
}
