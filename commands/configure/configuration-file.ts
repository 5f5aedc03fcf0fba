import { type Document, isMap, isScalar, parseDocument, type YAMLMap } from "yaml";
import { parseConfiguration } from "../../config/load.ts";
import { adoptedContainers, type SuiteService, suiteServices } from "../../config/names.ts";
import { suitePorts } from "../../config/ports.ts";
import type { AdoptedCredentials, Configuration } from "../../config/schema.ts";
import { OperatorError } from "../../lib/errors.ts";
import type { AlertAnswers } from "./alert-questions.ts";
import type { BackupAnswers } from "./backup-questions.ts";
import type { SuiteProposal } from "./suite-proposal.ts";

/** Everything that `configure` asks for stage 1. */
export interface Stage1Answers {
  readonly server: {
    readonly address: string;
    readonly sshPort: number;
    readonly privateKeyFile: string;
    readonly hostKey: string;
  };
  readonly suite:
    | {
        readonly mode: "adopt";
        readonly directory: string;
        readonly services: SuiteProposal;
        readonly credentials: AdoptedCredentials;
      }
    | {
        readonly mode: "create";
        /** Images of the operator's own; one that is missing leaves the service out. */
        readonly images: { readonly backend?: string | undefined; readonly admin?: string | undefined };
      };
  /** Undefined: nobody asked, and what is configured stays. */
  readonly alerts?: AlertAnswers;
  readonly backup?: BackupAnswers;
}

type Plain = Record<string, unknown>;

const defaultDirectory = "/root/im-suite";
/** Keys whose values are encrypted in the file. */
export const secretKeys = ["adoptedCredentials", "alertCredentials", "backupCredentials"] as const;
/** Keys that mean the same in both modes, and so survive a change of mode. */
const commonSuiteKeys = ["mode", "ports", "without"];

/**
 * The configuration as it will lie in the file, without the `im:` prefix and without the secrets. What nobody asked about stays as
 * it was; what equals a default is not written.
 * @param existing the same, as it lies in the file now.
 */
export function configurationOf(answers: Stage1Answers, existing: Plain): Plain {
  const { adoptedCredentials: _secret, ...kept } = existing;
  const { server, suite, alerts, backup } = answers;
  if (alerts !== undefined) {
    delete kept["alertCredentials"];
    delete kept["alerts"];
    if (alerts.alerts !== undefined) kept["alerts"] = alerts.alerts;
  }
  if (backup !== undefined) {
    delete kept["backupCredentials"];
    kept["backup"] = withoutDefaults(backup.backup, { time: "02:00", timeZone: "Asia/Shanghai", offSite: [] });
  }
  const oldServers = (existing["servers"] ?? {}) as Plain;
  const oldServer = (oldServers["a"] ?? {}) as Plain;
  const { sshPort: _port, ...oldServerRest } = oldServer;
  const images = { ...((existing["images"] ?? {}) as Plain) };
  if (suite.mode === "create") {
    for (const key of ["backend", "admin"] as const) {
      if (suite.images[key] === undefined) delete images[key];
      else images[key] = suite.images[key];
    }
  }
  return {
    ...kept,
    stage: 1,
    servers: {
      ...oldServers,
      a: {
        ...oldServerRest,
        address: server.address,
        ...(server.sshPort === 22 ? {} : { sshPort: server.sshPort }),
        privateKeyFile: server.privateKeyFile,
        hostKey: server.hostKey,
      },
    },
    suite: suiteOf(suite, (existing["suite"] ?? {}) as Plain),
    ...(Object.keys(images).length === 0 ? {} : { images }),
  };
}

function withoutDefaults(values: Plain, defaults: Plain): Plain {
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key])),
  );
}

function suiteOf(suite: Stage1Answers["suite"], existing: Plain): Plain {
  const sameMode = existing["mode"] === suite.mode;
  const kept = Object.fromEntries(
    Object.entries(existing).filter(([key]) => sameMode || commonSuiteKeys.includes(key)),
  );
  if (suite.mode === "create") {
    const before = (kept["without"] ?? []) as SuiteService[];
    const without = suiteServices.filter((service) =>
      service === "backend" || service === "admin"
        ? suite.images[service] === undefined
        : before.includes(service) && service !== "mysql",
    );
    delete kept["without"];
    return { ...kept, mode: "create", ...(without.length === 0 ? {} : { without }) };
  }
  const containers: Plain = {};
  const ports: Plain = { ...((kept["ports"] ?? {}) as Plain) };
  const without: SuiteService[] = [];
  for (const service of suiteServices) {
    const found = suite.services[service];
    delete ports[service];
    if (found === undefined) {
      without.push(service);
      continue;
    }
    if (found.container !== adoptedContainers[service]) containers[service] = found.container;
    if (found.port !== suitePorts[service]) ports[service] = found.port;
  }
  for (const key of ["directory", "containers", "ports", "without"]) delete kept[key];
  return {
    ...kept,
    mode: "adopt",
    ...(suite.directory === defaultDirectory ? {} : { directory: suite.directory }),
    ...(Object.keys(containers).length === 0 ? {} : { containers }),
    ...(Object.keys(ports).length === 0 ? {} : { ports }),
    ...(without.length === 0 ? {} : { without }),
  };
}

/** The secrets that belong to the answers, by their path in the configuration. An empty one is not written. */
export function secretsOf(answers: Stage1Answers): Map<string, string> {
  const secrets = {
    ...(answers.suite.mode === "adopt" ? { adoptedCredentials: answers.suite.credentials } : {}),
    ...(answers.alerts === undefined ? {} : { alertCredentials: answers.alerts.credentials }),
    ...(answers.backup === undefined ? {} : { backupCredentials: answers.backup.credentials }),
  };
  return new Map(leaves(secrets, "").filter(([, value]) => value !== ""));
}

/** Every text in a tree, by its path. */
function leaves(value: unknown, at: string): [string, string][] {
  if (typeof value !== "object" || value === null) return [[at, String(value)]];
  return Object.entries(value).flatMap(([key, one]) => leaves(one, at === "" ? key : `${at}.${key}`));
}

/** The text at a path of `secretsOf`, in a tree of the same form. */
export function secretAt(tree: Plain, path: string): unknown {
  let value: unknown = tree;
  for (const part of path.split(".")) value = (value as Plain | undefined)?.[part];
  return value;
}

/** Parses what the file will say, with the secrets in clear: a file that the program would refuse is never written. */
export function parsedConfiguration(answers: Stage1Answers, existing: Plain): Configuration {
  return parseConfiguration({
    ...configurationOf(answers, existing),
    ...(answers.suite.mode === "adopt" ? { adoptedCredentials: answers.suite.credentials } : {}),
    // What nobody asked about is encrypted here: the program itself judges it.
    alertCredentials: answers.alerts?.credentials ?? {},
    ...(answers.backup === undefined ? { backup: {} } : { backupCredentials: answers.backup.credentials }),
    ...(answers.alerts === undefined ? { alerts: {} } : {}),
  });
}

/** The `im:` keys of a stack's file as plain values, secrets still encrypted. */
export function readConfigurationFile(text: string): Plain {
  const content = (parseDocument(text).toJS() ?? {}) as { config?: Plain };
  return Object.fromEntries(
    Object.entries(content.config ?? {})
      .filter(([key]) => key.startsWith("im:"))
      .map(([key, value]) => [key.slice("im:".length), value]),
  );
}

/**
 * The file with new values: comments, the order of keys and everything of others (encryptionsalt, other namespaces) stay. Encrypted
 * values of secrets that are still needed stay as they are; the others go.
 */
export function renderConfigurationFile(text: string, configuration: Plain, secretPaths: readonly string[]): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new OperatorError(`The configuration file is not valid YAML: ${document.errors[0]?.message}`);
  }
  if (document.contents === null) {
    // Comments only, as the example is shipped: they stay above what is written now.
    const before = text.trim() === "" ? "" : `${text.trimEnd()}\n\n`;
    return `${before}${renderConfigurationFile("config:\n  {}\n", configuration, secretPaths)}`;
  }
  if (!isMap(document.get("config", true))) document.set("config", document.createNode({}));
  const config = document.get("config", true) as YAMLMap;
  config.flow = false;
  const keys = new Set(Object.keys(configuration).map((key) => `im:${key}`));
  for (const pair of [...config.items]) {
    const key = String((pair.key as { value?: unknown } | null)?.value ?? pair.key);
    const isSecret = secretKeys.some((one) => key === `im:${one}`);
    if (key.startsWith("im:") && !isSecret && !keys.has(key)) config.delete(pair.key);
  }
  for (const [key, value] of Object.entries(configuration)) mergeInto(document, ["config", `im:${key}`], value);
  for (const key of secretKeys) {
    if (keys.has(`im:${key}`)) continue;
    if (prune(document.getIn(["config", `im:${key}`], true), key, secretPaths))
      document.deleteIn(["config", `im:${key}`]);
  }
  return document.toString({ lineWidth: 0 });
}

/** Removes encrypted values that are no longer needed. @returns whether nothing is left. */
function prune(node: unknown, at: string, secretPaths: readonly string[]): boolean {
  if (!isMap(node) || node.has("secure")) return !secretPaths.includes(at);
  for (const pair of [...node.items]) {
    const key = String((pair.key as { value?: unknown } | null)?.value ?? pair.key);
    if (prune(pair.value, `${at}.${key}`, secretPaths)) node.delete(pair.key);
  }
  return node.items.length === 0;
}

/** Sets a value; a map is merged key by key, so that comments inside it survive. */
function mergeInto(document: Document.Parsed, path: readonly string[], value: unknown): void {
  const current = document.getIn(path, true);
  if (isMap(current) && typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const key of Object.keys((current as YAMLMap).toJSON() as Plain)) {
      if (!(key in value)) document.deleteIn([...path, key]);
    }
    for (const [key, one] of Object.entries(value)) mergeInto(document, [...path, key], one);
    return;
  }
  // Pulumi writes numbers of the top level as text ("1"), which means the same to it: no reason to change the line.
  const old = document.getIn(path);
  const same = JSON.stringify(old) === JSON.stringify(value) || (typeof value === "number" && old === String(value));
  if (same) return;
  // In place, so that the comment behind the value stays.
  if (isScalar(current) && typeof value !== "object") current.value = value;
  else document.setIn(path, document.createNode(value));
}
