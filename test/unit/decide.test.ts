import { describe, expect, it } from "vitest";
import { decide } from "../../agent/decide.ts";
import { GtidSet } from "../../agent/gtid-set.ts";
import type { Database, PairFile, PeerAnswer, Redis, Replication, SyncSet, View, Votes } from "../../agent/view.ts";

/** A leads, B follows and is a member; all is well. Seen from A. */
const executed = GtidSet.prefixes({ a: 10 });
const semiSync = { enabled: true, active: true, clients: 1 };
const own: Database = {
  instance: "a1",
  data: "da",
  writable: true,
  semiSync,
  executed,
  replication: undefined,
  oldestWaitMilliseconds: 0,
};
const following: Replication = {
  source: "a",
  receiver: "connected",
  applier: "running",
  received: executed,
  lagMilliseconds: 0,
};
const replica: Database = {
  ...own,
  instance: "b1",
  data: "db",
  writable: false,
  semiSync: { enabled: false, active: false, clients: 0 },
  replication: following,
};
const syncSet: SyncSet = {
  members: [
    { server: "a", instance: "a1" },
    { server: "b", instance: "b1" },
  ],
  epoch: 5,
  lastLeader: { server: "a", data: "da" },
  leaderRevision: 40,
  modRevision: 42,
  moves: [],
  vouchedFor: undefined,
  acceptedLoss: undefined,
};
const votes: Votes = {
  clusterId: "c",
  revision: 50,
  leader: { server: "a", createRevision: 40, leaseId: "l" },
  syncSet,
  handover: undefined,
  maintenance: false,
  resumedAt: undefined,
};
const redis: Redis = { run: "r1", assigned: "leader", source: undefined, link: "down", complete: true, isEmpty: false };
const file: PairFile = { syncSet, lead: "held", handover: undefined, maintenance: false, resumedAt: undefined };
const peerAnswer: PeerAnswer = {
  database: replica,
  cloning: false,
  epoch: 5,
  leader: "a",
  withdrawn: undefined,
  redis: { ...redis, run: "r2", assigned: "replica", source: "a", link: "up" },
  backend: "healthy",
  pairFile: file,
};
const hour = 3_600_000;
const now = 1_000 * hour;
const fromA: View = {
  me: "a",
  peer: "b",
  votes,
  votesAwayFor: 0,
  lastSyncSet: syncSet,
  lease: { id: "l", remaining: 3000 },
  database: own,
  databaseAwayFor: 0,
  peerAnswer,
  peerSilentFor: 0,
  promotingFor: 0,
  leaderlessFor: 0,
  record: { clusterId: "c", highestRevision: 50, epoch: 5, cloning: false, setRevision: 42, withdrawn: undefined },
  memory: { joinSample: undefined, aloneAt: undefined },
  now,
  pair: undefined,
  redis,
  redisNotLeadingFor: 0,
  backend: "healthy",
  backendDownFor: 0,
  request: undefined,
  peerLastExecuted: executed,
};
const fromB: View = {
  ...fromA,
  me: "b",
  peer: "a",
  lease: undefined,
  database: replica,
  peerAnswer: { ...peerAnswer, database: own, redis },
  redis: { ...redis, run: "r2", assigned: "replica", source: "a", link: "up" },
};
const free: Votes = { ...votes, leader: undefined };
const action = (view: View) => decide(view).action;

describe("when all is well", () => {
  it("nothing is done, on either side", () => {
    expect(decide(fromA)).toMatchObject({ action: { kind: "wait" }, role: "leader", redis: { role: "leader" } });
    expect(decide(fromB)).toMatchObject({ action: { kind: "wait" }, role: "replica", redis: { role: "replica" } });
  });
});

describe("a suite that was never set up as a pair", () => {
  it("is left open, and is not published, while etcd is away", () => {
    const view: View = { ...fromA, votes: "away", lastSyncSet: undefined, record: { ...fromA.record, epoch: 0 } };
    expect(decide(view)).toMatchObject({ action: { kind: "wait" }, role: "none" });
    // The same server once it is one of a pair.
    expect(action({ ...view, lease: undefined, peerAnswer: "silent", record: fromA.record }).kind).toBe("fence");
  });

  it("begins with reinit on the server that has the data", () => {
    const view: View = {
      ...fromA,
      votes: { ...free, syncSet: undefined },
      record: { ...fromA.record, epoch: 0, setRevision: 0 },
      peerAnswer: "silent",
      request: { id: "q", kind: "reinit" },
    };
    expect(action(view)).toMatchObject({
      kind: "reinit",
      id: "q",
      record: { epoch: 1, members: [{ server: "a", instance: "a1" }], ifModRevision: 0, vouchedFor: "c" },
    });
  });
});

describe("how often the lead moves", () => {
  const moves = [1, 2, 3].map((minutes) => ({ at: now - minutes * 60_000, planned: false }));
  const seen = (set: Partial<SyncSet>, resumedAt?: number): View => ({
    ...fromB,
    votes: { ...free, resumedAt, syncSet: { ...syncSet, ...set } },
    peerAnswer: "silent",
  });

  it("three times an hour, and then nobody is promoted until somebody has looked", () => {
    expect(action(seen({ moves: moves.slice(1) })).kind).toBe("take-lease");
    expect(decide(seen({ moves })).because).toContain("im-ha resume");
    expect(action(seen({ moves })).kind).toBe("wait");
    expect(action(seen({ moves }, now - 1)).kind).toBe("take-lease");
  });

  it("moves of the last hour count, also those of a clock that ran ahead", () => {
    expect(action(seen({ moves: moves.map((move) => ({ ...move, at: now - hour })) })).kind).toBe("take-lease");
    expect(action(seen({ moves: moves.map((move) => ({ ...move, at: now + hour / 2 })) })).kind).toBe("wait");
  });

  it("does not hinder the server that led last", () => {
    const set = { ...syncSet, moves, lastLeader: { server: "b" as const, data: "db" } };
    expect(action({ ...fromB, votes: { ...free, syncSet: set }, peerAnswer: "silent" }).kind).toBe("take-lease");
  });
});

describe("a backend that is down", () => {
  const down: View = { ...fromA, backend: "down", backendDownFor: 15_000 };

  it("moves the lead after 15 s, when the other's is healthy", () => {
    expect(action(down)).toMatchObject({ kind: "request-handover", to: "b" });
    expect(action({ ...down, backendDownFor: 14_999 }).kind).toBe("wait");
    expect(action({ ...down, peerAnswer: { ...peerAnswer, backend: "unknown" } }).kind).toBe("wait");
  });

  it("does not during maintenance, nor soon after another move", () => {
    expect(action({ ...down, votes: { ...votes, maintenance: true } }).kind).toBe("wait");
    const moves = [{ at: now - 599_000, planned: true }];
    expect(action({ ...down, votes: { ...votes, syncSet: { ...syncSet, moves } } }).kind).toBe("wait");
  });
});

describe("what an operator types", () => {
  it("promote is refused while the other server answers, and records what is missing when it does not", () => {
    const lost: View = {
      ...fromB,
      votes: { ...votes, leader: undefined, syncSet: { ...syncSet, members: syncSet.members.slice(0, 1) } },
      request: { id: "q", kind: "promote" },
    };
    expect(action(lost)).toMatchObject({ kind: "finish-request", outcome: "refused" });
    expect(action({ ...lost, peerAnswer: "silent" }).kind).toBe("take-lease");
    expect(
      action({
        ...lost,
        votes: { ...(lost.votes as Votes), leader: { server: "b", createRevision: 60, leaseId: "m" } },
        lease: { id: "m", remaining: 3000 },
        peerAnswer: "silent",
        database: { ...replica, replication: undefined },
        peerLastExecuted: GtidSet.prefixes({ a: 12 }),
      }),
    ).toMatchObject({ kind: "record-sync-set", epoch: 6, acceptedLoss: "a:11-12" });
  });

  it("a switchover is asked of the leader, and not of a pair that is not whole", () => {
    const wish = { id: "q", kind: "switchover", to: "b" } as const;
    expect(action({ ...fromA, request: wish })).toMatchObject({ kind: "request-handover", to: "b" });
    expect(action({ ...fromB, request: wish })).toMatchObject({ kind: "finish-request", outcome: "refused" });
    const behind = { ...peerAnswer, redis: { ...(peerAnswer.redis as Redis), link: "syncing" as const } };
    expect(action({ ...fromA, request: wish, peerAnswer: behind })).toMatchObject({ outcome: "refused" });
  });

  it("degrade on the leader is refused while the other server answers", () => {
    const wish = { id: "q", kind: "degrade", peerIsOff: true } as const;
    expect(action({ ...fromA, request: wish })).toMatchObject({ kind: "finish-request", outcome: "refused" });
    expect(action({ ...fromA, request: wish, peerAnswer: "silent" })).toMatchObject({
      kind: "record-sync-set",
      members: [{ server: "a" }],
    });
  });
});

describe("without a witness", () => {
  const pairOf = (view: View, policy: "failover" | "availability", changes: Partial<PairFile> = {}): View => ({
    ...view,
    votes: "away",
    pair: { policy, file: { ...file, ...changes } },
  });
  const gone: Partial<View> = { peerAnswer: "silent", peerSilentFor: 60_000 };
  const cutOff: Database = { ...replica, replication: { ...following, receiver: "connecting" } };
  const waits: Database = { ...own, oldestWaitMilliseconds: 60_000 };

  it("failover: the replica takes over, and a leader that hears nothing stops", () => {
    expect(action(pairOf({ ...fromB, ...gone, database: cutOff }, "failover")).kind).toBe("stop-receiver");
    expect(action(pairOf({ ...fromA, ...gone, database: waits }, "failover")).kind).toBe("fence");
  });

  it("availability: the replica never takes over by itself, and the leader goes on alone", () => {
    expect(action(pairOf({ ...fromB, ...gone, database: cutOff }, "availability")).kind).toBe("wait");
    expect(action(pairOf({ ...fromA, ...gone, database: waits }, "availability"))).toMatchObject({
      kind: "write-pair-file",
      file: { syncSet: { members: [{ server: "a", instance: "a1" }], modRevision: 43 } },
      ifModRevision: 42,
    });
  });

  it("a receiver that is connected to a leader without a controller is no reason to take over", () => {
    expect(action(pairOf({ ...fromB, ...gone }, "failover")).kind).toBe("wait");
  });

  it("the leader goes on alone when the replica itself withdrew", () => {
    const withdrawn = { instance: "b1", planned: true };
    const view: View = { ...fromA, peerAnswer: { ...peerAnswer, withdrawn } };
    expect(action(pairOf(view, "failover"))).toMatchObject({ file: { syncSet: { members: [{ server: "a" }] } } });
    const asReplica: View = { ...fromB, ...gone, database: cutOff, record: { ...fromB.record, withdrawn } };
    expect(action(pairOf(asReplica, "failover")).kind).toBe("wait");
  });

  it("the newer record is copied before anything else", () => {
    const newer: PairFile = { ...file, syncSet: { ...syncSet, epoch: 6, modRevision: 1 } };
    const view: View = { ...fromA, peerAnswer: { ...peerAnswer, pairFile: newer } };
    expect(action(pairOf(view, "failover"))).toMatchObject({ kind: "write-pair-file", file: newer });
  });
});

describe("Redis", () => {
  const redisOf = (view: View) => decide(view).redis.action.kind;
  const back: Redis = { ...redis, run: "r9", assigned: undefined };

  it("that came back empty waits until the other keeps its copy, then copies it back, then leads", () => {
    const empty: Redis = { ...back, isEmpty: true };
    expect(redisOf({ ...fromA, redis: empty })).toBe("wait");
    expect(redisOf({ ...fromB, peerAnswer: { ...(fromB.peerAnswer as PeerAnswer), redis: empty } })).toBe(
      "detach-redis",
    );
    const kept: PeerAnswer = { ...peerAnswer, redis: { ...(peerAnswer.redis as Redis), assigned: "detached" } };
    expect(redisOf({ ...fromA, redis: empty, peerAnswer: kept })).toBe("follow-redis");
    expect(redisOf({ ...fromA, redis: empty, redisNotLeadingFor: 15_000 })).toBe("lead-redis");
  });

  it("with a copy that was cut off in the middle goes back to its file, and serves nobody before", () => {
    const torn: Redis = { ...redis, assigned: "replica", source: "b", complete: false };
    expect(decide({ ...fromA, redis: torn }).redis).toMatchObject({ action: { kind: "reload-redis" }, role: "none" });
  });

  it("that is down hinders no promotion", () => {
    expect(action({ ...fromB, votes: free, peerAnswer: "silent", redis: "down" }).kind).toBe("take-lease");
  });
});
