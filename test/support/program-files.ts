import { fileURLToPath } from "node:url";

/** Stands in for components/failover/program-files.ts: files of fixed names, so that a golden file does not change with the controller. */
const file = (digit: string) => ({ path: fileURLToPath(import.meta.url), sha256: digit.repeat(64) });

export const bundleController = async () => file("a");
export const fetchNode = async () => file("b");
