import type { ServerName } from "../view.ts";
import { type Host, hosts } from "./network.ts";
import type { SimulatedServer } from "./simulated-server.ts";
import type { World } from "./world.ts";

/** Everything that the real servers do to us, as one function each: begins now, and ends by itself. */
type Fault = (world: World, server: SimulatedServer, duration: number) => void;

const faults: Readonly<Record<string, { readonly weight: number; readonly begin: Fault }>> = {
  "mysqld dies": { weight: 4, begin: (world, server) => world.databases.kill(server) },
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
  "controller freezes": {
    weight: 2,
    begin: (world, server, duration) => {
      const { controller } = server;
      controller?.freeze();
      world.events.after(duration, () => controller?.thaw());
    },
  },
  "clock jumps": {
    weight: 1,
    begin: (world, server) => {
      world.hadClockFaults = true;
      server.wallClockError = world.random.between(-4_000_000, 4_000_000);
    },
  },
  "Redis dies": { weight: 2, begin: (world, server) => world.databases.killRedis(server) },
  "Redis is away": {
    weight: 2,
    begin: (world, server, duration) => {
      server.redis.kill();
      world.events.after(duration, () => world.databases.startRedisLater(server));
    },
  },
  "backend down": {
    weight: 1,
    begin: (world, server, duration) => {
      server.backend = "down";
      world.events.after(2 * duration, () => {
        server.backend = "healthy";
      });
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
  "applier breaks": {
    weight: 1,
    begin: (world, server, duration) => {
      if (server.database.applier === "running") server.database.applier = "broken";
      world.events.after(duration, () => {
        if (server.database.applier === "broken") server.database.applier = "running";
      });
    },
  },
  "planned switchover": { weight: 2, begin: (world) => askForSwitchover(world) },
  "planned stop": {
    weight: 1,
    begin: (world) => {
      const leader = world.leader();
      if (leader !== undefined)
        world.operator.ask(world.other(world.servers[leader]), { kind: "degrade", peerIsOff: false });
    },
  },
};

const names = Object.keys(faults);
const totalWeight = names.reduce((sum, name) => sum + (faults[name]?.weight ?? 0), 0);
/** What hinders nobody who only waits for writes. */
const harmless: readonly string[] = ["slow applier", "backend down", "Redis dies", "Redis is away", "clock jumps"];

/** Plans a few faults of this seed in the given span, on top of each other as they come. */
export function planRandomFaults(world: World, from: number, to: number): void {
  const { random } = world;
  const count = random.between(1, 5);
  for (let index = 0; index < count; index++) {
    const name = pickFault(world);
    const server = world.servers[random.pick(["a", "b"] as const)];
    const duration = random.chance(0.3) ? random.between(4000, 15_000) : random.between(200, 4000);
    world.events.after(random.between(from, to), () => beginFault(world, name, server, duration));
  }
}

/** Begins one fault by its name. It ends by itself. */
export function beginFault(world: World, name: string, server: SimulatedServer, duration: number): void {
  world.log(`--- ${name} (${server.name}, ${duration} ms)`);
  // A planned stop lasts until an operator takes it back.
  if (!harmless.includes(name)) world.disturb(duration + (name === "hesitating controllers" ? 9000 : 1000));
  const fault = faults[name];
  if (fault === undefined) throw new Error(`no such fault: ${name}`);
  fault.begin(world, server, duration);
}

function pickFault(world: World): string {
  let left = world.random.next() * totalWeight;
  for (const name of names) {
    left -= faults[name]?.weight ?? 0;
    if (left < 0) return name;
  }
  return names[0] as string;
}

export function askForSwitchover(world: World): void {
  const leader = world.leader();
  if (leader !== undefined) world.operator.ask(world.servers[leader], { kind: "switchover", to: other(leader) });
}

/** Ends every fault that still lasts. */
export function healAll(world: World): void {
  world.log("--- everything heals");
  world.disturb(0);
  world.network.mendAll();
  world.hesitation = 0;
  world.witnessIsUp = true;
  for (const server of Object.values(world.servers)) {
    server.database.isHung = false;
    server.database.strangers = 0;
    server.database.strangerAcknowledges = false;
    if (server.database.applier === "broken") server.database.applier = "running";
    server.applyEvery = 60;
    world.thaw(server);
    server.controller?.thaw();
    world.powerOn(server);
    world.startController(server);
    world.databases.startRedisLater(server);
  }
  world.operator.stayAwake();
}

/** @param ways 2: both directions. */
export function cut(world: World, one: Host, other: Host, ways: number, duration: number): void {
  const links: [Host, Host][] =
    ways === 2
      ? [
          [one, other],
          [other, one],
        ]
      : [[one, other]];
  world.log(
    `--- nothing passes ${ways === 2 ? "between" : "from"} ${one} ${ways === 2 ? "and" : "to"} ${other} for ${duration} ms`,
  );
  world.disturb(duration);
  for (const [from, to] of links) world.network.cut(from, to);
  world.events.after(duration, () => {
    for (const [from, to] of links) world.network.mend(from, to);
  });
}

export function other(server: ServerName): ServerName {
  return server === "a" ? "b" : "a";
}

function otherOf(server: SimulatedServer): ServerName {
  return other(server.name);
}
