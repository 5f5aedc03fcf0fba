import { randomUUID } from "node:crypto";
import type { OperatorRequest } from "./view.ts";

/** OperatorRequest without its id. */
export type Wish = OperatorRequest extends infer One ? (One extends OperatorRequest ? Omit<One, "id"> : never) : never;

export interface RequestOutcome {
  readonly outcome: "done" | "refused" | "late";
  readonly because: string;
}

interface Pending {
  readonly request: OperatorRequest;
  readonly answer: (outcome: RequestOutcome) => void;
  readonly timer: NodeJS.Timeout;
}

/** What operators ask for, one after the other. The decision answers each; what is not answered in time was not understood to be done. */
export class Requests {
  readonly #pending: Pending[] = [];
  readonly #onNew: () => void;

  constructor(onNew: () => void) {
    this.#onNew = onNew;
  }

  get current(): OperatorRequest | undefined {
    return this.#pending[0]?.request;
  }

  /** @param timeout milliseconds until the caller is told that nothing is known. The request is withdrawn then. */
  ask(wish: Wish, timeout: number): Promise<RequestOutcome> {
    const request = { ...wish, id: randomUUID() } as OperatorRequest;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.finish(request.id, "late", "the controller did not get to it in time: look at im-ha status");
      }, timeout);
      timer.unref();
      this.#pending.push({ request, answer: resolve, timer });
      this.#onNew();
    });
  }

  finish(id: string, outcome: RequestOutcome["outcome"], because: string): void {
    const index = this.#pending.findIndex((one) => one.request.id === id);
    const [pending] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    pending.answer({ outcome, because });
  }
}
