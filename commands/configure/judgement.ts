import { problemAt as schemaProblemAt } from "../../config/load.ts";
import { messageOf, OperatorError } from "../../lib/errors.ts";
import type { Judgement } from "./ask.ts";

export interface Example {
  servers: { a: Record<string, unknown> };
  [key: string]: unknown;
}

/** What the schema says about one value, put into an otherwise right configuration: one judge for file and question. */
export function problemAt(at: string, put: (raw: Example) => void): Judgement {
  const example: Example = {
    stage: 1,
    servers: { a: { address: "203.0.113.10", privateKeyFile: "x", hostKey: "ssh-ed25519 AAAA" } },
    suite: { mode: "create" },
  };
  put(example);
  return schemaProblemAt(at, example) ?? true;
}

/** A refusal of the real check as the sentence under the question. */
export async function judgedBy(work: () => Promise<Judgement>): Promise<Judgement> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OperatorError) return messageOf(error);
    throw error;
  }
}
