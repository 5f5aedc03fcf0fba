/**
 * A set of MySQL transaction identifiers, as MySQL prints it: `uuid:1-5:7,other-uuid:1-3`, with tags as `uuid:tag:1-2`. Only what the
 * controller asks of it: is one set whole inside another.
 */
export class GtidSet {
  /** By uuid (and tag): intervals, ascending, not touching, both ends included. */
  readonly #intervals: ReadonlyMap<string, readonly (readonly [number, number])[]>;

  private constructor(intervals: ReadonlyMap<string, readonly (readonly [number, number])[]>) {
    this.#intervals = intervals;
  }

  static readonly empty = new GtidSet(new Map());

  /** The first `count` transactions of each source: what a server has that replicated in order. */
  static prefixes(counts: Readonly<Record<string, number>>): GtidSet {
    const intervals = new Map<string, [number, number][]>();
    for (const source of Object.keys(counts)) {
      const count = counts[source] ?? 0;
      if (count > 0) intervals.set(source, [[1, count]]);
    }
    return new GtidSet(intervals);
  }

  /**
   * Reads what MySQL printed. Line breaks and blanks are its own.
   * @throws Error when it is not a GTID set: guessing here could make a server eligible that is not.
   */
  static parse(text: string): GtidSet {
    const intervals = new Map<string, [number, number][]>();
    for (const source of text.replaceAll(/\s/g, "").split(",").filter(Boolean)) {
      const [uuid, ...rest] = source.split(":");
      if (
        uuid === undefined ||
        !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid) ||
        !/^\d/.test(rest.at(-1) ?? "")
      ) {
        throw new Error(`not a GTID set: ${source.slice(0, 100)}`);
      }
      let name = uuid.toLowerCase();
      for (const part of rest) {
        const interval = /^(\d+)(?:-(\d+))?$/.exec(part);
        if (interval === null) {
          if (!/^[a-z_][a-z0-9_]{0,31}$/i.test(part)) throw new Error(`not a GTID set: ${source.slice(0, 100)}`);
          name = `${uuid.toLowerCase()}:${part.toLowerCase()}`;
          continue;
        }
        const first = Number(interval[1]);
        const list = intervals.get(name) ?? [];
        list.push([first, Number(interval[2] ?? first)]);
        intervals.set(name, list);
      }
    }
    return new GtidSet(new Map([...intervals].map(([name, list]) => [name, merged(list)])));
  }

  get isEmpty(): boolean {
    return this.#intervals.size === 0;
  }

  /** Whether every transaction of the other set is in this one. */
  contains(other: GtidSet): boolean {
    for (const [name, wanted] of other.#intervals) {
      const mine = this.#intervals.get(name);
      if (mine === undefined) return false;
      for (const [first, last] of wanted) {
        if (!mine.some(([from, to]) => from <= first && last <= to)) return false;
      }
    }
    return true;
  }

  /** The transactions of this set that are not in the other. */
  minus(other: GtidSet): GtidSet {
    const left = new Map<string, readonly (readonly [number, number])[]>();
    for (const [name, list] of this.#intervals) {
      let rest = list;
      for (const [from, to] of other.#intervals.get(name) ?? []) {
        rest = rest.flatMap(([first, last]): (readonly [number, number])[] => {
          const before: (readonly [number, number])[] = first < from ? [[first, Math.min(last, from - 1)]] : [];
          return last > to ? [...before, [Math.max(first, to + 1), last]] : before;
        });
      }
      if (rest.length > 0) left.set(name, rest);
    }
    return new GtidSet(left);
  }

  /** Every transaction of both. */
  union(other: GtidSet): GtidSet {
    const both = new Map(this.#intervals);
    for (const [name, list] of other.#intervals) both.set(name, merged([...(both.get(name) ?? []), ...list]));
    return new GtidSet(both);
  }

  /** As MySQL prints it. */
  toString(): string {
    return [...this.#intervals]
      .map(([name, list]) => `${name}:${list.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(":")}`)
      .join(",");
  }
}

function merged(list: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const result: [number, number][] = [];
  for (const [first, last] of [...list].sort((one, other) => one[0] - other[0])) {
    const end = result.at(-1);
    if (end !== undefined && first <= end[1] + 1) end[1] = Math.max(end[1], last);
    else result.push([first, last]);
  }
  return result;
}
