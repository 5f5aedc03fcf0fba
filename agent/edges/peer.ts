import type { AgentOptions } from "node:https";
import { hostPort } from "../../lib/host-port.ts";
import type { AgentConfiguration } from "../configuration.ts";
import { GtidSet } from "../gtid-set.ts";
import type { Database, PeerAnswer } from "../view.ts";
import { HttpClient } from "./http-client.ts";

/** GTID sets as MySQL prints them; all else is JSON already. */
export function writePeerAnswer(answer: PeerAnswer): string {
  return JSON.stringify(answer, (_key, value) => (value instanceof GtidSet ? value.toString() : value));
}

/** @throws Error when it is not an answer. */
export function readPeerAnswer(text: string): PeerAnswer {
  const answer = JSON.parse(text) as PeerAnswer;
  if (typeof answer.cloning !== "boolean" || typeof answer.epoch !== "number") {
    throw new Error("the peer answered something else");
  }
  return { ...answer, database: answer.database === undefined ? undefined : readDatabase(answer.database) };
}

function readDatabase(database: Database): Database {
  const parse = (set: unknown) => GtidSet.parse(set as string);
  const { replication } = database;
  return {
    ...database,
    executed: parse(database.executed),
    replication: replication === undefined ? undefined : { ...replication, received: parse(replication.received) },
  };
}

/** The other controller, over TLS with certificates of our CA on both sides. */
export class Peer {
  readonly #client: HttpClient;

  constructor(configuration: AgentConfiguration, tls: AgentOptions) {
    this.#client = HttpClient.url(`https://${hostPort(configuration.peer.address, configuration.http.peerPort)}`, tls);
  }

  async ask(timeout: number): Promise<PeerAnswer> {
    const { status, text } = await this.#client.ask("/peer", { timeout });
    if (status !== 200) throw new Error(`the peer answered ${status}`);
    return readPeerAnswer(text);
  }

  /** "Look now": saves the other server the rest of its pause. Whether it heard does not matter. */
  nudge(): void {
    void this.#client.ask("/peer/nudge", { method: "POST", timeout: 500 }).catch(() => undefined);
  }
}
