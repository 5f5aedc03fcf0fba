import type { Action } from "../action.ts";
import type { Database } from "../view.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import type { World } from "./world.ts";

/** A connection whose other end is gone without a word is kept so long. */
const halfOpen = 10_000;

/** Transactions between two acknowledgements. */
const receivedAtOnce = 2;

/** Both mysqld and both Redis with what goes on between them, and the clients. */
export class Databases {
  readonly #world: World;
  #nextId = 1;
  #nextRedisId = 1;

  constructor(world: World) {
    this.#world = world;
    for (const server of [world.servers.a, world.servers.b]) {
      this.#replicate(server);
      this.#apply(server);
      this.#replicateRedis(server);
    }
    this.#write();
    this.#writeRedis();
  }

  observe(server: SimulatedServer): Database {
    const now = this.#world.events.now;
    return server.database.observe(now, this.#hasReceiver(server, now) ? 1 : 0);
  }

  /** What a query says now; undefined when nothing answers. */
  observeNow(server: SimulatedServer): Database | undefined {
    const { isRunning, isHung, isCloning } = server.database;
    return isRunning && !isHung && !isCloning ? this.observe(server) : undefined;
  }

  /** Whether a receiver of the other server counts as connected here: also for a while after its cable was cut. */
  #hasReceiver(server: SimulatedServer, now: number): boolean {
    const replica = this.#world.other(server);
    const { connection, database } = replica;
    if (connection?.run !== server.database.instance) return false;
    const said =
      replica.isUp && (!database.isRunning || database.receiver === "stopped" || database.source !== server.name);
    if (said && this.#world.network.passes(replica.name, server.name)) return false;
    return now - connection.at < halfOpen || (replica.isPaused && database.receiver === "connected");
  }

  start(server: SimulatedServer): void {
    server.database.isHeld = false;
    this.bootLater(server);
  }

  bootLater(server: SimulatedServer): void {
    const world = this.#world;
    if (!server.isUp || server.database.isRunning || server.isBooting) return;
    server.isBooting = true;
    world.onServer(server, world.random.between(1500, 3000), () => {
      server.isBooting = false;
      if (server.database.isRunning || server.database.isHeld) return;
      server.database.start(world.variant?.bootsOpen !== true, world.variant?.bootsReplicating === true);
      world.log(`${server.name}: mysqld runs (${server.database.instance})`);
    });
  }

  /** The process dies; the restart policy brings it back, unless it is held. */
  kill(server: SimulatedServer): void {
    if (!server.isUp) return;
    server.database.kill();
    this.#world.log(`${server.name}: mysqld killed`);
    this.bootLater(server);
  }

  fence(server: SimulatedServer): void {
    const { variant } = this.#world;
    server.database.isHeld = variant?.bootsOpen !== true;
    if (variant?.fencesGracefully) server.database.shutDown();
    else server.database.kill();
    if (!server.database.isHeld) this.bootLater(server);
  }

  /** CLONE runs beside the controller. Broken off, it leaves an empty server. */
  clone(server: SimulatedServer, onComplete: () => void): void {
    const world = this.#world;
    const donor = world.other(server);
    const { database } = server;
    if (!database.isRunning || database.isCloning || !this.#mysqlPasses(server, donor)) return;
    world.log(`${server.name}: clone begins`);
    database.beginClone();
    const run = database.instance;
    world.onServer(server, world.random.between(2000, 5000), () => {
      if (!database.isCloning || database.instance !== run) return;
      if (!this.#mysqlPasses(server, donor)) return this.kill(server);
      database.finishClone(donor.database);
      world.log(`${server.name}: clone complete (${database.instance})`);
      onComplete();
    });
  }

  /** Effects on a mysqld that runs and is the one that was meant. */
  perform(server: SimulatedServer, action: Action, epoch: number): void {
    const { database } = server;
    switch (action.kind) {
      case "open":
        // The same session looks at semi-sync once more before it opens.
        if (database.semiSync !== action.semiSync && !this.#world.variant?.opensUnchecked) return;
        database.superReadOnly = false;
        this.#world.invariants.onOpened(server, epoch);
        break;
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
    const { database } = source;
    return (
      source.isUp &&
      !source.isPaused &&
      database.isRunning &&
      !database.isHung &&
      !database.isCloning &&
      this.#world.network.passesBoth(replica.name, source.name)
    );
  }

  /** The receiver: takes what is new and acknowledges it. */
  #replicate(server: SimulatedServer): void {
    const world = this.#world;
    const { database } = server;
    const source = world.other(server);
    if (server.isUp && !server.isPaused && database.isRunning && !database.isHung && database.receiver !== "stopped") {
      if (database.source === source.name && this.#mysqlPasses(server, source)) {
        database.receiver = "connected";
        const place = database.receive(source.database, receivedAtOnce);
        const run = source.database.instance;
        server.connection = { at: world.events.now, run };
        world.onServer(source, world.network.delay(), () => {
          if (source.database.instance !== run || !source.database.isRunning || source.database.isHung) return;
          if (world.network.passes(server.name, source.name)) source.database.acknowledged(place);
        });
      } else {
        database.receiver = "connecting";
      }
    }
    // A stranger acknowledges what it has got, and will not be there when it is needed.
    if (database.strangerAcknowledges && database.isRunning) database.acknowledged(database.log.length);
    world.events.after(world.random.between(20, 90), () => this.#replicate(server));
  }

  #apply(server: SimulatedServer): void {
    const { database } = server;
    if (server.isUp && !server.isPaused && database.isRunning && !database.isHung && database.applier === "running") {
      // Semi-sync of a source that is on freezes the applier of a replica.
      if (!database.semiSync) database.apply(3);
    }
    this.#world.events.after(this.#world.random.between(server.applyEvery / 2, server.applyEvery), () =>
      this.#apply(server),
    );
  }

  // --- Redis ---------------------------------------------------------------------------------------------------------------------

  #replicateRedis(server: SimulatedServer): void {
    const world = this.#world;
    const { redis } = server;
    if (server.isUp && !server.isPaused && redis.isUp && redis.source !== undefined) {
      const source = world.servers[redis.source];
      const isReached = source.isUp && !source.isPaused && world.network.passesBoth(server.name, source.name);
      const admits = isReached && source.redis.admits(world.variant?.redisAdmitsAtBoot === true);
      const ended = redis.replicate(admits ? source.redis : undefined, world.events.now, () =>
        world.random.between(300, 3000),
      );
      if (ended !== undefined) {
        world.log(`${server.name}: Redis copied ${source.name}'s (${ended.newest} became ${redis.newest})`);
        world.invariants.onRedisCopied(server, ended, source.redis);
      }
    }
    if (world.random.chance(0.05)) redis.save();
    world.events.after(world.random.between(200, 500), () => this.#replicateRedis(server));
  }

  killRedis(server: SimulatedServer): void {
    server.redis.kill();
    this.startRedisLater(server);
  }

  startRedisLater(server: SimulatedServer): void {
    if (server.redis.isUp) return;
    this.#world.onServer(server, this.#world.random.between(200, 1500), () => server.redis.start());
  }

  // --- clients -------------------------------------------------------------------------------------------------------------------

  /** Clients write wherever mysqld is open, however wrong the address is. */
  #write(): void {
    const world = this.#world;
    for (const server of [world.servers.a, world.servers.b]) {
      if (!server.isUp || server.isPaused || server.database.isHung) continue;
      const id = this.#nextId++;
      server.database.commit(id, world.events.now, () => world.invariants.onAcknowledged(server, id));
    }
    world.events.after(world.random.between(60, 260), () => this.#write());
  }

  /** Redis's clients are sent where the controllers say, and nowhere else. */
  #writeRedis(): void {
    const world = this.#world;
    for (const server of [world.servers.a, world.servers.b]) {
      const { redis, published } = server;
      if (!server.isUp || server.isPaused || !redis.isUp || !world.isPublished(server)) continue;
      const isThisRun = published.redis.run === redis.run || world.variant?.redisRoleOutlivesRun === true;
      if (published.redis.role !== "leader" || !isThisRun) continue;
      world.invariants.onRedisServes(server);
      redis.write(this.#nextRedisId++);
    }
    world.events.after(world.random.between(200, 600), () => this.#writeRedis());
  }
}
