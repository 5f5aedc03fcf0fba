import { timingSafeEqual } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { dirname, join } from "node:path";
import type { TLSSocket } from "node:tls";
import { z } from "zod";
import { messageOf, OperatorError } from "../../lib/errors.ts";
import { readSecret } from "../configuration.ts";
import type { Controller } from "../controller.ts";
import { writePeerAnswer } from "../edges/peer.ts";
import type { Wish } from "../requests.ts";
import { renderMetrics } from "./metrics.ts";
import { statusOf } from "./status.ts";

/**
 * The controller's HTTP. The paths and their 200 or 503 are those that load balancers and people know from Patroni:
 * `/primary` (`/leader`, `/read-write`), `/replica`, `/read-only`, `/health`, `/liveness`, `/metrics`; `/redis` says who leads for Redis,
 * `/status` is everything as JSON. `/peer` is for the other controller. Changes are POSTs, each with a JSON object.
 */

/** Whence a request comes. "host" is the unix socket, which only root opens. */
type Origin = "host" | "local" | "network";

/** Where `im-ha` reaches the controller of its own server. */
export const controlSocket = (runtimeDirectory: string) => join(runtimeDirectory, "control.sock");

const changes = {
  "/switchover": z
    .strictObject({ to: z.enum(["a", "b"]) })
    .transform((value): Wish => ({ kind: "switchover", ...value })),
  "/maintenance": z.strictObject({}).transform((): Wish => ({ kind: "maintenance" })),
  "/resume": z.strictObject({}).transform((): Wish => ({ kind: "resume" })),
  "/degrade": z.strictObject({ peerIsOff: z.boolean() }).transform((value): Wish => ({ kind: "degrade", ...value })),
  "/promote": z.strictObject({ acceptDataLoss: z.literal(true) }).transform((): Wish => ({ kind: "promote" })),
  "/reinit": z.strictObject({ leader: z.enum(["a", "b"]) }),
} as const;

/** Longer than any decision takes: what is not answered by then is not known to be done. */
const changeTimeout = 60_000;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

const json = (status: number, value: unknown): Answer => ({
  status,
  body: `${JSON.stringify(value)}\n`,
  type: "application/json",
});

export class ControllerHttp {
  readonly #controller: Controller;
  readonly #servers: Server[] = [];

  constructor(controller: Controller) {
    this.#controller = controller;
  }

  /** @throws Error when a port is taken. */
  async start(): Promise<void> {
    const { http, server, paths } = this.#controller.configuration;
    const tls = createTlsServer(
      {
        ca: readFileSync(http.tls.certificateAuthority),
        cert: readFileSync(http.tls.certificate),
        key: readFileSync(http.tls.key),
        // Asked for and not insisted on: Prometheus and load balancers have none. /peer insists.
        requestCert: true,
        rejectUnauthorized: false,
      },
      this.#listener("network"),
    );
    const socket = controlSocket(paths.runtime);
    mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
    rmSync(socket, { force: true });
    await this.#listen(tls, { host: http.address ?? server.address, port: http.port });
    await this.#listen(createServer(this.#listener("local")), { host: "127.0.0.1", port: http.localPort });
    await this.#listen(createServer(this.#listener("host")), { path: socket });
    chmodSync(socket, 0o600);
  }

  async end(): Promise<void> {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
    // A request that trickles in must not hold a connection for minutes.
    server.requestTimeout = 10_000;
    server.headersTimeout = 5000;
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, () => resolve());
    });
    // What goes wrong later goes wrong with one connection.
    server.on("error", () => undefined);
  }

  #listener(origin: Origin): RequestListener {
    return (request, response) => {
      this.#answer(request, origin)
        .catch((error: unknown): Answer => json(500, { error: messageOf(error) }))
        .then((answer) => send(response, request, answer))
        .catch(() => response.destroy());
    };
  }

  async #answer(request: IncomingMessage, origin: Origin): Promise<Answer> {
    const { pathname } = new URL(request.url ?? "/", "http://controller");
    if (request.method === "POST") return await this.#change(request, pathname, origin);
    if (request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS") {
      return json(405, { error: `${request.method} is not answered here` });
    }
    // A restart must not look like a demotion to who asks in the middle of it. The peer's question may not wait for its own answer.
    if (pathname !== "/peer") await this.#controller.ready();
    const { role, redis } = this.#controller.published;
    const is = (condition: boolean) =>
      json(condition ? 200 : 503, { server: this.#controller.configuration.server.name, role });
    switch (pathname) {
      case "/":
      case "/primary":
      case "/leader":
      case "/read-write":
        return is(role === "leader");
      case "/replica":
        return is(role === "replica");
      case "/read-only":
        return is(role !== "none");
      case "/redis":
        return is(redis === "leader");
      case "/liveness":
        return is(this.#isAlive);
      case "/health":
        return is(this.#isAlive && typeof this.#controller.state.view?.database === "object");
      case "/metrics":
        return { status: 200, body: renderMetrics(this.#controller), type: "text/plain; version=0.0.4" };
      case "/status":
        return json(200, statusOf(this.#controller));
      case "/peer":
        if (!isPeer(request, origin)) return json(403, { error: "only for the other controller" });
        return { status: 200, body: writePeerAnswer(await this.#controller.answerPeer()), type: "application/json" };
      default:
        return json(404, { error: `there is nothing at ${pathname}` });
    }
  }

  /** A loop that hangs answers HTTP all the same: the age of its last look tells. */
  get #isAlive(): boolean {
    return this.#controller.lookAge < 10_000;
  }

  async #change(request: IncomingMessage, pathname: string, origin: Origin): Promise<Answer> {
    if (pathname === "/peer/nudge") {
      if (!isPeer(request, origin)) return json(403, { error: "only for the other controller" });
      this.#controller.wake();
      return json(200, {});
    }
    if (!(pathname in changes)) return json(404, { error: `there is nothing at ${pathname}` });
    if (origin !== "host" && !this.#hasToken(request)) {
      return json(403, { error: "changes come from im-ha on this server, or with a token" });
    }
    const text = await readBody(request);
    const parsed = changes[pathname as keyof typeof changes].safeParse(text === "" ? {} : JSON.parse(text));
    if (!parsed.success) return json(400, { error: z.prettifyError(parsed.error) });
    let wish: Wish;
    if ("leader" in parsed.data) {
      const { name } = this.#controller.configuration.server;
      if (parsed.data.leader !== name) {
        return json(409, {
          error: `this is server ${name}: type it on server ${parsed.data.leader}, which has the data`,
        });
      }
      wish = { kind: "reinit" };
    } else {
      wish = parsed.data;
    }
    this.#controller.events.note("asked", {
      ...wish,
      from: origin === "host" ? "this server" : (request.socket.remoteAddress ?? ""),
    });
    const outcome = await this.#controller.requests.ask(wish, changeTimeout);
    this.#controller.events.note("answered", { kind: wish.kind, ...outcome });
    return json(outcome.outcome === "done" ? 200 : outcome.outcome === "refused" ? 409 : 504, outcome);
  }

  #hasToken(request: IncomingMessage): boolean {
    const { tokenFile } = this.#controller.configuration.http;
    if (tokenFile === undefined) return false;
    try {
      const wanted = Buffer.from(`Bearer ${readSecret(tokenFile)}`);
      const shown = Buffer.from(request.headers.authorization ?? "");
      return shown.length === wanted.length && timingSafeEqual(shown, wanted);
    } catch (error) {
      if (error instanceof OperatorError) return false;
      throw error;
    }
  }
}

function isPeer(request: IncomingMessage, origin: Origin): boolean {
  return origin === "host" || (origin === "network" && (request.socket as TLSSocket).authorized);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 10_000) throw new Error("the request is too long");
  }
  return text;
}

function send(response: ServerResponse, request: IncomingMessage, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.type ?? "text/plain",
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}
