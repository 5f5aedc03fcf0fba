import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { EtcdClient, EtcdRefusal } from "../../agent/edges/etcd/client.ts";
import { EtcdVotes } from "../../agent/edges/etcd/votes.ts";

interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly token: string | undefined;
}

type Answer = { readonly status?: number; readonly body: unknown } | "silence";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** A member that answers as it is told. */
async function member(answer: (asked: Asked) => Answer): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      const one = { path: request.url ?? "", body: JSON.parse(text), token: request.headers.authorization };
      asked.push(one);
      const result = answer(one);
      if (result === "silence") return;
      response.writeHead(result.status ?? 200).end(JSON.stringify(result.body));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const header = { cluster_id: "14841639068965178418", revision: "12" };
const good = () => ({ body: { header, succeeded: true } });

describe("etcd's client", () => {
  it("reads keys, values and 64 bit ids as they are", async () => {
    const { url, asked } = await member(() => ({
      body: {
        header,
        kvs: [
          {
            key: base64("/im/leader"),
            value: base64("a"),
            create_revision: "7",
            mod_revision: "7",
            lease: "7587869854123",
          },
          {
            key: base64("/im/sync-set"),
            value: base64('{"epoch":3,"members":[]}'),
            create_revision: "2",
            mod_revision: "9",
          },
        ],
      },
    }));
    const votes = await new EtcdVotes(new EtcdClient([url], {}), "/im/", 4).read(1000);
    expect(votes).toMatchObject({
      clusterId: "14841639068965178418",
      revision: 12,
      leader: { server: "a", createRevision: 7, leaseId: "7587869854123" },
      syncSet: { epoch: 3, modRevision: 9 },
      maintenance: false,
    });
    // Linearizable is the default; "serializable" would read one member's memory.
    expect(asked[0]?.body).toEqual({ key: base64("/im/"), range_end: base64("/im0") });
  });

  it("takes the leader's key only while it does not exist", async () => {
    const { url, asked } = await member(good);
    expect(await new EtcdVotes(new EtcdClient([url], {}), "/im/", 4).takeLeader("a", "5", 1000)).toBe(true);
    expect(asked[0]?.body["compare"]).toEqual([{ target: "CREATE", key: base64("/im/leader"), create_revision: "0" }]);
  });

  it("says which comparison failed by changing nothing", async () => {
    const { url } = await member(() => ({ body: { header } }));
    expect(await new EtcdClient([url], {}).transact([{ key: "k", modRevision: 3 }], [], 1000)).toBeUndefined();
  });

  it("logs in, and again when the token has ended", async () => {
    let tokens = 0;
    const { url, asked } = await member(({ path, token }) => {
      if (path === "/v3/auth/authenticate") {
        tokens += 1;
        return { body: { token: `token-${tokens}` } };
      }
      return token === "token-2" ? good() : { status: 401, body: { error: "etcdserver: invalid auth token" } };
    });
    const client = new EtcdClient([url], {}, () => ({ user: "im-agent", password: "secret" }));
    expect(await client.transact([], [], 1000)).toBe(12);
    expect(asked.map(({ path }) => path)).toEqual([
      "/v3/auth/authenticate",
      "/v3/kv/txn",
      "/v3/auth/authenticate",
      "/v3/kv/txn",
    ]);
  });

  it("asks the next member for a read, and never sends a change twice", async () => {
    const silent = await member(() => "silence");
    const other = await member(good);
    const client = new EtcdClient([silent.url, other.url], {});
    expect((await client.readPrefix("/im/", 600)).header.revision).toBe(12);
    expect(other.asked.length).toBe(1);

    const again = new EtcdClient([silent.url, other.url], {});
    await expect(again.transact([], [], 200)).rejects.not.toBeInstanceOf(EtcdRefusal);
    expect(other.asked.length).toBe(1);
  });

  it("asks the next member when one does not listen: it cannot have heard", async () => {
    const other = await member(good);
    expect(await new EtcdClient(["http://127.0.0.1:1", other.url], {}).transact([], [], 1000)).toBe(12);
  });

  it("tells a no from an unknown outcome", async () => {
    const no = await member(() => ({ status: 400, body: { error: "etcdserver: requested lease not found" } }));
    await expect(new EtcdClient([no.url], {}).transact([], [], 1000)).rejects.toBeInstanceOf(EtcdRefusal);
    const unknown = await member(() => ({ status: 503, body: { error: "etcdserver: request timed out" } }));
    await expect(new EtcdClient([unknown.url], {}).transact([], [], 1000)).rejects.not.toBeInstanceOf(EtcdRefusal);
  });

  it("knows an ended lease", async () => {
    const { url } = await member(() => ({ body: { result: { header, ID: "5" } } }));
    expect(await new EtcdClient([url], {}).keepLease("5", 1000)).toBe(false);
    const { url: alive } = await member(() => ({ body: { result: { header, ID: "5", TTL: "4" } } }));
    expect(await new EtcdClient([alive], {}).keepLease("5", 1000)).toBe(true);
  });
});
