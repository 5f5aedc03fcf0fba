import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabAlias } from "../../lab/addresses.ts";
import { sshArguments } from "../../lab/servers.ts";

/** Ports of this machine that lead to 127.0.0.1 of a server, as an operator opens them with `ssh -L`. */
export interface Tunnel {
  /** The port here, by the port there. */
  readonly port: (there: number) => number;
  readonly close: () => void;
}

/** Opens a tunnel to these ports, and returns when it leads through. */
export async function openTunnel(alias: LabAlias, ports: readonly number[]): Promise<Tunnel> {
  const here = new Map<number, number>();
  for (const there of ports) here.set(there, await freePort());
  const forwards = [...here].flatMap(([there, local]) => ["-L", `127.0.0.1:${local}:127.0.0.1:${there}`]);
  const child = spawn("ssh", ["-N", "-o", "ExitOnForwardFailure=yes", ...forwards, ...sshArguments(alias)], {
    stdio: "ignore",
  });
  const close = () => child.kill();
  process.once("exit", close);
  const deadline = Date.now() + 20_000;
  for (const local of here.values()) {
    while (!(await listens(local))) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`no tunnel to server ${alias}`);
      await sleep(100);
    }
  }
  return {
    port: (there) => {
      const local = here.get(there);
      if (local === undefined) throw new Error(`the tunnel does not lead to port ${there}`);
      return local;
    },
    close,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
