import type { OperatorRequest, ServerName } from "../view.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import type { World } from "./world.ts";

type Kind = OperatorRequest["kind"];
/** A request without its id. */
export type Wish =
  | { kind: "switchover"; to: ServerName }
  | { kind: "degrade"; peerIsOff: boolean }
  | { kind: Exclude<Kind, "switchover" | "degrade"> };

/** A person who reads the runbook: looks first, types a command, and types it again when it was not heard. */
export class Operator {
  readonly #world: World;
  #nextId = 1;
  /** Whom a person made leader, knowing that something is lost. */
  #promoted: ServerName | undefined;
  /** The disk of this server is burnt, with all that only it had. */
  burnt: ServerName | undefined;
  #closedSince: number | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  hasConfirmedPromotionOf(server: ServerName): boolean {
    return this.#promoted === server;
  }

  /** Types a command on a server. A controller that is dead hears nothing. */
  ask(server: SimulatedServer, wish: Wish): void {
    const { controller } = server;
    if (controller === undefined || !server.isUp || controller.request !== undefined) return;
    if (wish.kind === "promote") this.#promoted = server.name;
    this.#world.log(`operator on ${server.name}: ${JSON.stringify(wish)}`);
    controller.request = { id: `request-${this.#nextId++}`, ...wish } as OperatorRequest;
  }

  onAnswer(request: OperatorRequest, outcome: "done" | "refused", because: string): void {
    const world = this.#world;
    world.log(`operator is told: ${request.kind} ${outcome}: ${because}`);
    if (outcome === "refused") return;
    if (request.kind === "reinit") world.onReinit();
    if (request.kind === "promote") {
      this.#promoted = undefined;
      this.burnt = undefined;
    }
    if (request.kind === "resume") world.invariants.unplannedMoves = 0;
  }

  /** Is paged, and looks every few seconds. */
  stayAwake(): void {
    this.#look();
    this.#world.events.after(3000, () => this.stayAwake());
  }

  #look(): void {
    const world = this.#world;
    const { now } = world.events;
    const { a, b } = world.servers;
    const isClosed = !a.database.writable && !b.database.writable;
    this.#closedSince = isClosed ? (this.#closedSince ?? now) : undefined;
    if (world.wasRestored) {
      // Looks first, until both answer.
      if (world.calmFor() > 8000) this.ask(world.servers[world.invariants.openedBy.server], { kind: "reinit" });
      return;
    }
    if (world.isMaintenance() && world.calmFor() > 2000) this.#onBoth({ kind: "resume" });
    for (const server of [a, b]) {
      if (server.record.withdrawn?.planned && world.calmFor() > 2000) this.ask(server, { kind: "resume" });
    }
    if (this.#closedSince === undefined || now - this.#closedSince < 5000) return;
    const burnt = this.burnt === undefined ? undefined : world.servers[this.burnt];
    if (burnt !== undefined) this.ask(world.other(burnt), { kind: "promote" });
    else if (world.invariants.unplannedMoves >= 3) this.#onBoth({ kind: "resume" });
    else this.#degrade();
  }

  /** Without a witness: the other server is seen to be off, and it had not taken over. */
  #degrade(): void {
    const world = this.#world;
    const name = world.syncSet()?.lastLeader.server;
    if (world.witness === "etcd" || name === undefined) return;
    const server = world.servers[name];
    if (world.other(server).isUp || !server.isUp) return;
    this.ask(server, { kind: "degrade", peerIsOff: true });
  }

  #onBoth(wish: Wish): void {
    for (const server of [this.#world.servers.a, this.#world.servers.b]) this.ask(server, wish);
  }
}
