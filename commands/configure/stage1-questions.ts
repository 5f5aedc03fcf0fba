import { type SuiteService, suiteServices } from "../../config/names.ts";
import type { AdoptedCredentials, ServerConfiguration } from "../../config/schema.ts";
import type { ServerFacts } from "../../preflight/facts.ts";
import { probe } from "../../preflight/probe.ts";
import { renderTable } from "../table.ts";
import { askAlerts } from "./alert-questions.ts";
import type { Judgement } from "./ask.ts";
import { askBackups, type BackupQuestions } from "./backup-questions.ts";
import type { Stage1Answers } from "./configuration-file.ts";
import { judgedBy, problemAt } from "./judgement.ts";
import { scanHostKeysFrom, tryMailServer, tryMinio, tryRedis, trySftp, tryStore } from "./server-checks.ts";
import { askServer, type Conversation, judged, numberOf, type Plain, textOf } from "./server-questions.ts";
import { type KnownSuite, proposePort, proposeSuite, reachable, type SuiteProposal } from "./suite-proposal.ts";

const path = "im:servers.a";

/**
 * Asks everything that stage 1 needs; each answer is tried on the real server before the next question. Changes nothing there
 * and writes nothing here.
 */
export async function askStage1(conversation: Conversation): Promise<{ answers: Stage1Answers; facts: ServerFacts }> {
  const known = ((conversation.existing["servers"] as Plain | undefined)?.["a"] ?? {}) as Plain;
  const { server, facts } = await askServer(conversation, { key: "servers.a", what: "the server", known });
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

function describeProposal(proposal: SuiteProposal, facts: ServerFacts): string {
  const rows = suiteServices.map((service) => {
    const found = proposal[service];
    const image = facts.containers.find((one) => one.name === found?.container)?.image.replace(/@sha256:.*$/, "") ?? "";
    return [service, found?.container ?? "(none)", found === undefined ? "" : String(found.port), image];
  });
  return renderTable(["service", "container", "port", "image"], rows).trimEnd();
}
