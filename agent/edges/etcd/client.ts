import type { AgentOptions } from "node:https";
import { HttpClient } from "../http-client.ts";

/**
 * etcd's version 3 API over the JSON gateway that every member serves beside gRPC: a handful of calls, and no gRPC library in a program
 * that must survive everything. 64 bit numbers are strings there.
 */

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");

export interface EtcdHeader {
  readonly clusterId: string;
  readonly revision: number;
}

export interface EtcdPair {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** "0" without one. */
  readonly lease: string;
}

export type EtcdCompare =
  /** 0: the key does not exist. */
  { readonly key: string; readonly createRevision: number } | { readonly key: string; readonly modRevision: number };

export type EtcdChange =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string };

/** etcd answered, and said no. Everything else that is thrown leaves the outcome open. */
export class EtcdRefusal extends Error {
  override name = "EtcdRefusal";
}

export interface EtcdAccount {
  readonly user: string;
  readonly password: string;
}

interface Answer {
  readonly header?: { readonly cluster_id?: string; readonly revision?: string };
  readonly [field: string]: unknown;
}

export class EtcdClient {
  readonly #members: readonly HttpClient[];
  readonly #account: (() => EtcdAccount) | undefined;
  #preferred = 0;
  #token: string | undefined;

  constructor(endpoints: readonly string[], tls: AgentOptions, account?: () => EtcdAccount) {
    this.#members = endpoints.map((endpoint) => HttpClient.url(endpoint, tls));
    this.#account = account;
  }

  /** All keys with this prefix, read linearizably: from a majority, not from one member's memory. */
  async readPrefix(prefix: string, timeout: number): Promise<{ header: EtcdHeader; pairs: readonly EtcdPair[] }> {
    const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
    const answer = await this.#read("/v3/kv/range", { key: base64(prefix), range_end: base64(end) }, timeout);
    const pairs = ((answer["kvs"] ?? []) as Readonly<Record<string, string>>[]).map((pair) => ({
      key: Buffer.from(pair["key"] ?? "", "base64").toString("utf8"),
      value: Buffer.from(pair["value"] ?? "", "base64").toString("utf8"),
      createRevision: Number(pair["create_revision"]),
      modRevision: Number(pair["mod_revision"]),
      lease: pair["lease"] ?? "0",
    }));
    return { header: headerOf(answer), pairs };
  }

  /** @returns the revision at which the changes were made; undefined when a comparison did not hold, and nothing was changed. */
  async transact(
    compare: readonly EtcdCompare[],
    changes: readonly EtcdChange[],
    timeout: number,
  ): Promise<number | undefined> {
    const answer = await this.#change(
      "/v3/kv/txn",
      {
        compare: compare.map((one) =>
          "createRevision" in one
            ? { target: "CREATE", key: base64(one.key), create_revision: String(one.createRevision) }
            : { target: "MOD", key: base64(one.key), mod_revision: String(one.modRevision) },
        ),
        success: changes.map((change) =>
          "put" in change
            ? {
                request_put: {
                  key: base64(change.put),
                  value: base64(change.value),
                  ...(change.lease === undefined ? {} : { lease: change.lease }),
                },
              }
            : { request_delete_range: { key: base64(change.delete) } },
        ),
      },
      timeout,
    );
    return answer["succeeded"] === true ? headerOf(answer).revision : undefined;
  }

  /** @returns its id. */
  async grantLease(seconds: number, timeout: number): Promise<string> {
    const answer = await this.#change("/v3/lease/grant", { TTL: String(seconds) }, timeout);
    const id = answer["ID"];
    if (typeof id !== "string" || id === "0") throw new Error("etcd granted no lease");
    return id;
  }

  /** @returns false when the lease has ended. */
  async keepLease(id: string, timeout: number): Promise<boolean> {
    const answer = await this.#read("/v3/lease/keepalive", { ID: id }, timeout);
    // A stream of one: the gateway wraps it.
    const result = (answer["result"] ?? answer) as { readonly TTL?: string };
    return Number(result.TTL ?? 0) > 0;
  }

  async revokeLease(id: string, timeout: number): Promise<void> {
    try {
      await this.#change("/v3/lease/revoke", { ID: id }, timeout);
    } catch (error) {
      // It ended by itself: what was wanted.
      if (!(error instanceof EtcdRefusal) || !error.message.includes("lease not found")) throw error;
    }
  }

  /** Asks one member after the other: what reads may be asked again. The first gets half of the time, the next half of what is left. */
  async #read(path: string, body: object, timeout: number): Promise<Answer> {
    const end = performance.now() + timeout;
    let last: unknown;
    for (let tried = 0; tried < this.#members.length; tried++) {
      const left = end - performance.now();
      if (left < 20) break;
      const isLast = tried === this.#members.length - 1;
      try {
        return await this.#ask(path, body, isLast ? left : left / 2);
      } catch (error) {
        if (error instanceof EtcdRefusal) throw error;
        last = error;
        this.#preferred = (this.#preferred + 1) % this.#members.length;
      }
    }
    throw last ?? new Error("etcd: no time left");
  }

  /**
   * Asks once. A change whose answer is lost may have been made, or may yet be: sending it again could make it twice. A member that
   * refuses the connection has not heard of it, so the next one may be asked.
   */
  async #change(path: string, body: object, timeout: number): Promise<Answer> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#ask(path, body, timeout);
      } catch (error) {
        if (error instanceof EtcdRefusal) throw error;
        this.#preferred = (this.#preferred + 1) % this.#members.length;
        if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED" || tried >= this.#members.length) throw error;
      }
    }
  }

  async #ask(path: string, body: object, timeout: number): Promise<Answer> {
    const end = performance.now() + timeout;
    for (let tried = 1; ; tried++) {
      if (this.#account !== undefined && this.#token === undefined) await this.#logIn(end - performance.now());
      const { status, text } = await this.#member.ask(path, {
        method: "POST",
        body,
        timeout: Math.max(1, Math.round(end - performance.now())),
        ...(this.#token === undefined ? {} : { headers: { authorization: this.#token } }),
      });
      if (status === 200) return JSON.parse(text.trim().split("\n")[0] ?? "{}") as Answer;
      // Tokens end after minutes without use, and with every restart of a member. Nothing was carried out.
      if (
        tried === 1 &&
        this.#account !== undefined &&
        /invalid auth token|auth: revision|user name is empty/.test(text)
      ) {
        this.#token = undefined;
        continue;
      }
      if (/etcdserver: (request timed out|no leader|leader changed|not capable|too many requests)|context/.test(text)) {
        throw new Error(`etcd ${path}: ${messageIn(text)}`);
      }
      throw new EtcdRefusal(`etcd ${path}: ${status} ${messageIn(text)}`);
    }
  }

  async #logIn(timeout: number): Promise<void> {
    const account = this.#account?.();
    if (account === undefined) return;
    const { status, text } = await this.#member.ask("/v3/auth/authenticate", {
      method: "POST",
      body: { name: account.user, password: account.password },
      timeout: Math.max(1, Math.round(timeout)),
    });
    if (status !== 200) throw new EtcdRefusal(`etcd refuses ${account.user}: ${messageIn(text)}`);
    this.#token = (JSON.parse(text) as { token?: string }).token;
  }

  get #member(): HttpClient {
    return this.#members[this.#preferred] as HttpClient;
  }
}

function headerOf(answer: Answer): EtcdHeader {
  const { cluster_id: clusterId, revision } = answer.header ?? {};
  if (clusterId === undefined || revision === undefined) throw new Error("etcd answered without a header");
  return { clusterId, revision: Number(revision) };
}

function messageIn(text: string): string {
  try {
    const { error, message } = JSON.parse(text) as { error?: string | { message?: string }; message?: string };
    return String(typeof error === "object" ? error.message : (error ?? message ?? text)).slice(0, 300);
  } catch {
    return text.trim().slice(0, 300);
  }
}
