import { createConnection, type Socket } from "node:net";

export type Reply = string | number | null | readonly Reply[];

/** Redis answered with an error. */
export class RedisError extends Error {
  override name = "RedisError";
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** One connection to one Redis: a few administrative commands need no library. */
export class RedisClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #buffer = Buffer.alloc(0);
  readonly #onEnd: () => void;
  #isUsable = true;

  private constructor(socket: Socket, onEnd: () => void) {
    this.#socket = socket;
    this.#onEnd = onEnd;
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("close", () => this.#fail(new Error("Redis closed the connection")));
    socket.on("error", (error) => this.#fail(error));
  }

  /** @param onEnd called once when the connection has ended. @throws Error when nothing answers in time, or the password is refused. */
  static async connect(
    host: string,
    port: number,
    password: string | undefined,
    timeout: number,
    onEnd: () => void = () => {},
  ): Promise<RedisClient> {
    const socket = createConnection({ host, port, noDelay: true });
    const client = new RedisClient(socket, onEnd);
    const timer = setTimeout(() => client.end(), timeout);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("close", () => reject(new Error("Redis does not answer")));
      });
      if (password !== undefined) await client.send(["AUTH", password], timeout);
      return client;
    } catch (error) {
      client.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** A command that has no answer in time ends the connection: later answers would be taken for others. */
  async send(words: readonly string[], timeout: number): Promise<Reply> {
    if (!this.#isUsable) throw new Error("the connection to Redis has ended");
    const answer = new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    const timer = setTimeout(
      () => this.#fail(new Error(`Redis: no answer to ${words[0]} within ${timeout} ms`)),
      timeout,
    );
    this.#socket.write(
      `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`,
    );
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#fail(new Error("the connection to Redis was ended"));
  }

  #fail(error: Error): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#socket.destroy();
    for (const one of this.#waiting.splice(0)) one.reject(error);
    this.#onEnd();
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (let parsed = parseReply(this.#buffer, 0); parsed !== undefined; parsed = parseReply(this.#buffer, 0)) {
      this.#buffer = this.#buffer.subarray(parsed.end);
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof RedisError) waiting?.reject(parsed.reply);
      else waiting?.resolve(parsed.reply);
    }
  }
}

/** One reply of the protocol from `start` on; undefined while it is not all there. */
export function parseReply(buffer: Buffer, start: number): { reply: Reply | RedisError; end: number } | undefined {
  const lineEnd = buffer.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const line = buffer.toString("utf8", start + 1, lineEnd);
  let end = lineEnd + 2;
  switch (String.fromCharCode(buffer[start] ?? 0)) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new RedisError(line), end };
    case ":":
      return { reply: Number(line), end };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      if (buffer.length < end + length + 2) return undefined;
      return { reply: buffer.toString("utf8", end, end + length), end: end + length + 2 };
    }
    case "*": {
      const replies: Reply[] = [];
      for (let count = 0; count < Number(line); count++) {
        const part = parseReply(buffer, end);
        if (part === undefined) return undefined;
        replies.push(part.reply instanceof RedisError ? part.reply.message : part.reply);
        end = part.end;
      }
      return { reply: replies, end };
    }
    default:
      throw new Error("this is not Redis");
  }
}

/** INFO as names and values. */
export function readInfo(reply: Reply): ReadonlyMap<string, string> {
  const lines = String(reply).split("\r\n");
  return new Map(
    lines
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}
