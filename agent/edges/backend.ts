import type { AgentConfiguration } from "../configuration.ts";
import type { Backend } from "../view.ts";
import { bootMilliseconds, Since, within } from "./clock.ts";
import { HttpClient } from "./http-client.ts";

const interval = 1000;

/** The suite's API on this server, asked once a second beside the loop: it may take its time to answer. */
export class BackendProbe {
  readonly #path: string;
  readonly #client: HttpClient;
  readonly #timeout: number;
  readonly #since = new Since();
  #timer: NodeJS.Timeout | undefined;
  state: Backend = "unknown";
  downFor = 0;

  constructor({ healthUrl, timeout }: NonNullable<AgentConfiguration["backend"]>) {
    const url = new URL(healthUrl);
    this.#path = url.pathname + url.search;
    this.#client = HttpClient.url(healthUrl);
    this.#timeout = timeout;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      void this.probe().then(() => {
        if (this.#timer !== undefined) this.start();
      });
    }, interval);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async probe(): Promise<void> {
    const isHealthy = await within(
      this.#timeout,
      "backend",
      this.#client.ask(this.#path, { timeout: this.#timeout }),
    ).then(
      ({ status }) => status >= 200 && status < 300,
      () => false,
    );
    // A backend that was never healthy is one that was never started: no reason to move.
    if (isHealthy) this.state = "healthy";
    else if (this.state === "healthy") this.state = "down";
    this.downFor = this.#since.note(this.state === "down", bootMilliseconds());
  }
}
