import type { Random } from "./random.ts";

export type Host = "a" | "b" | "witness";
export const hosts: readonly Host[] = ["a", "b", "witness"];

/** One-way links between the three hosts, each of which can be cut or slow. */
export class Network {
  readonly #cut = new Map<string, number>();
  readonly #random: Random;
  /** Added to every message while positive, up to this many milliseconds. */
  slowness = 0;
  /** Share of messages that arrive when nobody expects them any more. */
  latecomers = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Cuts are counted: two faults on one link end one by one. */
  cut(from: Host, to: Host): void {
    this.#cut.set(from + to, (this.#cut.get(from + to) ?? 0) + 1);
  }

  mend(from: Host, to: Host): void {
    this.#cut.set(from + to, Math.max(0, (this.#cut.get(from + to) ?? 0) - 1));
  }

  mendAll(): void {
    this.#cut.clear();
    this.slowness = 0;
    this.latecomers = 0;
  }

  passes(from: Host, to: Host): boolean {
    return from === to || (this.#cut.get(from + to) ?? 0) === 0;
  }

  passesBoth(one: Host, other: Host): boolean {
    return this.passes(one, other) && this.passes(other, one);
  }

  /** One way, in milliseconds. */
  delay(): number {
    // Now and then a message is held up long beyond what its sender waits for.
    if (this.#random.chance(this.latecomers)) return this.#random.between(500, 9000);
    const usual = this.#random.between(1, 8);
    return this.slowness > 0 ? usual + this.#random.between(0, this.slowness) : usual;
  }
}
