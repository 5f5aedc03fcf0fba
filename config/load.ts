import type { z } from "zod";
import { OperatorError } from "../lib/errors.ts";
import { type Configuration, configurationSchema } from "./schema.ts";

/** Values under these paths never appear in a message. */
const secretKeys = new Set(["adoptedCredentials"]);

/**
 * Parses the stack's configuration once, from Pulumi's flat map (`im:servers` -> JSON text). Keys of other namespaces are
 * left alone; every `im:` key must be known.
 * @throws OperatorError that names each bad key, its value and what is expected.
 */
export function loadConfiguration(flat: Readonly<Record<string, string>>): Configuration {
  const raw: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(flat)) {
    if (!key.startsWith("im:")) continue;
    raw[key.slice("im:".length)] = parseValue(text);
  }
  return parseConfiguration(raw);
}

/** The same from an already nested object; for tests and for `configure`. */
export function parseConfiguration(raw: Readonly<Record<string, unknown>>): Configuration {
  const result = configurationSchema.safeParse(raw);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${describeIssue(issue, raw)}`);
  throw new OperatorError(`The configuration of this stack cannot be used:\n${lines.join("\n")}`);
}

function describeIssue(issue: z.core.$ZodIssue, raw: unknown): string {
  if (issue.code === "unrecognized_keys") {
    const paths = issue.keys.map((key) => formatPath([...issue.path, key]));
    return `${paths.join(", ")}: unknown key${paths.length > 1 ? "s" : ""}. Remove or correct the spelling.`;
  }
  const path = formatPath(issue.path);
  const value = valueAt(raw, issue.path);
  if (value === undefined) return `${path} is missing: ${issue.message}`;
  const shown = secretKeys.has(String(issue.path[0])) ? "(secret)" : JSON.stringify(value);
  return `${path} = ${shown}: ${issue.message}`;
}

function formatPath(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path;
  if (first === undefined) return "im";
  return `im:${String(first)}${rest.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("")}`;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** Pulumi hands structured values over as JSON, plain ones as text. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
