import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

export interface Batch {
  readonly first: number;
  readonly count: number;
}

export interface BatchResult {
  readonly broken: { readonly seed: number; readonly what: string }[];
  count: number;
  acknowledged: number;
  promotions: number;
}

export interface ManyOptions {
  readonly firstSeed: number;
  readonly schedules: number;
  /** Name of a known-bad variant. */
  readonly variantName?: string | undefined;
  /** Ends at the first schedule that breaks so, instead of after all. */
  readonly until?: RegExp;
  readonly onProgress?: (done: number) => void;
}

const batchSize = 100;

/** Simulates many schedules on every core. The order in which they end changes nothing: a schedule depends on its seed alone. */
export async function simulateMany(options: ManyOptions): Promise<BatchResult> {
  const total: BatchResult = { broken: [], count: 0, acknowledged: 0, promotions: 0 };
  const end = options.firstSeed + options.schedules;
  let next = options.firstSeed;
  const takeBatch = (): Batch | undefined => {
    if (next >= end || (options.until !== undefined && total.broken.some(({ what }) => options.until?.test(what))))
      return undefined;
    const batch = { first: next, count: Math.min(batchSize, end - next) };
    next += batch.count;
    return batch;
  };
  const threads = Array.from({ length: availableParallelism() }, () =>
    runThread(options.variantName, takeBatch, (result) => {
      total.broken.push(...result.broken);
      total.count += result.count;
      total.acknowledged += result.acknowledged;
      total.promotions += result.promotions;
      options.onProgress?.(total.count);
    }),
  );
  await Promise.all(threads);
  total.broken.sort((one, other) => one.seed - other.seed);
  return total;
}

async function runThread(
  variantName: string | undefined,
  takeBatch: () => Batch | undefined,
  onResult: (result: BatchResult) => void,
): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { variantName } });
  try {
    await new Promise<void>((resolve, reject) => {
      const give = () => {
        const batch = takeBatch();
        if (batch === undefined) resolve();
        else worker.postMessage(batch);
      };
      worker.on("error", reject);
      worker.on("message", (result: BatchResult) => {
        onResult(result);
        give();
      });
      give();
    });
  } finally {
    await worker.terminate();
  }
}
