import { parentPort, workerData } from "node:worker_threads";
import { knownBad } from "./known-bad.ts";
import type { Batch, BatchResult } from "./many.ts";
import { simulate } from "./simulate.ts";

/** One thread of many: simulates the batches that it is given. */
const { variantName } = workerData as { variantName: string | undefined };
const variant = knownBad.find((one) => one.name === variantName);

parentPort?.on("message", ({ first, count }: Batch) => {
  const result: BatchResult = { broken: [], count, acknowledged: 0, promotions: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const outcome = simulate(seed, variant === undefined ? {} : { variant });
    result.acknowledged += outcome.acknowledged;
    result.promotions += outcome.promotions;
    if (outcome.broken !== undefined) result.broken.push({ seed, what: outcome.broken });
  }
  parentPort?.postMessage(result);
});
