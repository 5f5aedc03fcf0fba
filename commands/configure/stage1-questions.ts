import { existsSync } from "node:fs";
import { createdContainers, type SuiteService, suiteServices } from "../../config/names.ts";
import type { AdoptedCredentials, ServerConfiguration } from "../../config/schema.ts";
import { expandHome, readPrivateKey } from "../../lib/ssh.ts";
import { checkSystem, requireNoRefusal } from "../../preflight/checks.ts";
import type { ServerFacts } from "../../preflight/facts.ts";
import { probe } from "../../preflight/probe.ts";
import { renderTable } from "../table.ts";
import { askAlerts } from "./alert-questions.ts";
import type { Asker, Judgement } from "./ask.ts";
import { askBackups, type BackupQuestions } from "./backup-questions.ts";
import type { Stage1Answers } from "./configuration-file.ts";
import { judgedBy, problemAt } from "./judgement.ts";
import {
  fingerprint,
  scanHostKeys,
  scanHostKeysFrom,
  tryMailServer,
  tryMinio,
  tryRedis,
  trySftp,
  tryStore,
} from "./server-checks.ts";
import { type KnownSuite, proposePort, proposeSuite, reachable, type SuiteProposal } from "./suite-proposal.ts";

type Plain = Record<string, unknown>;

export interface Conversation {
  readonly ask: Asker;
  readonly tell: (text: string) => void;
  /** The configuration as it is now, secrets in clear where they could be read. */
  readonly existing: Plain;
}

const path = "im:servers.a";

/**
 * Asks everything that stage 1 needs; each answer is tried on the real server before the next question. Changes nothing there
 * and writes nothing here.
 */
export async function askStage1(conversation: Conversation): Promise<{ answers: Stage1Answers; facts: ServerFacts }> {
  const { server, facts } = await askServer(conversation);
  const mode = await askMode(conversation, facts);
  if (mode === "create") {
    const images = await askImages(conversation);
    return { answers: { server, suite: { mode, images }, ...(await askProtection(conversation, server)) }, facts };
  }
  const services = await askServices(conversation, facts);
  const existing = (conversation.existing["suite"] ?? {}) as Plain;
  const directory = await conversation.ask.text({
    key: "suite.directory",
    message: "Folder of the suite's compose file on the server (never written):",
    default: textOf(existing["directory"]) ?? "/root/im-suite",
    check: (answer) =>
      problemAt("suite.directory", (raw) => Object.assign(raw, { suite: { mode: "adopt", directory: answer } })),
  });
  const asked = await askCredentials(conversation, server, services, facts);
  return {
    answers: {
      server,
      suite: { mode, directory, services, credentials: asked.credentials },
      ...(await askProtection(conversation, server)),
    },
    facts: { ...facts, mysql: asked.mysql },
  };
}

/** Who hears of trouble, and where the backups go. */
async function askProtection({ ask, tell, existing }: Conversation, server: ServerConfiguration) {
  const known = (key: string) => (existing[key] ?? {}) as Plain;
  return {
    alerts: await askAlerts({
      ask,
      tryMail: async (smarthost) => await tryMailServer(server, smarthost),
      alerts: known("alerts"),
      credentials: known("alertCredentials"),
    }),
    backup: await askBackups({
      ask,
      tell,
      tries: {
        hostKeys: async (host, port) => await scanHostKeysFrom(server, host, port),
        sftp: async (login) => await trySftp(server, login),
        store: async (store) => await tryStore(server, store),
      },
      backup: known("backup"),
      credentials: known("backupCredentials") as BackupQuestions["credentials"],
    }),
  };
}

async function askServer({ ask, tell, existing }: Conversation) {
  const known = ((existing["servers"] as Plain | undefined)?.["a"] ?? {}) as Plain;
  const address = await ask.text({
    key: "servers.a.address",
    message: "Address of the server (IP):",
    default: textOf(known["address"]),
    check: (answer) => problemAt("servers.a.address", (raw) => Object.assign(raw.servers.a, { address: answer })),
  });
  let hostKeys: string[] = [];
  const port = await ask.text({
    key: "servers.a.sshPort",
    message: "Its ssh port:",
    default: String(known["sshPort"] ?? 22),
    check: async (answer) => {
      const problem = problemAt("servers.a.sshPort", (raw) =>
        Object.assign(raw.servers.a, { sshPort: numberOf(answer) }),
      );
      if (problem !== true) return problem;
      hostKeys = await scanHostKeys(address, Number(answer));
      return hostKeys.length > 0
        ? true
        : `nothing answers as an ssh server at ${address}, port ${answer}. Expected a running sshd; check address, port and firewall.`;
    },
  });
  const sshPort = Number(port);
  const hostKey = await askHostKey(
    { ask, tell, existing },
    `${address}, port ${sshPort}`,
    hostKeys,
    textOf(known["hostKey"]),
  );

  let facts: ServerFacts | undefined;
  const connection = (privateKeyFile: string): ServerConfiguration => ({
    address,
    sshPort,
    user: "root",
    privateKeyFile,
    hostKey,
  });
  const privateKeyFile = await ask.text({
    key: "servers.a.privateKeyFile",
    message: "Private ssh key for root there (a file without a passphrase):",
    default: textOf(known["privateKeyFile"]) ?? standardKey(),
    check: async (answer) =>
      await judged(async () => {
        readPrivateKey(answer, `${path}.privateKeyFile`);
        facts = (await probe(connection(answer), path)).facts;
      }),
  });
  if (facts === undefined) throw new Error("the private key was accepted without a look at the server");
  tell(describe(facts));
  requireNoRefusal(checkSystem(path, address, facts));
  return { server: connection(privateKeyFile), facts };
}

/** The key that the server shows is pinned only after a person has compared it, or when it is the one that was pinned before. */
async function askHostKey(
  { ask, tell }: Conversation,
  where: string,
  hostKeys: readonly string[],
  pinned: string | undefined,
): Promise<string> {
  if (pinned !== undefined && hostKeys.includes(pinned)) {
    tell(`Host key: the pinned one (${fingerprint(pinned)}).`);
    return pinned;
  }
  const hostKey = hostKeys[0] ?? "";
  const file = `/etc/ssh/ssh_host_${(hostKey.split(" ")[0] ?? "").replace(/^ssh-|-sha2-.*$/g, "")}_key.pub`;
  tell(
    [
      pinned === undefined
        ? `${where} shows this host key:`
        : `WARNING: ${where} shows another host key than the pinned one.`,
      ...(pinned === undefined ? [] : [`  pinned  ${fingerprint(pinned)}`]),
      `  shown   ${fingerprint(hostKey)}  (${hostKey.split(" ")[0]})`,
      "Compare it by another way than this network: on the server's console at your provider, type",
      `  ssh-keygen -lf ${file}`,
    ].join("\n"),
  );
  await ask.text({
    key: "servers.a.hostKey",
    message: "Is it the same? Type yes, or paste the fingerprint that the console shows:",
    check: (answer) => {
      if (answer === fingerprint(hostKey) || answer === hostKey) return true;
      if (/^(SHA256:|ssh-|ecdsa-)/.test(answer))
        return "this is another key than the server shows: somebody may be in between. Do not go on.";
      // A file cannot compare anything: there the fingerprint itself is the answer.
      if (!ask.isPerson) return "expected the fingerprint that the server's console shows";
      return answer === "yes" ? true : 'expected "yes" or the fingerprint; Ctrl-C leaves everything as it was';
    },
  });
  return hostKey;
}

async function askMode({ ask, existing }: Conversation, facts: ServerFacts): Promise<"adopt" | "create"> {
  const known = textOf((existing["suite"] as Plain | undefined)?.["mode"]);
  const running = facts.containers.some((one) => one.status === "running" && one.stage === "");
  return await ask.choose({
    key: "suite.mode",
    message: "The suite:",
    default: known === "adopt" || known === "create" ? known : running ? "adopt" : "create",
    choices: [
      {
        value: "adopt",
        name: "adopt: it already runs on this server; nothing of it is changed",
        disabled: facts.docker === undefined ? "this server has no running Docker Engine" : undefined,
      },
      { value: "create", name: "create: this server is empty" },
    ],
  });
}

async function askImages({ ask, existing }: Conversation): Promise<{ backend?: string; admin?: string }> {
  const known = (existing["images"] ?? {}) as Plain;
  const image = async (key: "backend" | "admin", what: string) => {
    const answer = await ask.text({
      key: `images.${key}`,
      message: `Image of your ${what} (empty: this suite has none yet):`,
      default: textOf(known[key]) ?? "",
      check: (given) =>
        given === "" ? true : problemAt(`images.${key}`, (raw) => Object.assign(raw, { images: { [key]: given } })),
    });
    return answer === "" ? {} : { [key]: answer };
  };
  return { ...(await image("backend", "backend (API, port 8080)")), ...(await image("admin", "admin page (port 80)")) };
}

/** Which container is what. Usually one question; otherwise one for each service and its port. */
async function askServices({ ask, tell, existing }: Conversation, facts: ServerFacts): Promise<SuiteProposal> {
  const known = knownSuite(existing);
  const proposal = proposeSuite(facts, known);
  tell(`What runs on the server:\n${describeProposal(proposal, facts)}`);
  const hasDatabase = proposal.mysql !== undefined;
  const asFound = await ask.confirm({ key: "suite.asFound", message: "Is this your suite?", default: hasDatabase });
  if (asFound && hasDatabase) return proposal;
  const running = facts.containers.filter((one) => one.status === "running" && one.stage === "");
  const none = "(none)";
  const services: SuiteProposal = {};
  for (const service of suiteServices) {
    const container = await ask.choose({
      key: `suite.containers.${service}`,
      message: `Container that runs ${service}:`,
      default: proposal[service]?.container ?? (service === "mysql" ? undefined : none),
      choices: [
        ...running.map((one) => ({ value: one.name, name: `${one.name}  ${one.image}` })),
        ...(service === "mysql" ? [] : [{ value: none, name: `this suite has no ${service}` }]),
      ],
    });
    const chosen = running.find((one) => one.name === container);
    if (chosen === undefined) continue;
    const port = await ask.text({
      key: `suite.ports.${service}`,
      message: `Port on the server where ${service} is reached:`,
      default: String(proposePort(service, chosen, facts, known.ports[service])),
      check: (answer) =>
        reachable(numberOf(answer), chosen, facts)
          ? true
          : `nothing listens on port ${answer} of the server; ${container} publishes ${chosen.published.map((one) => one.port).join(", ") || "none"}`,
    });
    services[service] = { container, port: Number(port) };
  }
  return services;
}

async function askCredentials(
  { ask, tell, existing }: Conversation,
  server: ServerConfiguration,
  services: SuiteProposal,
  facts: ServerFacts,
): Promise<{ credentials: AdoptedCredentials; mysql: ServerFacts["mysql"] }> {
  const known = (existing["adoptedCredentials"] ?? {}) as Plain;
  const nothing = { redisPassword: "", minioAccessKey: "", minioSecretKey: "" };
  let mysql: ServerFacts["mysql"];
  const mysqlRootPassword = await ask.secret({
    key: "adoptedCredentials.mysqlRootPassword",
    message: "MySQL: password of root:",
    current: textOf(known["mysqlRootPassword"]),
    check: async (answer) => {
      const problem = secretProblem("mysqlRootPassword", answer);
      if (problem !== true) return problem;
      const container = services.mysql?.container ?? "";
      const credentials = { ...nothing, mysqlRootPassword: answer };
      const judgement = await judged(async () => {
        mysql = (await probe(server, path, { mysql: { container, credentials } })).facts.mysql;
      });
      if (judgement !== true || mysql === undefined || !("error" in mysql)) return judgement;
      return `MySQL in ${container} says: ${mysql.error}`;
    },
  });

  let redisPassword = "";
  const redis = services.redis?.container;
  if (redis !== undefined && (await tryRedis(server, redis, "")) === true) {
    tell(`Redis in ${redis} has no password.`);
  } else if (redis !== undefined) {
    redisPassword = await ask.secret({
      key: "adoptedCredentials.redisPassword",
      message: "Redis: its password:",
      current: textOf(known["redisPassword"]),
      check: async (answer) => {
        const problem = secretProblem("redisPassword", answer);
        return problem === true ? await judgedBy(() => tryRedis(server, redis, answer)) : problem;
      },
    });
  }

  let minioAccessKey = "";
  let minioSecretKey = "";
  const minio = services.minio;
  if (minio !== undefined) {
    minioAccessKey = await ask.secret({
      key: "adoptedCredentials.minioAccessKey",
      message: "MinIO: access key (the root user):",
      current: textOf(known["minioAccessKey"]),
      check: (answer) => secretProblem("minioAccessKey", answer),
    });
    minioSecretKey = await ask.secret({
      key: "adoptedCredentials.minioSecretKey",
      message: "MinIO: secret key:",
      current: textOf(known["minioSecretKey"]),
      check: async (answer) => {
        const problem = secretProblem("minioSecretKey", answer);
        const keys = { accessKey: minioAccessKey, secretKey: answer };
        if (problem !== true) return problem;
        return await judgedBy(() => tryMinio(server, minio.port, keys, facts.clockOffsetSeconds));
      },
    });
  }
  return { credentials: { mysqlRootPassword, redisPassword, minioAccessKey, minioSecretKey }, mysql };
}

/** The same for a check that says no more than that it failed. */
async function judged(work: () => Promise<void>): Promise<Judgement> {
  return await judgedBy(async () => {
    await work();
    return true;
  });
}

function secretProblem(key: keyof AdoptedCredentials, answer: string): Judgement {
  if (key === "mysqlRootPassword" && answer === "") return "expected a password: root must have one";
  const right = { mysqlRootPassword: "x", minioAccessKey: "12345678", minioSecretKey: "12345678" };
  return problemAt(`adoptedCredentials.${key}`, (raw) =>
    Object.assign(raw, { suite: { mode: "adopt" }, adoptedCredentials: { ...right, [key]: answer } }),
  );
}

function knownSuite(existing: Plain): KnownSuite {
  const suite = (existing["suite"] ?? {}) as Plain;
  if (suite["mode"] !== "adopt") return { containers: {}, ports: {}, without: [] };
  return {
    containers: (suite["containers"] ?? {}) as KnownSuite["containers"],
    ports: (suite["ports"] ?? {}) as KnownSuite["ports"],
    without: (suite["without"] ?? []) as SuiteService[],
  };
}

function describe(facts: ServerFacts): string {
  const running = facts.containers.filter((one) => one.status === "running").length;
  const ours = facts.containers.filter((one) =>
    (Object.values(createdContainers) as string[]).includes(one.name),
  ).length;
  return [
    `Reached: ${facts.system.name}, ${facts.system.architecture}, ${facts.memoryMiB.total} MiB of memory, ${facts.disks.state.availableMiB} MiB free;`,
    facts.docker === undefined
      ? "no Docker Engine."
      : `Docker Engine ${facts.docker}, ${running} containers running${ours > 0 ? `, ${ours} of them ours` : ""}.`,
  ].join(" ");
}

function describeProposal(proposal: SuiteProposal, facts: ServerFacts): string {
  const rows = suiteServices.map((service) => {
    const found = proposal[service];
    const image = facts.containers.find((one) => one.name === found?.container)?.image.replace(/@sha256:.*$/, "") ?? "";
    return [service, found?.container ?? "(none)", found === undefined ? "" : String(found.port), image];
  });
  return renderTable(["service", "container", "port", "image"], rows).trimEnd();
}

/** The key made for this program, else the user's usual one. */
function standardKey(): string | undefined {
  return ["~/.ssh/im-suite-ha", "~/.ssh/id_ed25519"].find((file) => existsSync(expandHome(file)));
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Digits only: `0x50` and `80 ` would be numbers to JavaScript. */
function numberOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
