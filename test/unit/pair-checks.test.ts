import { describe, expect, it } from "vitest";
import { onFoundation } from "../../config/foundation.ts";
import { parseConfiguration } from "../../config/load.ts";
import type { Configuration } from "../../config/schema.ts";
import type { ServerFacts } from "../../preflight/facts.ts";
import { checkStage2, type PairServerFacts, type PairServersFacts } from "../../preflight/pair-checks.ts";
import type { PairFacts, PairMysqlFacts } from "../../preflight/pair-facts.ts";
import { reportPair } from "../../preflight/report-pair.ts";
import { adoptableFacts, bareFacts, pairConfiguration } from "./fixtures.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const mysql: PairMysqlFacts = {
  version: "8.4.6",
  serverId: 1,
  tls: true,
  binlogFormat: "ROW",
  dataMiB: 900,
  otherEngines: [],
  withoutPrimaryKey: [],
  replicaOf: [],
  oldSemiSync: [],
  mighty: [],
  boundToAddress: [],
};

const pairFacts = (address: string, machineId: string): PairFacts => ({
  machineId,
  addresses: [{ interface: "eth0", address, prefixLength: 24 }],
  activeUnits: [],
  roundTripMilliseconds: 0.4,
  routed: false,
  vipHolder: "",
  vrrp: [],
  wasMember: false,
  mysql: undefined,
});

/** A healthy suite on A, an empty B, an empty witness. */
function healthy(): { a: Mutable<PairServerFacts>; b: Mutable<PairServerFacts>; witness: Mutable<PairServerFacts> } {
  return {
    a: { general: adoptableFacts(), pair: { ...pairFacts("10.0.0.11", "machine-a"), mysql } },
    b: { general: bareFacts(), pair: pairFacts("10.0.0.12", "machine-b") },
    witness: { general: bareFacts(), pair: pairFacts("10.0.0.13", "machine-w") },
  };
}

function configured(change: Record<string, unknown> = {}): Configuration {
  const { foundation, own } = pairConfiguration();
  return parseConfiguration(onFoundation({ ...own, ...change }, foundation).raw);
}

const found = (facts: PairServersFacts, configuration = configured()) =>
  checkStage2(configuration, facts).map(({ level, path, message }) => `${level} ${path}: ${message}`);

const general = (facts: ServerFacts, change: Partial<ServerFacts>): ServerFacts => ({ ...facts, ...change });

type Facts = ReturnType<typeof healthy>;

describe("the preflight of a pair", () => {
  it("finds nothing wrong with a suite, an empty server and a witness", () => {
    expect(found(healthy())).toEqual([]);
  });

  it("is passed again when everything of ours runs", () => {
    const facts = healthy();
    const units = ["im-etcd.service", "im-haproxy.service", "im-failover.service"];
    for (const one of [facts.a, facts.b, facts.witness]) {
      one.pair = { ...one.pair, activeUnits: units, vipHolder: one === facts.a ? "self" : "02:42:c6:12:00:0b" };
      one.general = general(one.general, {
        listeners: [2379, 2380, 3318, 3316, 3317, 6389, 6399, 9010, 8008, 8009, 8010].map((port) => ({
          address: "0.0.0.0",
          port,
          process: "haproxy",
        })),
      });
    }
    facts.b.general = general(facts.b.general, {
      createdData: ["mysql"],
      containers: facts.a.general.containers.slice(0, 5).map((one) => ({
        ...one,
        name: one.name.replace("-prod", ""),
        stage: "2",
      })),
    });
    facts.b.pair = { ...facts.b.pair, wasMember: true, mysql };
    expect(found(facts)).toEqual([]);
  });

  it.each<[string, (facts: Facts) => void, string]>([
    [
      "tables of another engine",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, otherEngines: ["im.log (MyISAM)"] } }),
      "refuse im:suite: MySQL on server a (im-mysql-prod) has tables that a crash or a clone would lose: im.log (MyISAM). Expected InnoDB",
    ],
    [
      "tables without a primary key",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, withoutPrimaryKey: ["im.log"] } }),
      "tables without a primary key, on which a replica falls behind",
    ],
    [
      "a replica of something else",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, replicaOf: ["10.9.9.9:3306"] } }),
      "is already a replica, of 10.9.9.9:3306",
    ],
    [
      "semi-sync under its old name",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, oldSemiSync: ["rpl_semi_sync_master"] } }),
      "UNINSTALL PLUGIN rpl_semi_sync_master;",
    ],
    ["a MySQL without TLS", (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, tls: false } }), "has TLS turned off"],
    ["server_id 0", (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, serverId: 0 } }), "has server_id 0"],
    [
      "an old MySQL",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, version: "8.0.25" } }),
      "is 8.0.25. Expected 8.0.26 or later",
    ],
    [
      "a MySQL that does not answer",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { error: "ERROR 2002" } }),
      "does not answer: ERROR 2002",
    ],
    [
      "a stopped backend on a",
      (f) =>
        (f.a.general = general(f.a.general, {
          containers: f.a.general.containers.map((one) =>
            one.name === "im-backend-prod" ? { ...one, status: "exited" } : one,
          ),
        })),
      "the container im-backend-prod is exited on server a",
    ],
    [
      "a newer MySQL on a than on b",
      (f) => {
        f.a.pair = { ...f.a.pair, mysql: { ...mysql, version: "9.7.2" } };
        f.b.pair = { ...f.b.pair, mysql: { ...mysql, version: "8.4.6" } };
      },
      "MySQL is 9.7.2 on server a and 8.4.6 on server b, and an older one cannot follow a newer one",
    ],
    [
      "a B that is too small in memory",
      (f) => (f.b.general = general(f.b.general, { memoryMiB: { total: 2000, available: 1500 } })),
      "server b is too small: 1500 MiB of memory are available, and the suite needs 4480 MiB there",
    ],
    [
      "a B that is too small in disk",
      (f) =>
        (f.b.general = general(f.b.general, {
          disks: { ...f.b.general.disks, state: { totalMiB: 9000, availableMiB: 5000 } },
        })),
      "5000 MiB of disk are free for /var/lib, and 900 MiB in MySQL need 5896 MiB",
    ],
    [
      "a MySQL on B that is not empty",
      (f) => (f.b.general = general(f.b.general, { createdData: ["mysql"] })),
      "MySQL on server b is not empty",
    ],
    [
      "a suite of its own on B",
      (f) =>
        (f.b.general = general(f.b.general, {
          containers: f.a.general.containers.slice(0, 1).map((one) => ({ ...one, name: "im-mysql", stage: "1" })),
        })),
      "server b runs a suite of its own (im-mysql, of stage 1)",
    ],
    [
      "a virtual IP that somebody has",
      (f) => (f.a.pair = { ...f.a.pair, vipHolder: "52:54:00:12:34:56" }),
      'refuse im:vip.address: = "10.0.0.100": another machine has this address (hardware address 52:54:00:12:34:56)',
    ],
    [
      "a virtual IP outside the network",
      (f) => (f.b.pair = { ...f.b.pair, addresses: [{ interface: "eth0", address: "10.0.0.12", prefixLength: 29 }] }),
      "not in the network of eth0 on server b (10.0.0.12/29)",
    ],
    [
      "an interface that is not there",
      (f) => (f.b.pair = { ...f.b.pair, addresses: [{ interface: "ens3", address: "10.0.0.12", prefixLength: 24 }] }),
      "server b has no interface eth0 with an IPv4 address. It has ens3",
    ],
    [
      "another router of the same number",
      (f) => (f.b.pair = { ...f.b.pair, vrrp: [{ source: "10.0.0.1", virtualRouterId: 51 }] }),
      "refuse im:vip.virtualRouterId: = 51: 10.0.0.1 uses this number",
    ],
    [
      "clocks apart",
      (f) => (f.b.general = general(f.b.general, { clockOffsetSeconds: -40 })),
      "its clock is 40 s ahead of im:servers.b",
    ],
    [
      "etcd's port taken",
      (f) =>
        (f.witness.general = general(f.witness.general, {
          listeners: [{ address: "127.0.0.1", port: 2379, process: "etcd" }],
        })),
      "refuse im:witness: port 2379, meant for im-etcd.service (etcdClient), is already in use by etcd (127.0.0.1:2379)",
    ],
    [
      "a role port taken",
      (f) =>
        (f.b.general = general(f.b.general, { listeners: [{ address: "0.0.0.0", port: 3316, process: "nginx" }] })),
      "port 3316, meant for im-haproxy.service (writes), is already in use by nginx",
    ],
    [
      "a port of the suite taken on B",
      (f) => (f.b.general = general(f.b.general, { listeners: [{ address: "0.0.0.0", port: 8080, process: "java" }] })),
      "port 8080, meant for im-backend, is already in use by java",
    ],
    [
      "a witness that is one of the two",
      (f) => (f.witness.pair = { ...f.witness.pair, machineId: "machine-b" }),
      "refuse im:witness.address: this is the same machine as im:servers.b",
    ],
    [
      "a voter whose etcd is too old",
      (f) =>
        (f.witness.general = general(f.witness.general, {
          system: { ...f.witness.general.system, id: "ubuntu", version: "22.04", name: "Ubuntu 22.04" },
        })),
      "Ubuntu 22.04 has an etcd older than 3.4",
    ],
    [
      "servers of two architectures",
      (f) => (f.b.general = general(f.b.general, { system: { ...f.b.general.system, architecture: "aarch64" } })),
      'refuse im:redundancy.architecture: = "x64": server b is aarch64',
    ],
    [
      "an address that is not on the server",
      (f) => (f.a.pair = { ...f.a.pair, addresses: [{ interface: "eth0", address: "10.0.0.99", prefixLength: 24 }] }),
      "10.0.0.11 is on none of its interfaces (eth0 10.0.0.99)",
    ],
    [
      "a router in between",
      (f) => (f.a.pair = { ...f.a.pair, routed: true }),
      "there is a router between server a and 10.0.0.12",
    ],
    [
      "a suite that does not answer on the virtual IP",
      (f) =>
        (f.a.general = general(f.a.general, {
          containers: f.a.general.containers.map((one) =>
            one.name === "im-redis-prod"
              ? { ...one, published: [{ address: "127.0.0.1", port: 6379, containerPort: 6379 }] }
              : one,
          ),
        })),
      "Expected im:vip.servedBySuite: [mysql, minio, backend, admin]",
    ],
  ])("refuses %s, in one sentence", (_what, change, expected) => {
    const facts = healthy();
    change(facts);
    const refusals = found(facts).filter((one) => one.startsWith("refuse"));
    expect(refusals, refusals.join("\n")).toHaveLength(1);
    expect(refusals[0]).toContain(expected);
    expect(refusals[0]).not.toContain("\n");
  });

  it.each<[string, (facts: Facts) => void, string]>([
    [
      "an application account that passes every fence",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, mighty: ["root"] } }),
      "connected to MySQL as root, which may pass read-only and offline mode",
    ],
    [
      "an account that only one address may use",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, boundToAddress: ["im@172.18.%"] } }),
      "the MySQL account im@172.18.% may come from that address alone",
    ],
    [
      "another binary log format",
      (f) => (f.a.pair = { ...f.a.pair, mysql: { ...mysql, binlogFormat: "MIXED" } }),
      "binlog_format MIXED; stage 2 sets ROW",
    ],
    [
      "a long way between the servers",
      (f) => (f.a.pair = { ...f.a.pair, roundTripMilliseconds: 20 }),
      "is 20.0 ms, and every commit waits for one: a connection that commits one after the other gets at most 50 commits",
    ],
    [
      "a peer that answers no ping",
      (f) => (f.a.pair = { ...f.a.pair, roundTripMilliseconds: undefined }),
      "gets no answer to a ping of 10.0.0.12",
    ],
  ])("warns of %s", (_what, change, expected) => {
    const facts = healthy();
    change(facts);
    const findings = found(facts);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/^warn /);
    expect(findings[0]).toContain(expected);
  });

  it("hears its own advertisements without alarm, and a router in between when no address moves", () => {
    const facts = healthy();
    facts.a.pair = { ...facts.a.pair, vrrp: [{ source: "10.0.0.12", virtualRouterId: 51 }], routed: true };
    expect(found(facts, configured({ vip: { mode: "hook", command: ["/usr/local/bin/move-ip"] } }))).toEqual([]);
  });

  it("takes a MySQL in again that was a member before a destroy", () => {
    const facts = healthy();
    facts.b.general = general(facts.b.general, { createdData: ["mysql"] });
    facts.b.pair = { ...facts.b.pair, wasMember: true };
    expect(found(facts)).toEqual([]);
  });

  it("says in the preview what it means, with and without a witness", () => {
    expect(reportPair(configured()).join("\n")).toContain("Any one of the three may fail");
    expect(reportPair(configured()).join("\n")).toContain("MinIO turns versioning on in every bucket, for good");
    const none = reportPair(configured({ witness: { mode: "none", policy: "availability" } })).join("\n");
    expect(none).toContain("No third vote, policy availability");
  });
});
