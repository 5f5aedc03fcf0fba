/** What happens at a moment, in order of time, then of planning. */
interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** The clock of a simulation: a heap of planned events. Nothing in a simulation waits for real time. */
export class Events {
  now = 0;
  #heap: Planned[] = [];
  #order = 0;

  /** Plans something `delay` milliseconds from now. */
  after(delay: number, run: () => void): void {
    const event = { at: this.now + delay, order: this.#order++, run };
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent] as Planned)) break;
      heap[index] = heap[parent] as Planned;
      index = parent;
    }
    heap[index] = event;
  }

  /** Runs everything planned up to this moment. */
  runUntil(end: number): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > end) break;
      this.#removeFirst();
      this.now = first.at;
      first.run();
    }
    this.now = end;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Planned;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child += 1;
      if (!isBefore(heap[child] as Planned, last)) break;
      heap[index] = heap[child] as Planned;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
