import { BlockList } from "node:net";
import { failoverPorts, failoverUnit } from "../config/failover.ts";
import { movedOf, pairContainer, pairOf, servedBySuite } from "../config/pair.ts";
import { type EtcdMemberName, type PairServer, pairUnits } from "../config/pair-names.ts";
import { ownPorts, pairPorts } from "../config/ports.ts";
import type { Configuration } from "../config/schema.ts";
import { betweenServers } from "../config/server-schema.ts";
import { checkSystem, type Finding, olderThan, refuse, warn } from "./checks.ts";
import type { ServerFacts } from "./facts.ts";
import type { PairFacts } from "./pair-facts.ts";

/** A server of a pair as one look at it tells. */
export interface PairServerFacts {
  readonly general: ServerFacts;
  readonly pair: PairFacts;
}

export type PairServersFacts = Readonly<Record<PairServer, PairServerFacts>> & {
  readonly witness?: PairServerFacts | undefined;
};

/** Clocks that differ by more than this make certificates invalid and logs unreadable. Leases and fencing ask no clock. */
const clockLimitSeconds = 5;

/** A commit waits for one round trip. */
const slowRoundTripMilliseconds = 5;

/** Distributions whose etcd is 3.4 or later. */
const etcdSystems: Readonly<Record<string, readonly string[]>> = { debian: ["12", "13"], ubuntu: ["24.04"] };

/** Judges the servers of stage 2 before anything is made. Pure. */
export function checkStage2(configuration: Configuration, facts: PairServersFacts): Finding[] {
  const { servers, witness } = pairOf(configuration);
  return [
    ...checkSystem("im:servers.a", servers.a.address, facts.a.general),
    ...checkSystem("im:servers.b", servers.b.address, facts.b.general),
    ...(witness.mode === "host" && facts.witness !== undefined
      ? checkSystem("im:witness", witness.address, facts.witness.general)
      : []),
    ...checkMachines(facts),
    ...checkArchitecture(configuration, facts),
    ...checkVotes(configuration, facts),
    ...checkNetwork(configuration, facts),
    ...checkVip(configuration, facts),
    ...checkPrimary(configuration, facts.a),
    ...checkReplica(configuration, facts),
    ...checkPorts(configuration, facts),
  ];
}

const pathOf = (name: EtcdMemberName) => (name === "witness" ? "im:witness" : `im:servers.${name}`);

function entries(facts: PairServersFacts): [EtcdMemberName, PairServerFacts][] {
  return [
    ["a", facts.a],
    ["b", facts.b],
    ...(facts.witness === undefined ? [] : [["witness", facts.witness] satisfies [EtcdMemberName, PairServerFacts]]),
  ];
}

function checkMachines(facts: PairServersFacts): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, EtcdMemberName>();
  for (const [name, { pair }] of entries(facts)) {
    const other = pair.machineId === "" ? undefined : seen.get(pair.machineId);
    if (other !== undefined) {
      findings.push(
        refuse(
          `${pathOf(name)}.address`,
          `this is the same machine as ${pathOf(other)} (machine id ${pair.machineId}). Expected a server of its own; a cloned virtual machine needs a new id: rm /etc/machine-id; systemd-machine-id-setup; reboot`,
        ),
      );
    }
    seen.set(pair.machineId, name);
  }
  const offsets = entries(facts).map(([name, { general }]) => [name, general.clockOffsetSeconds] as const);
  const sorted = [...offsets].sort((left, right) => left[1] - right[1]);
  const [first, last] = [sorted.at(0), sorted.at(-1)];
  if (first !== undefined && last !== undefined && last[1] - first[1] > clockLimitSeconds) {
    findings.push(
      refuse(
        pathOf(last[0]),
        `its clock is ${(last[1] - first[1]).toFixed(0)} s ahead of ${pathOf(first[0])}. Expected less than ${clockLimitSeconds} s; check time synchronisation on both (timedatectl; chronyc tracking).`,
      ),
    );
  }
  return findings;
}

/** Server B runs A's images, and the controller's own Node is for one kind of processor. */
function checkArchitecture({ redundancy }: Configuration, facts: PairServersFacts): Finding[] {
  const expected = redundancy.architecture === "x64" ? "x86_64" : "aarch64";
  return (["a", "b"] as const).flatMap((name) => {
    const { architecture } = facts[name].general.system;
    if (architecture === expected || !["x86_64", "aarch64"].includes(architecture)) return [];
    return [
      refuse(
        "im:redundancy.architecture",
        `= "${redundancy.architecture}": server ${name} is ${architecture}. Expected two servers of one kind, and im:redundancy.architecture: ${architecture === "x86_64" ? "x64" : "arm64"} when both are.`,
      ),
    ];
  });
}

function checkVotes(configuration: Configuration, facts: PairServersFacts): Finding[] {
  if (configuration.witness?.mode !== "host") return [];
  return entries(facts).flatMap(([name, { general, pair }]) => {
    const { id, version, name: system } = general.system;
    const findings: Finding[] = [];
    if (!(etcdSystems[id] ?? []).includes(version)) {
      findings.push(
        refuse(
          pathOf(name),
          `${system} has an etcd older than 3.4, so it cannot vote. Expected Debian 12 or 13 or Ubuntu 24.04 on every voter, or im:witness.mode: none.`,
        ),
      );
    }
    for (const [key, port] of [
      ["etcdClient", failoverPorts.etcdClient],
      ["etcdPeer", failoverPorts.etcdPeer],
    ] as const) {
      findings.push(...checkPort(pathOf(name), key, port, pairUnits.etcd, general, pair));
    }
    return findings;
  });
}

/** A port is free, or our unit runs that is meant to listen there. */
function checkPort(
  path: string,
  what: string,
  port: number,
  unit: string,
  general: ServerFacts,
  pair: PairFacts,
): Finding[] {
  const listener = general.listeners.find((one) => one.port === port);
  if (listener === undefined || pair.activeUnits.includes(unit)) return [];
  return [
    refuse(
      path,
      `port ${port}, meant for ${unit} (${what}), is already in use by ${listener.process || "another program"} (${listener.address}:${port}). Stop that program.`,
    ),
  ];
}

function checkNetwork(configuration: Configuration, facts: PairServersFacts): Finding[] {
  const { servers, vip } = pairOf(configuration);
  const findings: Finding[] = [];
  for (const name of ["a", "b"] as const) {
    const address = betweenServers(servers[name]);
    if (facts[name].pair.addresses.some((one) => one.address === address)) continue;
    findings.push(
      refuse(
        `${pathOf(name)}.privateAddress`,
        `${address} is on none of its interfaces (${facts[name].pair.addresses.map((one) => `${one.interface} ${one.address}`).join(", ")}). Expected the address by which the other servers reach it; behind address translation name the private one.`,
      ),
    );
  }
  const { roundTripMilliseconds, routed } = facts.a.pair;
  const peer = betweenServers(servers.b);
  if (roundTripMilliseconds === undefined) {
    findings.push(
      warn(
        "im:servers.b",
        `server a gets no answer to a ping of ${peer}, so the round trip is not known. If ICMP is filtered only, go on; the ports between the servers must be open (docs/decisions/0020-pair-plan.md).`,
      ),
    );
  } else if (roundTripMilliseconds > slowRoundTripMilliseconds) {
    findings.push(
      warn(
        "im:servers.b",
        `the round trip between the servers is ${roundTripMilliseconds.toFixed(1)} ms, and every commit waits for one: a connection that commits one after the other gets at most ${Math.floor(1000 / roundTripMilliseconds)} commits a second. Expected ${slowRoundTripMilliseconds} ms or less (one data centre).`,
      ),
    );
  }
  if (routed && vip.mode === "keepalived") {
    findings.push(
      refuse(
        "im:vip.mode",
        `= "keepalived": there is a router between server a and ${peer}, so an address cannot move between them. Expected servers of one network, or im:vip.mode: hook with a command that moves your provider's address.`,
      ),
    );
  }
  return findings;
}

function checkVip(configuration: Configuration, facts: PairServersFacts): Finding[] {
  const { servers, vip } = pairOf(configuration);
  if (vip.mode !== "keepalived") return [];
  const findings: Finding[] = [];
  for (const name of ["a", "b"] as const) {
    const { pair } = facts[name];
    const device = typeof vip.interface === "string" ? vip.interface : vip.interface[name];
    const own = pair.addresses.filter((one) => one.interface === device);
    if (own.length === 0) {
      findings.push(
        refuse(
          "im:vip.interface",
          `server ${name} has no interface ${device} with an IPv4 address. It has ${[...new Set(pair.addresses.map((one) => one.interface))].join(", ")}.`,
        ),
      );
    } else if (
      !own.some((one) => one.address !== vip.address && contains(one.address, one.prefixLength, vip.address))
    ) {
      findings.push(
        refuse(
          "im:vip.address",
          `= "${vip.address}": not in the network of ${device} on server ${name} (${own.map((one) => `${one.address}/${one.prefixLength}`).join(", ")}). Expected a free address of that network.`,
        ),
      );
    }
  }
  const holders = [facts.a.pair.vipHolder, facts.b.pair.vipHolder];
  const ours = holders.includes("self");
  const other = holders.find((holder) => holder !== "" && holder !== "self");
  if (!ours && other !== undefined) {
    findings.push(
      refuse(
        "im:vip.address",
        `= "${vip.address}": another machine has this address (hardware address ${other}). Expected one that nobody has.`,
      ),
    );
  }
  const known = new Set([servers.a, servers.b].flatMap((server) => [server.address, betweenServers(server)]));
  for (const { source, virtualRouterId } of [...facts.a.pair.vrrp, ...facts.b.pair.vrrp]) {
    if (virtualRouterId !== vip.virtualRouterId || known.has(source)) continue;
    findings.push(
      refuse(
        "im:vip.virtualRouterId",
        `= ${vip.virtualRouterId}: ${source} uses this number in the same network, and both would take each other's address. Expected another number from 1 to 255.`,
      ),
    );
    break;
  }
  return findings;
}

function contains(address: string, prefixLength: number, other: string): boolean {
  const network = new BlockList();
  network.addSubnet(address, prefixLength, "ipv4");
  return network.check(other, "ipv4");
}

/** Server A: what stands in the way of a replica. */
function checkPrimary(configuration: Configuration, { general, pair }: PairServerFacts): Finding[] {
  const { suite } = configuration;
  const path = "im:servers.a";
  const findings: Finding[] = [];
  for (const service of movedOf(configuration)) {
    const name = pairContainer(configuration, "a", service);
    const container = general.containers.find((one) => one.name === name);
    if (container?.status === "running") continue;
    findings.push(
      refuse(
        path,
        `the container ${name} ${container === undefined ? "does not exist" : `is ${container.status}`} on server a. Expected the suite of stage 1, running.`,
      ),
    );
  }
  findings.push(...checkServedBySuite(configuration, general));
  const { mysql } = pair;
  if (mysql === undefined) return findings;
  const database = `MySQL on server a (${pairContainer(configuration, "a", "mysql")})`;
  if ("error" in mysql) {
    return [
      ...findings,
      refuse(path, `${database} does not answer: ${mysql.error}. Bring stage 1 up again: pulumi up -s stage1`),
    ];
  }
  if (olderThan(mysql.version, [8, 0, 26])) {
    findings.push(refuse("im:suite", `${database} is ${mysql.version}. Expected 8.0.26 or later.`));
  }
  if (mysql.otherEngines.length > 0) {
    findings.push(
      refuse(
        "im:suite",
        `${database} has tables that a crash or a clone would lose: ${mysql.otherEngines.join(", ")}. Expected InnoDB; type for each: ALTER TABLE … ENGINE=InnoDB`,
      ),
    );
  }
  if (mysql.withoutPrimaryKey.length > 0) {
    findings.push(
      refuse(
        "im:suite",
        `${database} has tables without a primary key, on which a replica falls behind (it looks for each changed row in the whole table): ${mysql.withoutPrimaryKey.join(", ")}. Add one: ALTER TABLE … ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY`,
      ),
    );
  }
  if (mysql.replicaOf.length > 0) {
    findings.push(
      refuse(
        "im:suite",
        `${database} is already a replica, of ${mysql.replicaOf.join(", ")}. Expected one that follows nobody: RESET REPLICA ALL, or name the other server as server a.`,
      ),
    );
  }
  if (mysql.oldSemiSync.length > 0) {
    findings.push(
      refuse(
        "im:suite",
        `${database} runs semi-sync under its old name (${mysql.oldSemiSync.join(", ")}), which cannot be mixed with the new one. Type: ${mysql.oldSemiSync.map((plugin) => `UNINSTALL PLUGIN ${plugin};`).join(" ")}`,
      ),
    );
  }
  if (!mysql.tls) {
    findings.push(
      refuse(
        "im:suite",
        `${database} has TLS turned off, and its replica comes over the network. Remove skip-ssl or tls_version='' from its configuration, and restart it once.`,
      ),
    );
  }
  if (mysql.serverId === 0) {
    findings.push(
      refuse("im:suite", `${database} has server_id 0 and cannot have a replica. Type: SET PERSIST server_id = 1`),
    );
  }
  if (mysql.binlogFormat !== "ROW") {
    findings.push(
      warn(
        "im:suite",
        `${database} has binlog_format ${mysql.binlogFormat}; stage 2 sets ROW. Connections that are open keep the old format until they are opened anew: restart the backend once afterwards.`,
      ),
    );
  }
  for (const account of mysql.mighty) {
    findings.push(
      warn(
        "im:suite",
        `the application is connected to MySQL as ${account}, which may pass read-only and offline mode (SUPER or CONNECTION_ADMIN): in a failover only killing mysqld keeps its writes away, and an errant write means a clone. Give it an account with rights on its own schema alone.`,
      ),
    );
  }
  for (const account of suite.mode === "adopt" ? mysql.boundToAddress : []) {
    findings.push(
      warn(
        "im:suite",
        `the MySQL account ${account} may come from that address alone. On server b the backend comes from another one (Docker's network there): if the backend uses it, create it for '%' too.`,
      ),
    );
  }
  return findings;
}

/** What the configuration says of ports that the suite itself answers, and what really is. */
function checkServedBySuite(configuration: Configuration, general: ServerFacts): Finding[] {
  const { vip } = configuration;
  if (vip?.mode !== "keepalived") return [];
  const served = servedBySuite(configuration);
  return movedOf(configuration).flatMap((service) => {
    const port = configuration.suite.ports[service];
    const container = general.containers.find((one) => one.name === pairContainer(configuration, "a", service));
    if (container === undefined) return [];
    const open = container.published.some((one) => one.port === port && ["0.0.0.0", "::"].includes(one.address));
    if (open === served.includes(service)) return [];
    const right = movedOf(configuration).filter((one) => (one === service ? open : served.includes(one)));
    return [
      refuse(
        "im:vip.servedBySuite",
        `${container.name} ${open ? `publishes port ${port} on every address, so it answers on the virtual IP itself` : `does not publish port ${port} on every address, so nobody would answer on the virtual IP`}. Expected im:vip.servedBySuite: [${right.join(", ")}]`,
      ),
    ];
  });
}

/** Server B: room, emptiness, and a version that can replicate. */
function checkReplica(configuration: Configuration, facts: PairServersFacts): Finding[] {
  const { general, pair } = facts.b;
  const path = "im:servers.b";
  const { memoryMiB } = configuration.redundancy;
  const findings: Finding[] = [];
  const moved = movedOf(configuration);
  const containerOf = (service: (typeof moved)[number]) =>
    general.containers.find((one) => one.name === pairContainer(configuration, "b", service));
  const foreign = moved.flatMap((service) => {
    const container = containerOf(service);
    return container !== undefined && container.stage !== "2" ? [container] : [];
  });
  const prod = general.containers.filter((one) => /^im-.*-prod$/.test(one.name));
  for (const container of [...foreign, ...prod]) {
    findings.push(
      refuse(
        path,
        `server b runs a suite of its own (${container.name}${container.stage === "" ? "" : `, of stage ${container.stage}`}). Expected an empty server: its data would be replaced by that of server a.`,
      ),
    );
  }
  const running = moved.some((service) => containerOf(service)?.stage === "2");
  if (!running && general.createdData.includes("mysql") && !pair.wasMember) {
    findings.push(
      refuse(
        path,
        "MySQL on server b is not empty: /var/lib/im-suite/data/mysql holds data that is no copy of server a's. It would be replaced. Move it away first.",
      ),
    );
  }
  const memory = moved.reduce((sum, service) => sum + memoryMiB[service], 0) + 256;
  if (!running && general.memoryMiB.available < memory) {
    findings.push(
      refuse(
        path,
        `server b is too small: ${general.memoryMiB.available} MiB of memory are available, and the suite needs ${memory} MiB there (im:redundancy.memoryMiB). Rent a larger one, or lower the limits.`,
      ),
    );
  }
  const mysqlA = facts.a.pair.mysql;
  if (mysqlA !== undefined && !("error" in mysqlA)) {
    const disk = 2 * mysqlA.dataMiB + 4096;
    if (!running && general.disks.state.availableMiB < disk) {
      findings.push(
        refuse(
          path,
          `server b is too small: ${general.disks.state.availableMiB} MiB of disk are free for /var/lib, and ${mysqlA.dataMiB} MiB in MySQL need ${disk} MiB with binary logs, and the objects beside.`,
        ),
      );
    }
    const mysqlB = pair.mysql;
    if (mysqlB !== undefined && !("error" in mysqlB) && olderThan(mysqlB.version, series(mysqlA.version))) {
      findings.push(
        refuse(
          "im:redundancy.imagesGeneration",
          `MySQL is ${mysqlA.version} on server a and ${mysqlB.version} on server b, and an older one cannot follow a newer one. Bring A's image to b: raise imagesGeneration, and im:redundancy.allowReplace: [mysql]`,
        ),
      );
    }
  }
  return findings;
}

/** Major and minor number: within a series versions replicate both ways. */
function series(version: string): number[] {
  return version.split(".").slice(0, 2).map(Number);
}

function checkPorts(configuration: Configuration, facts: PairServersFacts): Finding[] {
  const moved = movedOf(configuration);
  const { ports } = configuration.suite;
  return (["a", "b"] as const).flatMap((name) => {
    const { general, pair } = facts[name];
    const check = (what: string, port: number, unit: string) =>
      checkPort(pathOf(name), what, port, unit, general, pair);
    const balanced = [
      ["MySQL for the peer", failoverPorts.mysqlReplication],
      ["writes", pairPorts.mysqlWrite],
      ["reads", pairPorts.mysqlRead],
      ["the peer's controller", pairPorts.peerController],
      ...(moved.includes("redis")
        ? [
            ["Redis for the peer", failoverPorts.redisReplication] as const,
            ["Redis by role", pairPorts.redisLeader] as const,
          ]
        : []),
      ...(moved.includes("minio") ? [["MinIO for the peer", pairPorts.minioReplication] as const] : []),
    ] as const;
    const onB =
      name === "b"
        ? [
            ...moved.map((service) => [ports[service], pairContainer(configuration, "b", service)] as const),
            ...[ownPorts.nodeExporter, ownPorts.mysqldExporter, ownPorts.redisExporter, ownPorts.blackboxExporter].map(
              (port) => [port, "an exporter"] as const,
            ),
          ]
        : [];
    const ours = general.containers.some((one) => one.stage === "2");
    return [
      ...balanced.flatMap(([what, port]) => check(what, port, pairUnits.haproxy)),
      ...check("controller", failoverPorts.controller, failoverUnit),
      ...check("controller on 127.0.0.1", failoverPorts.controllerLocal, failoverUnit),
      ...onB.flatMap(([port, what]) => {
        const listener = general.listeners.find((one) => one.port === port);
        if (listener === undefined || ours) return [];
        return [
          refuse(
            pathOf(name),
            `port ${port}, meant for ${what}, is already in use by ${listener.process || "another program"} (${listener.address}:${port}). Stop that program.`,
          ),
        ];
      }),
    ];
  });
}
