import { type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { type AgentOptions, Agent as TlsAgent, request as tlsRequest } from "node:https";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

export interface HttpRequest {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole exchange. A paused host accepts a connection and then says nothing: only the answer counts. */
  readonly timeout: number;
}

/** Asks one service, over TCP, TLS or a unix socket. Connections are kept: a handshake in the middle of a failover costs time. */
export class HttpClient {
  readonly #options: RequestOptions;
  readonly #isTls: boolean;

  private constructor(options: RequestOptions, isTls: boolean) {
    this.#options = options;
    this.#isTls = isTls;
  }

  static unix(socketPath: string): HttpClient {
    return new HttpClient({ socketPath }, false);
  }

  static url(base: string, tls: AgentOptions = {}): HttpClient {
    const { protocol, hostname, port } = new URL(base);
    const host = hostname.replaceAll(/[[\]]/g, "");
    if (protocol !== "https:") return new HttpClient({ host, port: port || "80" }, false);
    return new HttpClient(
      { host, port: port || "443", agent: new TlsAgent({ ...tls, keepAlive: true, maxSockets: 8 }) },
      true,
    );
  }

  /** Sends a body as JSON. @throws Error when there was no whole answer in time; whatever the status, an answer is one. */
  async ask(path: string, request: HttpRequest): Promise<HttpAnswer> {
    const response = await this.#send(path, request);
    let text = "";
    response.setEncoding("utf8");
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode ?? 0, text };
  }

  /** The body as a stream. */
  stream(path: string, request: HttpRequest): Promise<IncomingMessage> {
    return this.#send(path, request);
  }

  /** A kept connection may be closed by the other side in this very moment: a question, unlike a change, is asked again. */
  async #send(path: string, request: HttpRequest): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(path, request);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (request.method !== undefined || (code !== "ECONNRESET" && code !== "EPIPE")) throw error;
      return await this.#sendOnce(path, request);
    }
  }

  #sendOnce(path: string, { method = "GET", body, headers = {}, timeout }: HttpRequest): Promise<IncomingMessage> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...this.#options,
      path,
      method,
      signal: AbortSignal.timeout(timeout),
      headers: {
        ...headers,
        ...(content === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(content) }),
      },
    };
    return new Promise((resolve, reject) => {
      const request = (this.#isTls ? tlsRequest : plainRequest)(options, resolve);
      request.on("error", reject);
      request.end(content);
    });
  }
}
