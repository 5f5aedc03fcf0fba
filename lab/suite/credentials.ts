import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { cacheDirectory } from "../../lib/paths.ts";

/** Every secret of the lab's suite, as its operator knows them. */
export interface SuiteSecrets {
  readonly mysqlRootPassword: string;
  /** The backend's own MySQL account. */
  readonly mysqlApplicationPassword: string;
  /**
   * Both accounts have it until the suite is up: the official MySQL image puts passwords between single quotes as they are
   * and cannot take one with a quote or a backslash.
   */
  readonly mysqlFirstPassword: string;
  readonly redisPassword: string;
  readonly minioAccessKey: string;
  readonly minioSecretKey: string;
  readonly grafanaPassword: string;
}

/**
 * What real passwords contain and what breaks in shells, YAML, option files, DSNs and URLs. Each lab password begins with
 * it, so that every run of the lab tries every path with all of them.
 */
export const awkwardPrefix = "密'\"$HOME\\n`@#!% é&:/;";

/** Written once per lab; the random parts differ from lab to lab, so a copied log does not open another one. */
export function newSecrets(): SuiteSecrets {
  const awkward = (name: string) => `${awkwardPrefix}${name}-${randomBytes(12).toString("hex")}`;
  return {
    mysqlRootPassword: awkward("root"),
    mysqlApplicationPassword: awkward("app"),
    mysqlFirstPassword: randomBytes(12).toString("hex"),
    redisPassword: awkward("redis"),
    minioAccessKey: "imsuite",
    minioSecretKey: awkward("minio"),
    grafanaPassword: awkward("grafana"),
  };
}

/** Names in the suite's .env file. */
const environmentNames = {
  mysqlRootPassword: "MYSQL_ROOT_PASSWORD",
  mysqlApplicationPassword: "DB_PASSWORD",
  mysqlFirstPassword: "MYSQL_FIRST_PASSWORD",
  redisPassword: "REDIS_PASSWORD",
  minioAccessKey: "MINIO_ROOT_USER",
  minioSecretKey: "MINIO_ROOT_PASSWORD",
  grafanaPassword: "GRAFANA_PASSWORD",
} as const satisfies Record<keyof SuiteSecrets, string>;

const fields = Object.keys(environmentNames) as (keyof SuiteSecrets)[];

/** The secrets as variables of the .env file. */
export function secretsToEnvironment(secrets: SuiteSecrets): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [environmentNames[field], secrets[field]]));
}

/** The secrets of an .env file; undefined when one is missing. */
export function secretsFromEnvironment(values: Readonly<Record<string, string>>): SuiteSecrets | undefined {
  const found = Object.fromEntries(fields.map((field) => [field, values[environmentNames[field]]]));
  return isComplete(found) ? found : undefined;
}

function isComplete(value: Partial<Record<keyof SuiteSecrets, unknown>>): value is SuiteSecrets {
  return fields.every((field) => typeof value[field] === "string" && value[field] !== "");
}

const file = cacheDirectory("lab", "suite-credentials.json");

/** The secrets of this lab's suite; undefined before there is one. */
export function readSecrets(): SuiteSecrets | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const value = JSON.parse(text) as Partial<SuiteSecrets>;
  return isComplete(value) ? value : undefined;
}

/** Keeps the secrets, readable by this user alone. */
export function writeSecrets(secrets: SuiteSecrets): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, file);
}
