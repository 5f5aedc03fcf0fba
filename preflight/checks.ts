import {
  backupDirectory,
  createdContainers,
  createOnceDirectory,
  dataDirectory,
  exporterContainers,
  monitoringContainers,
  type SuiteService,
  suiteServices,
} from "../config/names.ts";
import { ownPorts } from "../config/ports.ts";
import type { AdoptedSuite, Configuration, CreatedSuite } from "../config/schema.ts";
import { OperatorError } from "../lib/errors.ts";
import type { ContainerFacts, ServerFacts } from "./facts.ts";

/**
 * The judgement of a server before anything is touched. Pure: facts and configuration in, findings out, so that the
 * program, `configure` and `doctor` say the same sentences.
 */
export interface Finding {
  /** `refuse` stops the preview; `warn` and `info` are printed. */
  readonly level: "refuse" | "warn" | "info";
  /** The config path it is about. */
  readonly path: string;
  /** What is there, what is expected, what to type. */
  readonly message: string;
}

/** What the bootstrap and the tests cover. */
const supportedSystems: Readonly<Record<string, readonly string[]>> = {
  debian: ["11", "12", "13"],
  ubuntu: ["20.04", "22.04", "24.04"],
};

/** Least sizes for a stage 1 server. Adopt adds four small exporters, a Prometheus and an Alertmanager; create runs the whole suite. */
const needs = {
  adopt: { memoryAvailableMiB: 512, diskAvailableMiB: 2048 },
  create: { memoryAvailableMiB: 1800, diskAvailableMiB: 10_240 },
} as const;

/** The oldest MySQL that has all online variables that the later stages set. */
const oldestMysql = [8, 0, 26] as const;

/** Create-once secrets without which the data of a service cannot be opened again. Redis keeps no password in its data. */
const secretsOfData: Readonly<Partial<Record<SuiteService, readonly string[]>>> = {
  mysql: ["mysql-root-password", "mysql-application-password"],
  minio: ["minio-secret-key"],
  grafana: ["grafana-admin-password"],
};

/** Judges server a for stage 1. */
export function checkStage1(configuration: Configuration, facts: ServerFacts): Finding[] {
  const path = "im:servers.a";
  const address = configuration.servers.a?.address ?? "";
  const { suite } = configuration;
  return [
    ...checkSystem(path, address, facts),
    ...checkResources(path, suite.mode, facts),
    ...(suite.mode === "adopt" ? checkAdopt(suite, facts) : checkCreate(suite, facts)),
    ...checkOwnPorts(suite, facts),
    ...checkBackupSpace(configuration, facts),
  ];
}

/** Whether this kind of server is supported at all: asked before anything else. */
export function checkSystem(path: string, address: string, facts: ServerFacts): Finding[] {
  const findings: Finding[] = [];
  const { id, version, name, architecture } = facts.system;
  if (!(supportedSystems[id] ?? []).includes(version)) {
    findings.push(
      refuse(
        path,
        `${address} runs ${name || "an unknown system"}. Supported are Debian 11-13 and Ubuntu 20.04, 22.04 and 24.04.`,
      ),
    );
  }
  if (!["x86_64", "aarch64"].includes(architecture)) {
    findings.push(refuse(path, `${address} has the architecture ${architecture}. Supported are x86_64 and aarch64.`));
  }
  if (!facts.root) findings.push(refuse(`${path}.user`, `the login on ${address} is not root. Log in as root.`));
  for (const panel of facts.panels) {
    findings.push(
      refuse(
        path,
        `${address} is run by the hosting panel ${panel}, which rewrites the firewall, Docker and cron jobs by itself. Use a server without a panel.`,
      ),
    );
  }
  if (Math.abs(facts.clockOffsetSeconds) > 5) {
    findings.push(
      warn(
        path,
        `the clock of ${address} differs from this machine's by ${facts.clockOffsetSeconds.toFixed(0)} s. Expected less than 5 s; check time synchronisation (timedatectl).`,
      ),
    );
  }
  return findings;
}

function checkResources(path: string, mode: "adopt" | "create", facts: ServerFacts): Finding[] {
  const findings: Finding[] = [];
  const need = needs[mode];
  // A created suite that already runs has taken its memory: only the first run is measured.
  const running = facts.containers.some((container) => container.stage !== "");
  if (!running && facts.memoryMiB.available < need.memoryAvailableMiB) {
    findings.push(
      refuse(
        path,
        `${facts.memoryMiB.available} MiB of memory are available. suite.mode: ${mode} needs ${need.memoryAvailableMiB} MiB.`,
      ),
    );
  }
  if (!running && facts.disks.state.availableMiB < need.diskAvailableMiB) {
    findings.push(
      refuse(
        path,
        `${facts.disks.state.availableMiB} MiB of disk are free for /var/lib. suite.mode: ${mode} needs ${need.diskAvailableMiB} MiB.`,
      ),
    );
  }
  return findings;
}

function checkAdopt(suite: AdoptedSuite, facts: ServerFacts): Finding[] {
  if (facts.docker === undefined) {
    return [
      refuse(
        "im:suite.mode",
        'mode "adopt" needs a running Docker Engine with the suite, and this server has none. For an empty server type: suite: {mode: create}; if Docker is only stopped: systemctl start docker on the server.',
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const service of suiteServices) {
    if (suite.without.includes(service)) continue;
    findings.push(...checkAdoptedContainer(service, suite, facts));
  }
  findings.push(...checkMysql(suite, facts));
  return findings;
}

function checkAdoptedContainer(service: SuiteService, suite: AdoptedSuite, facts: ServerFacts): Finding[] {
  const name = suite.containers[service];
  const path = `im:suite.containers.${service}`;
  const container = facts.containers.find((one) => one.name === name);
  if (container === undefined) {
    return [
      refuse(
        path,
        `= "${name}": there is no such container on the server. Name the one that runs ${service}, or add "${service}" to im:suite.without.`,
      ),
    ];
  }
  if (container.status !== "running") {
    return [
      refuse(
        path,
        `= "${name}": the container is ${container.status}. Expected a running one; type on the server: docker ${container.status === "paused" ? "unpause" : "start"} ${name}`,
      ),
    ];
  }
  const findings = checkAdoptedPort(service, suite, container, facts);
  if (container.restartPolicy === "" || container.restartPolicy === "no") {
    findings.push(
      warn(
        path,
        `= "${name}": the container does not restart by itself after a reboot (restart policy "no"). Type on the server: docker update --restart unless-stopped ${name}`,
      ),
    );
  }
  return findings;
}

/** Health check and exporters reach a service through its port on the server: a wrong one must be found before they are made. */
function checkAdoptedPort(
  service: SuiteService,
  suite: AdoptedSuite,
  container: ContainerFacts,
  facts: ServerFacts,
): Finding[] {
  if (service === "prometheus" || service === "grafana") return [];
  const port = suite.ports[service];
  const published = container.published.map((one) => one.port);
  if (published.includes(port) || facts.listeners.some((one) => one.port === port)) return [];
  const found =
    published.length === 0 ? "the container publishes no port" : `the container publishes ${published.join(", ")}`;
  return [
    refuse(
      `im:suite.ports.${service}`,
      `= ${port}: nothing listens there on the server; ${found}. Expected the port on which ${container.name} is reached on the server.`,
    ),
  ];
}

function checkMysql(suite: AdoptedSuite, facts: ServerFacts): Finding[] {
  const { mysql } = facts;
  if (mysql === undefined) return [];
  if ("error" in mysql) {
    if (!/access denied/i.test(mysql.error)) {
      return [
        refuse(
          "im:suite.containers.mysql",
          `= "${suite.containers.mysql}": MySQL does not answer: ${mysql.error}. Expected a running MySQL 8.0.26 or later (MariaDB is not supported).`,
        ),
      ];
    }
    return [
      refuse(
        "im:adoptedCredentials.mysqlRootPassword",
        `root cannot log in to MySQL in ${suite.containers.mysql}: ${mysql.error}. Expected the password of 'root'@'localhost'; type: npm run configure`,
      ),
    ];
  }
  const findings: Finding[] = [];
  const restart = `This needs one planned restart of ${suite.containers.mysql} by you, before stage 1.`;
  if (olderThan(mysql.version, oldestMysql)) {
    findings.push(
      refuse("im:suite", `MySQL is ${mysql.version}. Expected 8.0.26 or later. Upgrade it first. ${restart}`),
    );
  }
  if (!mysql.logBin) {
    findings.push(
      refuse(
        "im:suite",
        `MySQL runs without a binary log, so neither point-in-time recovery nor a replica is possible. Remove skip-log-bin / disable-log-bin from its configuration. ${restart}`,
      ),
    );
  }
  if (mysql.innodbPageSize !== 16_384) {
    findings.push(
      refuse(
        "im:suite",
        `MySQL has innodb_page_size ${mysql.innodbPageSize}. Expected 16384; other sizes need a dump into a new server. ${restart}`,
      ),
    );
  }
  return findings;
}

/** Compares "8.0.26-log" with [8, 0, 26]. */
export function olderThan(version: string, than: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, wanted] of than.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}

function checkCreate(suite: CreatedSuite, facts: ServerFacts): Finding[] {
  const findings: Finding[] = [];
  for (const service of suiteServices) {
    if (suite.without.includes(service)) continue;
    const name = createdContainers[service];
    const container = facts.containers.find((one) => one.name === name);
    if (container !== undefined && container.stage === "") {
      findings.push(
        refuse(
          "im:suite.mode",
          `mode "create" would make the container ${name}, but one that is not ours already exists. To keep it: suite: {mode: adopt}; to give it up, remove it yourself.`,
        ),
      );
    }
    findings.push(...checkPort(`im:suite.ports.${service}`, suite.ports[service], facts, name));
    if (service === "minio") {
      findings.push(...checkPort("im:suite.ports.minioConsole", suite.ports.minioConsole, facts, name));
    }
  }
  for (const [service, secrets] of Object.entries(secretsOfData)) {
    const lost = secrets.filter((secret) => !facts.createOnceSecrets.includes(secret));
    if (lost.length === 0 || !facts.createdData.includes(service)) continue;
    findings.push(
      refuse(
        "im:suite.mode",
        `the server holds the data of an earlier suite (${dataDirectory}/${service}), but its password (${lost.map((secret) => `${createOnceDirectory}/${secret}`).join(", ")}) is gone. New passwords would not open old data: put the file back from your backup, or move the data away.`,
      ),
    );
  }
  const adoptable = facts.containers.filter((one) => /^im-.*-prod$/.test(one.name));
  if (adoptable.length > 0) {
    findings.push(
      refuse(
        "im:suite.mode",
        `mode "create" on a server where the suite already exists (${adoptable.map((one) => one.name).join(", ")}). Expected an empty server; to keep this suite: suite: {mode: adopt}`,
      ),
    );
  }
  return findings;
}

function checkOwnPorts(suite: Configuration["suite"], facts: ServerFacts): Finding[] {
  const ours = [
    "nodeExporter",
    ...(suite.without.includes("mysql") ? [] : ["mysqldExporter" as const]),
    ...(suite.without.includes("redis") ? [] : ["redisExporter" as const]),
    "blackboxExporter",
  ] as const;
  const monitoring = [
    // A created suite's own Prometheus is checked with the suite's ports, and without it there are no alerts.
    ...(suite.mode === "adopt" ? ["prometheus" as const] : []),
    ...(suite.mode === "adopt" || !suite.without.includes("prometheus") ? ["alertmanager" as const] : []),
  ];
  return [
    ...ours.flatMap((name) => checkPort("im:servers.a", ownPorts[name], facts, exporterContainers[name])),
    ...monitoring.flatMap((name) => checkPort("im:servers.a", ownPorts[name], facts, monitoringContainers[name])),
  ];
}

/** The dump in staging, the repository, and the restore test's dump and database: about four times the data. */
function checkBackupSpace(configuration: Configuration, facts: ServerFacts): Finding[] {
  const { mysql } = facts;
  if (!configuration.backup.enabled || mysql === undefined || "error" in mysql) return [];
  const needed = 4 * mysql.dataMiB + 1024;
  if (facts.disks.state.availableMiB >= needed) return [];
  return [
    warn(
      "im:backup",
      `${facts.disks.state.availableMiB} MiB of disk are free for ${backupDirectory}. Backup and restore test of ${mysql.dataMiB} MiB in MySQL need about ${needed} MiB, and twice the objects in MinIO. Make room, or backups will fail when the disk is full.`,
    ),
  ];
}

/** A port is free, or the container of ours that is meant to listen there exists: after a first `up` the same check must pass. */
function checkPort(path: string, port: number, facts: ServerFacts, container: string): Finding[] {
  const listener = facts.listeners.find((one) => one.port === port);
  const ours = facts.containers.some((one) => one.name === container && one.stage !== "");
  if (listener === undefined || ours) return [];
  return [
    refuse(
      path,
      `port ${port}, meant for ${container}, is already in use on the server by ${listener.process || "another program"} (${listener.address}:${port}). Stop that program, or choose another port.`,
    ),
  ];
}

export function refuse(path: string, message: string): Finding {
  return { level: "refuse", path, message };
}

export function warn(path: string, message: string): Finding {
  return { level: "warn", path, message };
}

/** One line as an operator reads it. */
export function formatFinding(finding: Finding): string {
  return finding.message.startsWith("= ")
    ? `${finding.path} ${finding.message}`
    : `${finding.path}: ${finding.message}`;
}

/** Stops when a finding refuses; all refusals are named at once, so that one run tells everything. */
export function requireNoRefusal(findings: readonly Finding[]): void {
  const refusals = findings.filter((finding) => finding.level === "refuse");
  if (refusals.length === 0) return;
  throw new OperatorError(
    `Nothing was changed. Before this can go on:\n${refusals.map((finding) => `  ${formatFinding(finding)}`).join("\n")}`,
  );
}
