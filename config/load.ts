import type { z } from "zod";
import { OperatorError } from "../lib/errors.ts";
import { type Foundation, onFoundation } from "./foundation.ts";
import { type Configuration, configurationSchema } from "./schema.ts";

/** Values under these paths never appear in a message. */
const secretKeys = new Set(["adoptedCredentials", "alertCredentials", "backupCredentials"]);

/** What Pulumi puts before a key that is written without a namespace: the name in Pulumi.yaml. */
const projectNamespace = "im-suite-ha:";

/**
 * Parses the stack's configuration once, from Pulumi's flat map (`im:servers` -> JSON text). Keys of other namespaces are
 * left alone; every `im:` key must be known.
 * @param foundation what the stage below says; undefined for stage 1.
 * @throws OperatorError that names each bad key, its value and what is expected.
 */
export function loadConfiguration(flat: Readonly<Record<string, string>>, foundation?: Foundation): Configuration {
  const own = readConfiguration(flat);
  if (foundation === undefined) {
    if (own["stage"] === 2 || own["stage"] === 3) {
      throw new OperatorError(
        `im:stage = ${own["stage"]}: this stack stands on stage 1, and this is about stage 1 alone. Name that stack: -s stage1`,
      );
    }
    return parseConfiguration(own);
  }
  const { raw, repeated } = onFoundation(own, foundation);
  if (repeated.length > 0) {
    const keys = repeated.map((key) => `im:${key}`).join(", ");
    throw new OperatorError(
      `${keys}: stage 1 decides this for every stage. Remove it here, and change it there: pulumi config rm ${repeated.map((key) => `im:${key}`).join(" && pulumi config rm ")}`,
    );
  }
  return parseConfiguration(raw);
}

/** The keys of this program as they are written, without their `im:` and not yet judged. */
export function readConfiguration(flat: Readonly<Record<string, string>>): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(flat)) {
    // `pulumi config set stage 1` without a namespace lands under the project's name, where nobody would read it.
    if (key.startsWith(projectNamespace)) {
      throw new OperatorError(
        `${key}: unknown key; the keys of this program begin with im:. Write im:${key.slice(projectNamespace.length)}, and remove this one: pulumi config rm ${key}`,
      );
    }
    if (!key.startsWith("im:")) continue;
    raw[key.slice("im:".length)] = parseValue(text);
  }
  return raw;
}

/** The same from an already nested object; for tests and for `configure`. */
export function parseConfiguration(raw: Readonly<Record<string, unknown>>): Configuration {
  const result = judge(raw);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${describeIssue(issue, raw)}`);
  throw new OperatorError(`The configuration of this stack cannot be used:\n${lines.join("\n")}`);
}

/** What is wrong at one path (`servers.a.address`), in the words of the refusal; undefined when nothing is. For `configure`. */
export function problemAt(path: string, raw: Readonly<Record<string, unknown>>): string | undefined {
  return judge(raw).error?.issues.find((issue) => formatPath(issue.path) === `im:${path}`)?.message;
}

function judge(raw: Readonly<Record<string, unknown>>) {
  return configurationSchema.safeParse(raw, { error: expectation, reportInput: true });
}

function describeIssue(issue: z.core.$ZodIssue, raw: unknown): string {
  if (issue.code === "unrecognized_keys") {
    const paths = issue.keys.map((key) => formatPath([...issue.path, key]));
    return `${paths.join(", ")}: unknown key${paths.length > 1 ? "s" : ""}. Remove or correct the spelling.`;
  }
  const path = formatPath(issue.path);
  // A rule across keys may speak of a default, which is not in the file.
  const value = valueAt(raw, issue.path) ?? (issue.code === "custom" ? issue.input : undefined);
  if (value === undefined) return `${path} is missing: ${issue.message}`;
  const shown = secretKeys.has(String(issue.path[0])) ? "(secret)" : JSON.stringify(value);
  return `${path} = ${shown}: ${issue.message}`;
}

/** What was expected, where the schema has no words of its own for it. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return `expected ${issue.origin === "string" ? `at least ${issue.minimum} characters` : `${issue.minimum} or more`}`;
    case "too_big":
      return `expected ${issue.origin === "string" ? `at most ${issue.maximum} characters` : `${issue.maximum} or less`}`;
    default:
      return undefined;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  array: "a list",
  object: "a group of keys",
  record: "a group of keys",
};

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
