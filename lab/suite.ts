import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { adoptedContainers, type SuiteService, suiteServices } from "../config/names.ts";
import { suitePorts } from "../config/ports.ts";
import type { AdoptedCredentials } from "../config/schema.ts";
import { messageOf, OperatorError } from "../lib/errors.ts";
import { type Step, step } from "../lib/progress.ts";
import { commandLine, quote } from "../lib/shell.ts";
import { labServers } from "./addresses.ts";
import { readImages } from "./images.ts";
import { onServer } from "./servers.ts";
import { imageVariable, neededServices, renderComposeFile } from "./suite/compose-file.ts";
import {
  newSecrets,
  readSecrets,
  type SuiteSecrets,
  secretsFromEnvironment,
  secretsToEnvironment,
  writeSecrets,
} from "./suite/credentials.ts";
import { parseEnvironmentFile, renderEnvironmentFile } from "./suite/environment-file.ts";
import { runTrafficProgram } from "./suite/traffic-program.ts";

/** Where the roadmap's operator keeps the suite. */
const suiteDirectory = "/root/im-suite";
const address = labServers.a.address;

/** Database, account and bucket of the suite: nothing secret. */
export const suiteNames = { database: "im", user: "im", bucket: "im-attachments" } as const;

/** Every secret of the suite: for tests that search for them where they must not be. */
export function suiteSecrets(): SuiteSecrets {
  const known = readSecrets();
  if (known !== undefined) return known;
  throw new OperatorError("The lab has no suite yet. Type: npm start");
}

/** What `npm run configure` asks an operator who adopts this suite. */
export function suiteCredentials(): AdoptedCredentials {
  const { mysqlRootPassword, redisPassword, minioAccessKey, minioSecretKey } = suiteSecrets();
  return { mysqlRootPassword, redisPassword, minioAccessKey, minioSecretKey };
}

/**
 * The roadmap's suite on server A, running and with a history of 100,000 messages and 240 attachments. Running containers
 * are left alone, stopped ones are started, missing ones are made; a second call changes nothing.
 * @throws OperatorError when an image is missing or the suite does not become healthy.
 */
export async function ensureSuite(): Promise<void> {
  await step("The IM suite on server A", async (progress) => {
    const states = await containerStates();
    const services = availableServices();
    const names = services.map((service) => adoptedContainers[service]);
    const secrets = await ensureSecrets();
    if (names.some((name) => !states.has(name))) {
      progress.detail("writes /root/im-suite");
      await writeFiles(services, secrets);
      progress.detail("docker compose up");
      // --no-recreate: whatever runs keeps running as it is.
      await onServer("a", `cd ${suiteDirectory} && docker compose --ansi never up --detach --no-recreate --no-build`, {
        timeoutSeconds: 900,
        onLine: (line) => progress.detail(line),
      });
    }
    const stopped = names.filter((name) => states.has(name) && states.get(name) !== "running");
    if (stopped.length > 0) await onServer("a", `docker start ${commandLine(stopped)}`, { timeoutSeconds: 120 });
    await setMysqlPasswords(secrets, progress);
    await untilHealthy(services, progress);
    const without = suiteServices.filter((service) => !services.includes(service));
    if (without.length > 0) progress.note(`left out, because no image can be had here: ${without.join(", ")}`);
  });
  await step("History: 100,000 messages, 240 attachments", async (progress) => {
    await runTrafficProgram(["seed", ...databaseArguments()], databaseEnvironment(), (line) => progress.detail(line));
  });
}

export interface ContainerFingerprint {
  readonly id: string;
  readonly startedAt: string;
  readonly restartCount: number;
  readonly state: string;
}

/**
 * Identity of every container of the suite, by name. Equal before and after means that nothing was recreated, restarted or stopped.
 * Its keys have a fixed order, so that two of them can be compared as JSON.
 */
export async function suiteFingerprint(): Promise<Record<string, ContainerFingerprint>> {
  const format = "{{.Name}}|{{.Id}}|{{.State.StartedAt}}|{{.RestartCount}}|{{.State.Status}}";
  const names = Object.values(adoptedContainers).toSorted();
  const present = await containerStates();
  const wanted = names.filter((name) => present.has(name));
  if (wanted.length === 0) return {};
  const result = await onServer("a", `docker inspect --format ${quote(format)} ${commandLine(wanted)}`);
  return Object.fromEntries(
    result.stdout
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", id = "", startedAt = "", restartCount = "", state = ""] = line.split("|");
        return [name.replace(/^\//, ""), { id, startedAt, restartCount: Number(restartCount), state }];
      }),
  );
}

/** Options of im-traffic that say where the suite's databases are. */
export function databaseArguments(): string[] {
  return [
    ...["--mysql", `${address}:${suitePorts.mysql}`, "--user", suiteNames.user, "--database", suiteNames.database],
    ...["--minio", `${address}:${suitePorts.minio}`, "--bucket", suiteNames.bucket],
  ];
}

/** The secrets that go with `databaseArguments`: never arguments, which every user of a machine can read. */
export function databaseEnvironment(): Record<string, string> {
  const { mysqlApplicationPassword, minioAccessKey, minioSecretKey } = suiteSecrets();
  return {
    MYSQL_PASSWORD: mysqlApplicationPassword,
    MINIO_ACCESS_KEY: minioAccessKey,
    MINIO_SECRET_KEY: minioSecretKey,
  };
}

/** Names of the suite's containers that exist on A, with Docker's word for their state. */
async function containerStates(): Promise<Map<string, string>> {
  const result = await onServer("a", "docker ps --all --format '{{.Names}} {{.State}}'");
  const rows = result.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ") as [string, string]);
  return new Map(rows.filter(([name]) => Object.values<string>(adoptedContainers).includes(name)));
}

function availableServices(): SuiteService[] {
  const images = readImages();
  const services = suiteServices.filter((service) => {
    const image = images[service];
    return image !== undefined && "reference" in image;
  });
  const missing = neededServices.filter((service) => !services.includes(service));
  if (missing.length > 0) {
    throw new OperatorError(`The lab has no image of: ${missing.join(", ")}. Type: npm run lab -- images`);
  }
  return services;
}

/**
 * The secrets from the cache; when the cache was thrown away but server A was not, from the suite's own .env, because the
 * databases have them; else new ones.
 */
async function ensureSecrets(): Promise<SuiteSecrets> {
  const known = readSecrets();
  if (known !== undefined) return known;
  const onA = await onServer("a", `if [ -f ${suiteDirectory}/.env ]; then cat ${suiteDirectory}/.env; fi`);
  const secrets = secretsFromEnvironment(parseEnvironmentFile(onA.stdout)) ?? newSecrets();
  writeSecrets(secrets);
  return secrets;
}

async function writeFiles(services: readonly SuiteService[], secrets: SuiteSecrets): Promise<void> {
  const images = readImages();
  const references = services.map((service) => {
    const image = images[service];
    if (image === undefined || !("reference" in image)) throw new Error(`no image of ${service}`);
    return [imageVariable(service), image.reference] as const;
  });
  const environment = renderEnvironmentFile({
    ...Object.fromEntries(references),
    DB_NAME: suiteNames.database,
    DB_USER: suiteNames.user,
    MINIO_BUCKET: suiteNames.bucket,
    ...secretsToEnvironment(secrets),
  });
  await writeFile(".env", environment, "0600");
  await writeFile("docker-compose.yml", renderComposeFile(services), "0644");
  for (const file of ["prometheus.yml", "alerts.yml"]) {
    const path = join("config", "prometheus", file);
    await writeFile(path, readFileSync(join(import.meta.dirname, "suite", path), "utf8"), "0644");
  }
}

async function writeFile(path: string, content: string, mode: "0600" | "0644"): Promise<void> {
  const file = join(suiteDirectory, path);
  const directory = join(file, "..");
  await onServer(
    "a",
    [
      // Prometheus reads its configuration as another user: the folders are open, only .env is not.
      `install --directory --mode 0755 ${suiteDirectory} ${suiteDirectory}/config ${directory}`,
      `cat > ${file}.new`,
      `chmod ${mode} ${file}.new`,
      `mv ${file}.new ${file}`,
    ].join("\n"),
    { input: content },
  );
}

/** Connects as root. mysql2 sends the password in the handshake: no shell, no option file, no argument. */
export async function connectAsRoot(password = suiteSecrets().mysqlRootPassword, database?: string) {
  return await createConnection({
    host: address,
    port: suitePorts.mysql,
    user: "root",
    password,
    connectTimeout: 3000,
    ...(database === undefined ? {} : { database }),
  });
}

/** Waits for MySQL and gives its accounts the passwords that they have in this lab. */
async function setMysqlPasswords(secrets: SuiteSecrets, progress: Step): Promise<void> {
  const deadline = Date.now() + 180_000;
  for (;;) {
    let problem: string;
    try {
      await (await connectAsRoot(secrets.mysqlRootPassword)).end();
      return;
    } catch (error) {
      problem = messageOf(error);
    }
    if (/access denied/i.test(problem)) {
      try {
        await replaceFirstPassword(secrets);
        return;
      } catch (error) {
        problem = messageOf(error);
      }
    }
    if (Date.now() > deadline) {
      throw new OperatorError(
        `MySQL on server A did not accept the lab's password within 180 s: ${problem}. Its log: npm run lab -- ssh a docker logs --tail 30 ${adoptedContainers.mysql}`,
      );
    }
    progress.detail(`waits for MySQL: ${problem}`);
    await sleep(500);
  }
}

async function replaceFirstPassword(secrets: SuiteSecrets): Promise<void> {
  const connection = await connectAsRoot(secrets.mysqlFirstPassword);
  try {
    // One statement: it changes all accounts or none.
    await connection.query(
      "ALTER USER ?@'%' IDENTIFIED BY ?, root@'%' IDENTIFIED BY ?, root@localhost IDENTIFIED BY ?",
      [suiteNames.user, secrets.mysqlApplicationPassword, secrets.mysqlRootPassword, secrets.mysqlRootPassword],
    );
  } finally {
    await connection.end();
  }
}

/** Waits until every service of the suite answers a client outside the server. */
async function untilHealthy(services: readonly SuiteService[], progress: Step): Promise<void> {
  const probes: { readonly [Service in SuiteService]?: readonly [path: string, expected: RegExp] } = {
    backend: ["/health", /"status":"ok"/],
    admin: ["/", /<html/],
    prometheus: ["/-/ready", /./],
    grafana: ["/api/health", /"database": *"ok"/],
  };
  const deadline = Date.now() + 180_000;
  for (const service of services) {
    const probe = probes[service];
    if (probe === undefined) continue;
    const [path, expected] = probe;
    const url = `http://${address}:${suitePorts[service]}${path}`;
    for (;;) {
      const problem = await ask(url, expected);
      if (problem === undefined) break;
      if (Date.now() > deadline) {
        throw new OperatorError(
          `${adoptedContainers[service]} on server A is not healthy after 180 s: ${url} gave ${problem}. Its log: npm run lab -- ssh a docker logs --tail 30 ${adoptedContainers[service]}`,
        );
      }
      progress.detail(`waits for ${adoptedContainers[service]}: ${problem}`);
      await sleep(300);
    }
  }
}

async function ask(url: string, expected: RegExp): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    const text = await response.text();
    if (response.status === 200 && expected.test(text)) return undefined;
    return `status ${response.status}: ${text.slice(0, 120)}`;
  } catch (error) {
    return messageOf(error);
  }
}
