import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { EtcdVotes } from "../../agent/edges/etcd/votes.ts";
import { Lease } from "../../agent/edges/lease.ts";
import { Records } from "../../agent/edges/records.ts";
import type { Votes } from "../../agent/view.ts";

const votesWith = (leader: Votes["leader"]): Votes => ({
  clusterId: "1",
  revision: 1,
  leader,
  syncSet: undefined,
  handover: undefined,
  maintenance: false,
  resumedAt: undefined,
});

let folder: string;
let records: Records;
let revoked: string[];
let takes: () => Promise<boolean>;
let keeps: () => Promise<boolean>;
let lease: Lease;

const fakeVotes = {
  grant: async () => "17",
  renew: async () => await keeps(),
  revoke: async (id: string) => {
    revoked.push(id);
  },
  takeLeader: async () => await takes(),
} as unknown as EtcdVotes;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "im-lease-"));
  records = new Records(join(folder, "state"), join(folder, "run"));
  await records.load();
  revoked = [];
  takes = async () => true;
  keeps = async () => true;
  lease = new Lease(fakeVotes, records, "a", 4);
});

describe("the lease", () => {
  it("is held when the leader's key was taken with it, and lies in /run", async () => {
    expect(await lease.take(100)).toBe(true);
    expect(lease.held).toMatchObject({ id: "17" });
    expect(lease.held?.remaining).toBeGreaterThan(3000);
    expect(readFileSync(join(folder, "run", "lease"), "utf8")).toBe("17");
  });

  it("is given back when somebody else was first", async () => {
    takes = async () => false;
    expect(await lease.take(100)).toBe(false);
    expect(lease.held).toBeUndefined();
    expect(revoked).toEqual(["17"]);
  });

  it("whose answer was lost counts only after a read has shown it", async () => {
    takes = async () => {
      throw new Error("no answer");
    };
    await expect(lease.take(100)).rejects.toThrow("no answer");
    expect(lease.held).toBeUndefined();
    await lease.compare(votesWith({ server: "a", createRevision: 3, leaseId: "17" }));
    expect(lease.held?.id).toBe("17");
  });

  it("whose answer was lost is made void when the key is somebody else's: the request may still be on its way", async () => {
    takes = async () => {
      throw new Error("no answer");
    };
    await expect(lease.take(100)).rejects.toThrow();
    await lease.compare(votesWith({ server: "b", createRevision: 3, leaseId: "4" }));
    expect(lease.held).toBeUndefined();
    expect(revoked).toEqual(["17"]);
  });

  it("of the last run is gone on with", async () => {
    await lease.take(100);
    const next = new Lease(fakeVotes, records, "a", 4);
    await next.resume();
    expect(next.held).toBeUndefined();
    await next.renew(100);
    await next.compare(votesWith({ server: "a", createRevision: 3, leaseId: "17" }));
    expect(next.held?.remaining).toBeGreaterThan(3000);
  });

  it("that ended is nobody's", async () => {
    await lease.take(100);
    keeps = async () => false;
    const next = new Lease(fakeVotes, records, "a", 4);
    await next.resume();
    await next.renew(100);
    await next.compare(votesWith({ server: "a", createRevision: 3, leaseId: "17" }));
    expect(next.held).toBeUndefined();
    expect(await records.readLease()).toBeUndefined();
  });
});
