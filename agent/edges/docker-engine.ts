import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { HttpClient } from "./http-client.ts";

export interface ContainerState {
  readonly id: string;
  readonly running: boolean;
  /** Of its first process, as the host counts; 0 while there is none. */
  readonly pid: number;
}

/** The few calls of the Docker Engine's API that the controller makes, over its socket: no docker command has to be started for them. */
export class DockerEngine {
  readonly #client: HttpClient;

  constructor(socket: string) {
    this.#client = HttpClient.unix(socket);
  }

  async inspect(container: string, timeout: number): Promise<ContainerState> {
    const answer = await this.#ask("GET", container, "/json", timeout);
    const { Id, State } = JSON.parse(answer.text) as { Id: string; State: { Running: boolean; Pid: number } };
    return { id: Id, running: State.Running && State.Pid > 0, pid: State.Pid };
  }

  /** A container that runs already is no error. */
  async start(container: string, timeout: number): Promise<void> {
    await this.#ask("POST", container, "/start", timeout);
  }

  /** SIGKILL. Docker takes it for the operator's wish: no restart policy brings the container back. */
  async kill(container: string, timeout: number): Promise<void> {
    await this.#ask("POST", container, "/kill?signal=KILL", timeout);
  }

  /** Copies one path of a container, which need not run, into a tar file. */
  async save(container: string, path: string, tarFile: string, timeout: number): Promise<void> {
    const response = await this.#client.stream(
      `/containers/${encodeURIComponent(container)}/archive?path=${encodeURIComponent(path)}`,
      { timeout },
    );
    if (response.statusCode !== 200) {
      response.resume();
      throw new Error(`docker: ${path} of ${container} cannot be copied: status ${response.statusCode}`);
    }
    await pipeline(response, createWriteStream(tarFile, { mode: 0o600 }));
  }

  async #ask(method: string, container: string, call: string, timeout: number) {
    const path = `/containers/${encodeURIComponent(container)}${call}`;
    const answer = await this.#client.ask(path, { method, timeout });
    if (answer.status >= 400) {
      throw new Error(`docker ${method} ${path}: ${answer.status} ${answer.text.trim().slice(0, 300)}`);
    }
    return answer;
  }
}
