import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import type { ImageKey } from "../../config/images.ts";
import { labLabel } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { run, runChecked } from "../../lib/process.ts";

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Containers of the lab's images on this machine, for one test; `removeAll` belongs into its afterAll. */
export class ThrowAwayContainers {
  readonly #names: string[] = [];

  /** Starts one. @param options of `docker run`, before the image. */
  async start(key: ImageKey, name: string, options: readonly string[], args: readonly string[]): Promise<void> {
    const image = readImages()[key];
    if (image === undefined || !("definition" in image)) throw new Error(`the lab has no image ${key}`);
    await run("docker", ["rm", "--force", "--volumes", name]);
    this.#names.push(name);
    await runChecked("docker", [
      ...["run", "--detach", "--name", name, "--label", labLabel, ...options],
      ...[image.definition, ...args],
    ]);
  }

  async removeAll(): Promise<void> {
    if (this.#names.length > 0) await run("docker", ["rm", "--force", "--volumes", ...this.#names]);
  }
}
