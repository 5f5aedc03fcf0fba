import type { Configuration } from "../../config/schema.ts";
import { checkStage1, type Finding } from "../../preflight/checks.ts";
import type { ServerFacts } from "../../preflight/facts.ts";
import { type Inventory, type Observed, serviceOf } from "./observe.ts";

/**
 * - `fact`, only told.
 * - `ok`, as it should be.
 * - `note`, worth knowing, nothing to do at once.
 * - `drift`, not what the stacks put there.
 * - `unhealthy`, as it was put there, but it does not do its work.
 * - `refuse`, the next preview would refuse.
 */
export type Verdict = "fact" | "ok" | "note" | "drift" | "unhealthy" | "refuse";

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly verdict: Verdict;
  /** What of the inventory it is about. */
  readonly subject?: { readonly kind: "file" | "unit" | "container" | "account"; readonly name: string };
}

/** A server is clean when nothing drifted, nothing is unhealthy and nothing refuses. */
export function isClean(rows: readonly Row[]): boolean {
  return rows.every((row) => !["drift", "unhealthy", "refuse"].includes(row.verdict));
}

/** Compares what the stacks put on a server with what is there. */
export function compareInventory(inventory: Inventory, observed: Observed, facts: ServerFacts): Row[] {
  return [
    ...inventory.files.map((file) => compareFile(file, observed)),
    ...inventory.units.flatMap((unit) => compareUnit(unit, observed)),
    ...inventory.containers.map((name) => compareContainer(name, facts)),
    ...inventory.mysqlAccounts.map((account) => compareAccount(account, observed)),
  ];
}

function compareFile(file: Inventory["files"][number], observed: Observed): Row {
  const what = `file ${file.path}`;
  const subject = { kind: "file", name: file.path } as const;
  const mode = octal(file.mode);
  const expected = [mode, file.owner, file.sha256 === undefined ? "(secret)" : shortened(file.sha256)]
    .filter((part) => part !== undefined)
    .join(" ");
  const found = observed.files.get(file.path);
  if (found === undefined) return { what, expected, found: "missing", verdict: "drift", subject };
  const same =
    found.mode === mode &&
    (file.owner === undefined || found.owners.includes(file.owner)) &&
    (file.sha256 === undefined || found.sha256 === file.sha256);
  const content =
    file.sha256 === undefined ? "(secret)" : found.sha256 === undefined ? "no file" : shortened(found.sha256);
  const owner = file.owner === undefined ? [] : [found.owners.includes(file.owner) ? file.owner : found.owners[0]];
  return { what, expected, found: [found.mode, ...owner, content].join(" "), verdict: same ? "ok" : "drift", subject };
}

/** The mode as `stat` prints it. */
function octal(mode: string): string {
  return Number.parseInt(mode, 8).toString(8);
}

function shortened(hash: string): string {
  return `sha256 ${hash.slice(0, 12)}`;
}

function compareUnit(unit: string, observed: Observed): Row[] {
  const found = observed.units.get(unit);
  const rows: Row[] = [
    {
      what: `unit ${unit}`,
      expected: "active, enabled",
      found:
        found === undefined || found.active === "" ? "missing" : `${found.active}, ${found.enabled || "not installed"}`,
      verdict: found?.active === "active" && ["enabled", "static"].includes(found.enabled) ? "ok" : "drift",
      subject: { kind: "unit", name: unit },
    },
  ];
  const service = serviceOf(unit);
  const last = observed.units.get(service);
  if (service !== unit && last !== undefined) {
    rows.push({
      what: `last run of ${service}`,
      expected: "exit code 0",
      found:
        last.active === "activating"
          ? "running now"
          : last.ended === ""
            ? "not yet"
            : `exit code ${last.exitCode}, ${last.ended}`,
      verdict: last.active === "activating" || last.ended === "" ? "note" : last.exitCode === 0 ? "ok" : "unhealthy",
    });
  }
  return rows;
}

function compareContainer(name: string, facts: ServerFacts): Row {
  const container = facts.containers.find((one) => one.name === name);
  const restarts = container?.restartCount ?? 0;
  return {
    what: `container ${name}`,
    expected: "running",
    found:
      container === undefined
        ? "missing"
        : `${container.status}${restarts === 0 ? "" : `, restarted ${restarts} times by itself`}`,
    verdict: container?.status !== "running" ? "drift" : restarts === 0 ? "ok" : "note",
    subject: { kind: "container", name },
  };
}

function compareAccount(account: string, observed: Observed): Row {
  const what = `MySQL account ${account}`;
  const subject = { kind: "account", name: account } as const;
  const { mysqlAccounts } = observed;
  if ("error" in mysqlAccounts) {
    return { what, expected: "exists", found: `cannot be asked: ${mysqlAccounts.error}`, verdict: "unhealthy" };
  }
  const exists = mysqlAccounts.includes(account);
  return { what, expected: "exists", found: exists ? "exists" : "missing", verdict: exists ? "ok" : "drift", subject };
}

/** What the preflights know of a server: its facts, then each finding as they would say it. */
export function preflightRows(configuration: Configuration, facts: ServerFacts): Row[] {
  return [...factRows(configuration, facts), ...checkStage1(configuration, facts).map(findingRow)];
}

function factRows(configuration: Configuration, facts: ServerFacts): Row[] {
  const { suite } = configuration;
  const fact = (what: string, expected: string, found: string): Row => ({ what, expected, found, verdict: "fact" });
  const { mysql } = facts;
  return [
    fact("system", "Debian 11-13, Ubuntu 20.04-24.04", `${facts.system.name}, ${facts.system.architecture}`),
    fact("memory available", "", `${facts.memoryMiB.available} of ${facts.memoryMiB.total} MiB`),
    fact("disk free for /var/lib", "", `${facts.disks.state.availableMiB} of ${facts.disks.state.totalMiB} MiB`),
    fact("clock", "within 5 s of this machine", `${facts.clockOffsetSeconds.toFixed(1)} s off`),
    fact("Docker Engine", suite.mode === "adopt" ? "running" : "", facts.docker ?? "none"),
    ...(suite.mode === "adopt"
      ? Object.entries(suite.containers)
          .filter(([service]) => !(suite.without as readonly string[]).includes(service))
          .map(([, name]) => {
            const container = facts.containers.find((one) => one.name === name);
            return {
              what: `adopted ${name}`,
              expected: "running",
              found:
                container === undefined ? "missing" : `${container.status} since ${container.startedAt.slice(0, 19)}Z`,
              verdict: container?.status === "running" ? "ok" : "refuse",
            } satisfies Row;
          })
      : []),
    ...(mysql === undefined || "error" in mysql
      ? []
      : [
          fact("MySQL version", "8.0.26 or later", mysql.version),
          fact("MySQL binary log", "on", mysql.logBin ? `on, ${mysql.binlogFormat}` : "off"),
          fact("MySQL page size", "16384", String(mysql.innodbPageSize)),
          fact("MySQL data", "", `${mysql.dataMiB} MiB, GTID mode ${mysql.gtidMode}`),
        ]),
  ];
}

function findingRow(finding: Finding): Row {
  return {
    what: finding.path,
    expected: "",
    found: finding.message.replace(/^= /, ""),
    verdict: finding.level === "refuse" ? "refuse" : "note",
  };
}
