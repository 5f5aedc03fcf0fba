import { askForSwitchover, beginFault, cut, other, planRandomFaults } from "./faults.ts";
import { hosts } from "./network.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import type { World } from "./world.ts";

/** A course of events in a span of time, besides the faults that come at random. */
type Plan = (world: World, from: number, to: number) => void;

interface Choice {
  readonly weight: number;
  readonly plan: Plan;
  readonly where: "everywhere" | "etcd" | "pair";
}

/** The accidents that the rules were made for. At random they would be too rare for a test of minutes. */
const choices: readonly Choice[] = [
  { weight: 45, where: "everywhere", plan: planRandomFaults },
  { weight: 14, where: "everywhere", plan: planOne },
  { weight: 3, where: "everywhere", plan: planStranger },
  { weight: 3, where: "everywhere", plan: planRestarts },
  { weight: 4, where: "everywhere", plan: planTroubledPromotion },
  { weight: 3, where: "everywhere", plan: planRepeatedLosses },
  { weight: 3, where: "everywhere", plan: planMaintenance },
  { weight: 3, where: "everywhere", plan: planPlannedStop },
  { weight: 2, where: "everywhere", plan: planBackends },
  { weight: 3, where: "everywhere", plan: planBurntLeader },
  { weight: 4, where: "everywhere", plan: planRedis },
  { weight: 2, where: "everywhere", plan: planSlowReplica },
  { weight: 2, where: "everywhere", plan: planClockJump },
  { weight: 4, where: "everywhere", plan: planTroubledJoin },
  { weight: 5, where: "etcd", plan: planRestore },
  { weight: 2, where: "etcd", plan: planLongIsolation },
  { weight: 2, where: "etcd", plan: planLateDegrade },
  { weight: 3, where: "etcd", plan: planRestartInPromotion },
  { weight: 8, where: "pair", plan: planPartition },
  { weight: 5, where: "pair", plan: planSlowTakeover },
  { weight: 3, where: "pair", plan: planLostReplica },
  { weight: 3, where: "pair", plan: planBothGone },
  { weight: 4, where: "pair", plan: planRestartInTakeover },
];

/** Plans what happens in the schedule of this seed. */
export function planSchedule(world: World, from: number, to: number): void {
  const kind = world.witness === "etcd" ? "etcd" : "pair";
  const possible = choices.filter((one) => one.where === "everywhere" || one.where === kind);
  let left = world.random.next() * possible.reduce((sum, one) => sum + one.weight, 0);
  for (const { weight, plan } of possible) {
    left -= weight;
    if (left >= 0) continue;
    world.log(`--- ${plan.name}`);
    plan(world, from, to);
    break;
  }
}

function leaderOf(world: World): SimulatedServer {
  return world.servers[world.leader() ?? world.invariants.openedBy.server];
}

function isWhole(world: World): boolean {
  return world.syncSet()?.members.length === 2 && world.leader() !== undefined;
}

function powerOff(world: World, server: SimulatedServer, duration: number): void {
  world.disturb(duration);
  world.powerOff(server);
  world.events.after(duration, () => world.powerOn(server));
}

function cutFromEverything(world: World, server: SimulatedServer, duration: number): void {
  for (const host of hosts) if (host !== server.name) cut(world, server.name, host, 2, duration);
}

// --- one fault, and how long writes may stand still ----------------------------------------------------------------------------------

interface One {
  readonly name: string;
  /** Milliseconds without a write, by who has the votes; undefined where nothing is promised. */
  readonly bound: { readonly etcd?: number; readonly failover?: number; readonly availability?: number };
  readonly mayFailOver: boolean;
  readonly begin: (world: World, leader: SimulatedServer) => void;
}

const ones: readonly One[] = [
  {
    name: "the leader's mysqld dies",
    bound: { etcd: 6000, failover: 7500, availability: 8000 },
    mayFailOver: true,
    begin: (world, leader) => world.databases.kill(leader),
  },
  {
    name: "the leader's server dies",
    bound: { etcd: 8500, failover: 10_000 },
    mayFailOver: true,
    begin: (world, leader) => powerOff(world, leader, 20_000),
  },
  {
    name: "the leader's server dies, and the other has no Redis",
    bound: { etcd: 8500, failover: 10_000 },
    mayFailOver: true,
    begin: (world, leader) => {
      beginFault(world, "Redis is away", world.other(leader), 20_000);
      powerOff(world, leader, 20_000);
    },
  },
  {
    name: "the leader freezes",
    bound: { etcd: 8500, failover: 10_000 },
    mayFailOver: true,
    begin: (world, leader) => beginFault(world, "server freezes", leader, 18_000),
  },
  {
    name: "the leader is cut from everything",
    bound: { etcd: 9000, failover: 10_000, availability: 8000 },
    mayFailOver: true,
    begin: (world, leader) => cutFromEverything(world, leader, 18_000),
  },
  {
    name: "the replica's server dies",
    bound: { etcd: 8000, availability: 8000 },
    mayFailOver: false,
    begin: (world, leader) => powerOff(world, world.other(leader), 14_000),
  },
  {
    name: "the replica's mysqld dies",
    bound: { etcd: 8000, failover: 8000, availability: 8000 },
    mayFailOver: false,
    begin: (world, leader) => world.databases.kill(world.other(leader)),
  },
  {
    name: "the servers do not see each other",
    bound: { etcd: 8000, failover: 10_000, availability: 8000 },
    mayFailOver: true,
    begin: (world) => cut(world, "a", "b", 2, 14_000),
  },
  {
    name: "the witness is cut",
    bound: { etcd: 2500, failover: 2500, availability: 2500 },
    mayFailOver: false,
    begin: (world) => beginFault(world, "witness dies", world.servers.a, 12_000),
  },
  {
    name: "the leader's controller is killed",
    bound: { etcd: 2500, failover: 2500, availability: 2500 },
    mayFailOver: false,
    begin: (world, leader) => {
      world.killController(leader);
      world.events.after(1500, () => world.startController(leader));
    },
  },
  {
    name: "the leader's Redis restarts",
    bound: { etcd: 2500, failover: 2500, availability: 2500 },
    mayFailOver: false,
    begin: (world, leader) => world.databases.killRedis(leader),
  },
  {
    name: "a planned switchover",
    bound: { etcd: 3000, failover: 3000, availability: 3000 },
    mayFailOver: true,
    begin: (world) => askForSwitchover(world),
  },
  {
    name: "only the backend is down on the leader",
    bound: { etcd: 3000, failover: 3000, availability: 3000 },
    mayFailOver: true,
    begin: (world, leader) => {
      const { now } = world.events;
      leader.backend = "down";
      world.invariants.mustHaveMoved = { from: leader.name, by: now + 24_000 };
      world.events.after(40_000, () => {
        leader.backend = "healthy";
      });
    },
  },
];

function planOne(world: World, _from: number, _to: number): void {
  const one = world.random.pick(ones);
  world.events.after(world.random.between(13_000, 16_000), () => {
    if (!isWhole(world)) return;
    const { now } = world.events;
    world.log(`--- ${one.name}, and nothing else`);
    const bound = one.bound[world.witness];
    if (bound !== undefined) world.invariants.stall = { bound, from: now, to: now + 18_000, why: one.name };
    if (!one.mayFailOver) world.invariants.mayNotFailOver = true;
    world.disturb(1000);
    one.begin(world, leaderOf(world));
    world.events.after(18_000, () => {
      world.invariants.mayNotFailOver = false;
    });
  });
}

// --- courses of events ---------------------------------------------------------------------------------------------------------------

/**
 * Somebody else than the peer connects to the leader and acknowledges. It has history to fetch before it acknowledges what is new: the
 * controller has that long to see it. Alone in a schedule, because with a dead controller nothing but the replication account's
 * password prevents it.
 */
function planStranger(world: World, from: number, to: number): void {
  world.events.after(world.random.between(from, to), () => {
    const leader = world.leader();
    if (leader === undefined) return;
    const { database } = world.servers[leader];
    world.log(`--- a stranger replicates from ${leader}`);
    world.disturb(8000);
    database.strangers = 1;
    world.events.after(2500, () => {
      database.strangerAcknowledges = true;
    });
    world.events.after(8000, () => {
      database.strangers = 0;
      database.strangerAcknowledges = false;
    });
    if (world.random.chance(0.5)) world.events.after(5000, () => cut(world, "a", "b", 2, 3000));
  });
}

/** Controllers are upgraded one after the other: nobody may notice. */
function planRestarts(world: World, from: number, to: number): void {
  world.events.after(from + 2000, () => {
    world.invariants.mayNotFailOver = true;
  });
  for (let at = from + 2000; at < to; at += 5000) {
    const server = world.servers[world.random.pick(["a", "b"] as const)];
    world.events.after(at, () => world.killController(server));
    world.events.after(at + world.random.between(300, 1500), () => world.startController(server));
  }
}

/** The leader is lost while much is not applied yet, comes back, and then its successor loses power half-way. */
function planTroubledPromotion(world: World, from: number, _to: number): void {
  const { random } = world;
  world.events.after(random.between(from, from + 8000), () => {
    const leader = leaderOf(world);
    const successor = world.other(leader);
    world.log(`--- ${leader.name} is lost with much to apply on the other`);
    world.disturb(28_000);
    successor.applyEvery = random.between(1500, 4000);
    world.events.after(2000, () => world.powerOff(leader));
    world.events.after(2000 + random.between(500, 9000), () => world.powerOn(leader));
    const lostAt = 7000 + random.between(0, 9000);
    world.events.after(lostAt, () => world.powerOff(successor));
    world.events.after(lostAt + random.between(4000, 9000), () => world.powerOn(successor));
  });
}

/** Whoever leads is lost again and again: after the third time somebody must look. */
function planRepeatedLosses(world: World, from: number, _to: number): void {
  for (let at = from + 3000; at < 56_000; at += 9500) {
    world.events.after(at + world.random.between(0, 1500), () => {
      if (!isWhole(world)) return;
      world.disturb(4000);
      world.databases.kill(leaderOf(world));
    });
  }
}

/** An operator has the servers in hands: nobody is promoted, and yet nobody waits for a replica that is gone. */
function planMaintenance(world: World, from: number, to: number): void {
  const { random } = world;
  const kind = random.pick(["controllers", "mysqld", "replica", "leader"] as const);
  world.events.after(random.between(from + 7000, from + 9000), () => {
    if (!isWhole(world)) return;
    world.disturb(to - world.events.now);
    const leader = leaderOf(world);
    world.operator.ask(leader, { kind: "maintenance" });
    if (world.witness !== "etcd") world.operator.ask(world.other(leader), { kind: "maintenance" });
    world.events.after(2500, () => {
      if (!world.isMaintenance()) return;
      world.log(`--- maintenance: ${kind}`);
      const stall = (bound: number) => {
        const { now } = world.events;
        world.invariants.stall = { bound, from: now, to: now + 12_000, why: `maintenance: ${kind}` };
      };
      if (kind === "controllers") {
        stall(3000);
        for (const server of [leader, world.other(leader)]) {
          world.killController(server);
          world.events.after(random.between(5000, 9000), () => world.startController(server));
        }
      }
      if (kind === "mysqld") {
        stall(9000);
        world.databases.kill(leader);
      }
      if (kind === "replica") {
        if (world.witness !== "failover") stall(8000);
        powerOff(world, world.other(leader), 12_000);
      }
      if (kind === "leader") powerOff(world, leader, 9000);
    });
  });
}

/** The replica is taken out by its own word, and stopped; or the cable is cut instead, and it must not take over. */
function planPlannedStop(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from + 7000, from + 9000), () => {
    if (!isWhole(world)) return;
    const replica = world.other(leaderOf(world));
    world.disturb(20_000);
    world.operator.ask(replica, { kind: "degrade", peerIsOff: false });
    if (world.random.chance(0.4)) {
      // Before the replica can see that it was taken out.
      once(
        world,
        5000,
        () => !isWhole(world),
        () => cut(world, "a", "b", 2, 14_000),
      );
      return;
    }
    world.events.after(3000, () => {
      const { now } = world.events;
      if (replica.record.withdrawn === undefined || isWhole(world)) return;
      world.invariants.stall = { bound: 2500, from: now, to: now + 9000, why: "the replica was stopped as planned" };
      if (world.random.chance(0.4)) powerOff(world, replica, 12_000);
      else cut(world, "a", "b", 2, 14_000);
    });
  });
}

/** Runs it at the first moment within a time at which something is so: accidents like to happen then. */
function once(world: World, within: number, isSo: () => boolean, run: () => void): void {
  if (within <= 0) return;
  if (isSo()) run();
  else world.events.after(15, () => once(world, within - 15, isSo, run));
}

/** Backends that are down by turns: one elective move, and then nothing for a while. */
function planBackends(world: World, from: number, _to: number): void {
  const down = (server: SimulatedServer, at: number, duration: number) => {
    world.events.after(at, () => {
      server.backend = "down";
      world.log(`--- ${server.name}: backend down`);
    });
    world.events.after(at + duration, () => {
      server.backend = "healthy";
    });
  };
  const { a, b } = world.servers;
  down(a, from + 1000, 32_000);
  down(b, from + 24_000, 32_000);
}

/** The leader goes on alone and its disk burns. What only it had is lost, and a person has to say so. */
function planBurntLeader(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from + 1000, from + 5000), () => {
    const leader = leaderOf(world);
    const replica = world.other(leader);
    world.log(`--- ${replica.name} is off, then ${leader.name} burns`);
    world.disturb(26_000);
    world.operator.stayAwake();
    world.powerOff(replica);
    world.events.after(15_000, () => {
      if (world.syncSet()?.members.length !== 1) return world.powerOn(replica);
      world.operator.burnt = leader.name;
      world.powerOff(leader);
      leader.database.exchangeDisk();
      world.powerOn(replica);
    });
  });
}

/** Redis comes and goes on both servers, with copies that are cut off in the middle; then MySQL has to move. */
function planRedis(world: World, from: number, to: number): void {
  const { random } = world;
  for (let count = random.between(2, 5); count > 0; count--) {
    const name = random.pick(["Redis dies", "Redis is away", "Redis dies", "link cut"]);
    const server = world.servers[random.pick(["a", "b"] as const)];
    world.events.after(random.between(from + 4000, to - 6000), () =>
      beginFault(world, name, server, random.between(300, 3000)),
    );
  }
  world.events.after(random.between(to - 6000, to), () => {
    world.disturb(1000);
    const leader = leaderOf(world);
    if (random.chance(0.5)) world.databases.kill(leader);
    else powerOff(world, leader, 5000);
  });
}

/** A replica that falls behind, and then cannot apply at all. */
function planSlowReplica(world: World, from: number, _to: number): void {
  world.events.after(from + 6000, () => {
    if (!isWhole(world)) return;
    const replica = world.other(leaderOf(world));
    if (world.random.chance(0.5)) {
      beginFault(world, "slow applier", replica, 22_000);
      replica.applyEvery = 9000;
    } else {
      world.log(`--- ${replica.name}: the applier breaks`);
      replica.database.applier = "broken";
    }
  });
}

/** The replica loses power, and with it relay log that it had acknowledged, and comes back as if nothing had been. */
function planTroubledJoin(world: World, from: number, to: number): void {
  const { random } = world;
  for (let at = from + 2000; at < to - 8000; at += random.between(9000, 11_000)) {
    world.events.after(at, () => {
      const replica = world.other(leaderOf(world));
      world.disturb(8000);
      replica.applyEvery = 5000;
      world.events.after(random.between(1500, 3000), () => powerOff(world, replica, random.between(100, 600)));
      world.events.after(6500, () => {
        replica.applyEvery = 60;
      });
    });
  }
}

/** A wall clock is set back while its server's controller dies: what was published must end all the same. */
function planClockJump(world: World, from: number, to: number): void {
  world.hadClockFaults = true;
  const server = world.servers[world.random.pick(["a", "b"] as const)];
  world.events.after(world.random.between(from + 3000, to - 8000), () => {
    world.log(`--- ${server.name}: the clock is set back, and the controller freezes`);
    world.disturb(9000);
    const { controller } = server;
    controller?.freeze();
    server.wallClockError = -3_600_000;
    world.events.after(8500, () => controller?.thaw());
  });
}

// --- with etcd -----------------------------------------------------------------------------------------------------------------------

/** etcd loses everything and is restored from an old copy; the operator says who has the data when all is over. */
function planRestore(world: World, from: number, to: number): void {
  const { random, servers } = world;
  const copiedAt = random.between(100, to - 1000);
  if (random.chance(0.7)) planRandomFaults(world, from, to);
  world.events.after(copiedAt, () => {
    const copy = world.votes.snapshot();
    world.events.after(random.between(Math.max(0, from - copiedAt), to - copiedAt), () => {
      const changed = copy.syncSet?.modRevision ?? 0;
      const bothKnowBetter = [servers.a, servers.b].every((server) => server.record.setRevision > changed);
      // Members that are started with old disks keep the cluster's id: only who knows better can tell.
      const isNewCluster = !bothKnowBetter || random.chance(0.5);
      world.log(`--- etcd is restored from an old copy (${isNewCluster ? "a new cluster" : "old disks"})`);
      world.disturb(34_000 - world.events.now);
      world.votes.restore(copy, isNewCluster);
      world.wasRestored = true;
      // Whoever leads by then goes away: now it matters who the old copy says may follow.
      const name = world.invariants.openedBy.server;
      if (random.chance(0.7)) world.events.after(2000, () => world.powerOff(servers[name]));
    });
    // Alone from here on: the copy still names both.
    if (random.chance(0.7)) cut(world, "a", "b", 2, random.between(4000, 9000));
  });
}

/** A leader that nobody sees any more, for longer than a lease and all timeouts. */
function planLongIsolation(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from, from + 3000), () => {
    const leader = leaderOf(world);
    world.log(`--- ${leader.name} is cut from everything for long`);
    cutFromEverything(world, leader, 22_000);
  });
}

/** The leader wants to go on alone, and is held up between the wish and the deed until the other has been promoted. */
function planLateDegrade(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from, from + 6000), () => {
    world.log("--- link cut, and controllers hesitate");
    cut(world, "a", "b", 2, 14_000);
    hesitate(world, 0.6, 12_000);
  });
}

function hesitate(world: World, share: number, duration: number): void {
  world.hesitation = share;
  world.wasHesitating = true;
  world.disturb(duration + 9000);
  world.events.after(duration, () => {
    world.hesitation = 0;
  });
}

/** The leader's controller is dead, its mysqld is not; the successor's mysqld dies in the middle of its promotion. */
function planRestartInPromotion(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from, from + 8000), () => {
    const leader = leaderOf(world);
    const successor = world.other(leader);
    world.disturb(15_000);
    world.killController(leader);
    world.events.after(14_000, () => world.startController(leader));
    // A lease, what a promotion takes, and a while after it.
    world.events.after(world.random.between(3500, 10_000), () => world.databases.kill(successor));
  });
}

// --- without a witness ---------------------------------------------------------------------------------------------------------------

/** The cable between the two, controllers that are slow to act, and mysqld that come and go meanwhile. */
function planPartition(world: World, from: number, _to: number): void {
  const { random } = world;
  world.events.after(random.between(from + 4000, from + 9000), () => {
    const leader = leaderOf(world);
    const ways = random.between(1, 2);
    world.log(`--- link cut (${ways} ways)`);
    cut(world, leader.name, other(leader.name), ways, random.between(6000, 16_000));
    if (random.chance(0.5)) hesitate(world, 0.4, 9000);
    if (random.chance(0.4)) world.events.after(random.between(0, 9000), () => world.databases.kill(leader));
    if (random.chance(0.3))
      world.events.after(random.between(0, 9000), () => world.databases.kill(world.other(leader)));
    if (random.chance(0.3)) world.events.after(random.between(0, 9000), () => powerOff(world, leader, 3000));
  });
}

/** The lead is given up, the other is slow to take it, it is taken back, and then they do not see each other. */
function planSlowTakeover(world: World, from: number, _to: number): void {
  const { random } = world;
  world.events.after(random.between(from + 6000, from + 9000), () => {
    if (!isWhole(world)) return;
    const leader = leaderOf(world);
    world.log("--- a switchover, and controllers hesitate");
    if (random.chance(0.7)) askForSwitchover(world);
    else world.databases.kill(leader);
    world.events.after(random.between(0, 400), () => hesitate(world, 0.7, 6000));
    world.events.after(random.between(1000, 6000), () => cut(world, "a", "b", 2, 12_000));
  });
}

/** The replica's mysqld restarts after it was decided that it takes over, and before that is written; then they see each other again. */
function planRestartInTakeover(world: World, from: number, _to: number): void {
  const { random } = world;
  world.events.after(random.between(from + 6000, from + 9000), () => {
    if (!isWhole(world)) return;
    const replica = world.other(leaderOf(world));
    const { database } = replica;
    cut(world, "a", "b", 2, random.between(6800, 7800));
    once(
      world,
      7000,
      () => database.source === undefined,
      () => {
        hesitate(world, 1, 1200);
        world.events.after(1250, () => world.databases.kill(replica));
      },
    );
  });
}

/** The replica is gone for good; a person sees that it is off, and says so. */
function planLostReplica(world: World, from: number, _to: number): void {
  world.events.after(world.random.between(from + 6000, from + 8000), () => {
    if (!isWhole(world)) return;
    world.operator.stayAwake();
    const { now } = world.events;
    world.invariants.stall = {
      bound: 24_000,
      from: now,
      to: now + 26_000,
      why: "the replica is off, and the operator said so",
    };
    powerOff(world, world.other(leaderOf(world)), 26_000);
  });
}

/** Both lose power one after the other, and come back in either order. */
function planBothGone(world: World, from: number, _to: number): void {
  const { random } = world;
  world.events.after(random.between(from + 4000, from + 8000), () => {
    const leader = leaderOf(world);
    powerOff(world, leader, random.between(1000, 16_000));
    world.events.after(random.between(0, 9000), () =>
      powerOff(world, world.other(leader), random.between(1000, 14_000)),
    );
  });
}
