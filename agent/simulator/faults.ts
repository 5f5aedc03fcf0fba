import type { ServerName } from "../view.ts";
import { type Host, hosts } from "./network.ts";
import type { SimulatedServer, World } from "./world.ts";

/** Everything that the real servers do to us, as one function each: begins now, and ends by itself. */
type Fault = (world: World, server: SimulatedServer, duration: number) => void;

const faults: Readonly<Record<string, { readonly weight: number; readonly begin: Fault }>> = {
  "mysqld dies": { weight: 4, begin: (world, server) => world.killDatabase(server) },
  "mysqld hangs": {
    weight: 2,
    begin: (world, server, duration) => {
      server.database.isHung = true;
      world.events.after(duration, () => {
        server.database.isHung = false;
      });
    },
  },
  "power off": {
    weight: 3,
    begin: (world, server, duration) => {
      world.powerOff(server);
      world.events.after(duration, () => world.powerOn(server));
    },
  },
  "both without power": {
    weight: 1,
    begin: (world, server, duration) => {
      for (const one of [server, world.other(server)]) {
        world.powerOff(one);
        world.events.after(duration + world.random.between(0, 4000), () => world.powerOn(one));
      }
    },
  },
  "server freezes": {
    weight: 4,
    begin: (world, server, duration) => {
      world.pause(server);
      world.events.after(duration, () => world.thaw(server));
    },
  },
  "controller dies": {
    weight: 3,
    begin: (world, server, duration) => {
      world.killController(server);
      world.events.after(world.random.chance(0.5) ? 1000 : duration, () => world.startController(server));
    },
  },
  "link cut": { weight: 3, begin: (world, server, duration) => cut(world, server.name, otherOf(server), 2, duration) },
  "link cut one way": {
    weight: 3,
    begin: (world, server, duration) => {
      const [from, to] = world.random.chance(0.5) ? [server.name, otherOf(server)] : [otherOf(server), server.name];
      cut(world, from, to, 1, duration);
    },
  },
  "server cut from everything": {
    weight: 3,
    begin: (world, server, duration) => {
      for (const host of hosts) if (host !== server.name) cut(world, server.name, host, 2, duration);
    },
  },
  "cut from the witness": {
    weight: 2,
    begin: (world, server, duration) => cut(world, server.name, "witness", world.random.between(1, 2), duration),
  },
  "witness dies": {
    weight: 2,
    begin: (world, _server, duration) => {
      world.witnessIsUp = false;
      world.events.after(duration, () => {
        world.witnessIsUp = true;
      });
    },
  },
  "slow network": {
    weight: 3,
    begin: (world, _server, duration) => {
      world.network.slowness = world.random.between(100, 1500);
      world.events.after(duration, () => {
        world.network.slowness = 0;
      });
    },
  },
  "late messages": {
    weight: 3,
    begin: (world, _server, duration) => {
      world.network.latecomers = 0.1;
      world.events.after(duration, () => {
        world.network.latecomers = 0;
      });
    },
  },
  "hesitating controllers": {
    weight: 3,
    begin: (world, _server, duration) => {
      world.hesitation = 0.2;
      world.wasHesitating = true;
      world.events.after(duration, () => {
        world.hesitation = 0;
      });
    },
  },
  "slow applier": {
    weight: 2,
    begin: (world, server, duration) => {
      server.applyEvery = 3000;
      world.events.after(duration, () => {
        server.applyEvery = 60;
      });
    },
  },
  "applier stops": {
    weight: 1,
    begin: (_world, server) => {
      if (server.database.applier === "running") server.database.applier = "stopped";
    },
  },
  "planned switchover": {
    weight: 2,
    begin: (world) => {
      const leader = world.votes.read(world.events.now).leader?.server;
      if (leader !== undefined) world.votes.setHandover(leader === "a" ? "b" : "a");
    },
  },
};

const names = Object.keys(faults);
const totalWeight = names.reduce((sum, name) => sum + (faults[name]?.weight ?? 0), 0);

/**
 * Somebody else than the peer connects to the leader and acknowledges. It has history to fetch before it acknowledges what is new: the
 * controller has that long to see it. Alone in a schedule, because with a dead controller nothing but the replication account's
 * password prevents it.
 */
function planStranger(world: World, at: number): void {
  world.events.after(at, () => {
    const leader = world.votes.read(world.events.now).leader?.server;
    if (leader === undefined) return;
    const { database } = world.servers[leader];
    world.log(`--- a stranger replicates from ${leader}`);
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
    world.mayNotFailOver = true;
  });
  for (let at = from + 2000; at < to; at += 5000) {
    const server = world.servers[world.random.pick(["a", "b"] as const)];
    world.events.after(at, () => world.killController(server));
    world.events.after(at + world.random.between(300, 1500), () => world.startController(server));
  }
}

/** etcd loses everything and is restored from an old copy; the operator says who has the data when all is over. */
function planRestore(world: World, from: number, to: number): void {
  const copiedAt = world.random.between(100, to - 1000);
  world.events.after(copiedAt, () => {
    const copy = world.votes.snapshot();
    world.events.after(world.random.between(Math.max(0, from - copiedAt), to - copiedAt), () => {
      world.log("--- etcd is restored from an old copy");
      world.votes.restore(copy);
      world.wasRestored = true;
      // Whoever leads by then goes away: now it matters who the old copy says may follow.
      const name = world.openedBy.server;
      if (world.random.chance(0.7)) world.events.after(2000, () => world.powerOff(world.servers[name]));
    });
    // Alone from here on: the copy still names both.
    if (world.random.chance(0.7)) cut(world, "a", "b", 2, world.random.between(4000, 9000));
  });
}

/** The leader is lost while much is not applied yet, comes back, and then its successor loses power half-way. */
function planTroubledPromotion(world: World, at: number): void {
  const { random } = world;
  world.events.after(at, () => {
    const name = world.votes.read(world.events.now).leader?.server ?? "a";
    const leader = world.servers[name];
    const successor = world.other(leader);
    world.log(`--- ${name} is lost with much to apply on the other`);
    successor.applyEvery = random.between(1500, 4000);
    world.events.after(2000, () => world.powerOff(leader));
    world.events.after(2000 + random.between(500, 9000), () => world.powerOn(leader));
    const lostAt = 7000 + random.between(0, 9000);
    world.events.after(lostAt, () => world.powerOff(successor));
    world.events.after(lostAt + random.between(4000, 9000), () => world.powerOn(successor));
  });
}

/** A leader that nobody sees any more, for longer than a lease and all timeouts. */
function planLongIsolation(world: World, at: number): void {
  world.events.after(at, () => {
    const name = world.votes.read(world.events.now).leader?.server ?? "a";
    world.log(`--- ${name} is cut from everything for long`);
    for (const host of hosts) if (host !== name) cut(world, name, host, 2, 22_000);
  });
}

/** The leader wants to go on alone, and is held up between the wish and the deed until the other has been promoted. */
function planLateDegrade(world: World, at: number): void {
  world.events.after(at, () => {
    world.log("--- link cut, and controllers hesitate");
    cut(world, "a", "b", 2, 14_000);
    world.hesitation = 0.6;
    world.wasHesitating = true;
    world.events.after(12_000, () => {
      world.hesitation = 0;
    });
  });
}

/** The leader's controller is dead, its mysqld is not; the successor's mysqld dies in the middle of its promotion. */
function planRestartInPromotion(world: World, at: number): void {
  world.events.after(at, () => {
    const leader = world.servers[world.votes.read(world.events.now).leader?.server ?? "a"];
    const successor = world.other(leader);
    world.killController(leader);
    world.events.after(14_000, () => world.startController(leader));
    // A lease, what a promotion takes, and a while after it.
    world.events.after(world.random.between(3500, 10_000), () => world.killDatabase(successor));
  });
}

/** Plans a few faults of this seed in the given span, on top of each other as they come. */
export function planFaults(world: World, from: number, to: number): void {
  const { random } = world;
  const kind = random.next();
  if (kind < 0.03) {
    planStranger(world, random.between(from, to));
    return;
  }
  if (kind < 0.06) {
    planRestarts(world, from, to);
    return;
  }
  if (kind < 0.1) {
    planTroubledPromotion(world, random.between(from, from + 8000));
    return;
  }
  if (kind < 0.12) {
    planLongIsolation(world, random.between(from, from + 3000));
    return;
  }
  if (kind < 0.14) {
    planLateDegrade(world, random.between(from, from + 6000));
    return;
  }
  if (kind < 0.17) {
    planRestartInPromotion(world, random.between(from, from + 8000));
    return;
  }
  if (kind < 0.22) planRestore(world, from, to);
  const count = random.between(1, 5);
  for (let index = 0; index < count; index++) {
    const name = pickFault(world);
    const server = world.servers[random.pick(["a", "b"] as const)];
    const duration = random.chance(0.3) ? random.between(4000, 15_000) : random.between(200, 4000);
    world.events.after(random.between(from, to), () => {
      world.log(`--- ${name} (${server.name}, ${duration} ms)`);
      faults[name]?.begin(world, server, duration);
    });
  }
}

function pickFault(world: World): string {
  let left = world.random.next() * totalWeight;
  for (const name of names) {
    left -= faults[name]?.weight ?? 0;
    if (left < 0) return name;
  }
  return names[0] as string;
}

/** Ends every fault that still lasts. */
export function healAll(world: World): void {
  world.log("--- everything heals");
  world.network.mendAll();
  world.hesitation = 0;
  world.witnessIsUp = true;
  for (const server of Object.values(world.servers)) {
    server.database.isHung = false;
    server.database.strangers = 0;
    server.database.strangerAcknowledges = false;
    server.applyEvery = 60;
    world.thaw(server);
    world.powerOn(server);
    world.startController(server);
  }
  // The operator looks first, and waits until both answer.
  if (world.wasRestored) world.events.after(8000, () => world.reinit());
}

/** @param ways 2: both directions. */
function cut(world: World, one: Host, other: Host, ways: number, duration: number): void {
  const links: [Host, Host][] =
    ways === 2
      ? [
          [one, other],
          [other, one],
        ]
      : [[one, other]];
  for (const [from, to] of links) world.network.cut(from, to);
  world.events.after(duration, () => {
    for (const [from, to] of links) world.network.mend(from, to);
  });
}

function otherOf(server: SimulatedServer): ServerName {
  return server.name === "a" ? "b" : "a";
}
