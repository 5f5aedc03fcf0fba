import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Message {
  /** When it had arrived in full, as `Date.now()`. */
  readonly at: number;
  /** Path of the address for a webhook; empty for a mail. */
  readonly path: string;
  readonly text: string;
}

/** Receives messages as a real receiver would, and keeps them. */
export interface Sink {
  readonly port: number;
  readonly messages: readonly Message[];
  readonly close: () => Promise<void>;
}

/** An HTTP server that accepts every POST. */
export async function webhookSink(address: string): Promise<Sink> {
  const messages: Message[] = [];
  const server = createHttpServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      messages.push({ at: Date.now(), path: request.url ?? "", text: Buffer.concat(parts).toString("utf8") });
      response.end("ok");
    });
  });
  return await listening(server, address, messages);
}

/** An SMTP server that accepts every mail: as much of RFC 5321 as a sender without TLS and login needs. */
export async function smtpSink(address: string): Promise<Sink> {
  const messages: Message[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy()));
    const say = (line: string) => socket.write(`${line}\r\n`);
    let pending = "";
    let mail: string[] | undefined;
    const hear = (line: string) => {
      if (mail !== undefined) {
        if (line !== ".") {
          mail.push(line);
          return;
        }
        messages.push({ at: Date.now(), path: "", text: decodeMail(mail) });
        mail = undefined;
        say("250 kept");
        return;
      }
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === "DATA") {
        mail = [];
        say("354 end with a dot");
      } else if (verb === "QUIT") {
        say("221 bye");
        socket.end();
      } else say("250 ok");
    };
    socket.on("data", (data) => {
      pending += data.toString("utf8");
      const lines = pending.split("\r\n");
      pending = lines.pop() ?? "";
      for (const line of lines) hear(line);
    });
    say("220 sink ESMTP");
  });
  const sink = await listening(server, address, messages);
  return {
    ...sink,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await sink.close();
    },
  };
}

/**
 * Waits for the first message at this path with this word.
 * @param from how many messages to pass over: those of an earlier fault.
 * @throws with what came instead.
 */
export async function message(sink: Sink, path: string, word: string, seconds: number, from = 0): Promise<Message> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = sink.messages.slice(from).find((one) => one.path === path && one.text.includes(word));
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const seen = sink.messages
        .slice(from)
        .map((one) => `${one.path} ${one.text.slice(0, 120)}`)
        .join("\n");
      throw new Error(`no message with ${word} at ${path || "the mail server"} within ${seconds} s; seen:\n${seen}`);
    }
    await sleep(250);
  }
}

async function listening(server: Server, address: string, messages: Message[]): Promise<Sink> {
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    close: async () => {
      server.close();
      if ("closeAllConnections" in server) (server as { closeAllConnections: () => void }).closeAllConnections();
      await once(server, "close");
    },
  };
}

/** The mail with its quoted-printable body readable. */
function decodeMail(lines: readonly string[]): string {
  const joined = lines.join("\n").replaceAll("=\n", "");
  return joined.replaceAll(/(?:=[0-9A-F]{2})+/g, (encoded) =>
    Buffer.from(encoded.replaceAll("=", ""), "hex").toString("utf8"),
  );
}
