import { loadConfiguration } from "../config/load.ts";
import { createdContainers, healthCheckLog } from "../config/names.ts";
import type { Configuration, ServerAlias, ServerConfiguration } from "../config/schema.ts";
import { OperatorError, runMain } from "../lib/errors.ts";
import { colour } from "../lib/progress.ts";
import { readPrivateKey } from "../lib/ssh.ts";
import { probe, probeOptionsFor } from "../preflight/probe.ts";
import { endQuietlyWithoutReader, parseOptions } from "./command-line.ts";
import { compareInventory, isClean, preflightRows, type Row, type Verdict } from "./doctor/compare.ts";
import { type Inventory, inventorySchema, parseObserved, renderQuestions } from "./doctor/observe.ts";
import { diagnosePair } from "./doctor/pair.ts";
import { repairCommands } from "./doctor/repair.ts";
import {
  chooseStack,
  foundationBelow,
  pulumiRunner,
  readFlatConfiguration,
  readOutputs,
  readResources,
} from "./pulumi-cli.ts";
import { renderTable } from "./table.ts";

const help = `npm run doctor -- -s stage1 [--json] [--lab | --config-file FILE]

Looks at the servers of a stack and changes nothing: everything that a preview checks, and whether what the last "pulumi up"
put there is still there and unchanged (files, units, containers, MySQL accounts, the last health check).

  -s, --stack NAME     the stack, for example stage1
  --config-file FILE   the configuration of a stack of yours
  --lab                the lab's stack of that name
  --problems           only the rows that are not ok
  --json               for programs

Without --config-file and --lab: your own stack when Pulumi.<stack>.yaml of this folder has been filled in (npm run configure
does that), else the lab's. Your own stack is read with your own Pulumi login.

Exit code 0: all is as it should be. 1: something drifted, or the next preview would refuse.
`;

/** What the last `up` put on each server. */
function inventories(outputs: Record<string, unknown> | undefined): Partial<Record<string, Inventory>> {
  const inventory = outputs?.["inventory"];
  if (inventory === undefined) return {};
  return Object.fromEntries(
    Object.entries(inventory as Record<string, unknown>).map(([alias, one]) => [alias, inventorySchema.parse(one)]),
  );
}

/** Looks at every server, side by side. One that cannot be reached is a row of its own: the others still count. */
async function diagnose(
  configuration: Configuration,
  inventory: Partial<Record<string, Inventory>>,
): Promise<Record<string, Row[]>> {
  const entries = Object.entries(configuration.servers) as [ServerAlias, ServerConfiguration][];
  const rows = await Promise.all(
    entries.map(async ([alias, server]): Promise<[string, Row[]]> => {
      try {
        return [alias, await diagnoseServer(configuration, alias, server, inventory[alias])];
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        return [
          alias,
          [{ what: "connection", expected: "a look at the server", found: error.message, verdict: "refuse" }],
        ];
      }
    }),
  );
  return Object.fromEntries(rows);
}

async function diagnoseServer(
  configuration: Configuration,
  alias: ServerAlias,
  server: ServerConfiguration,
  inventory: Inventory | undefined,
): Promise<Row[]> {
  const configPath = `im:servers.${alias}`;
  readPrivateKey(server.privateKeyFile, `${configPath}.privateKeyFile`);
  const { suite } = configuration;
  const mysqlContainer = suite.mode === "adopt" ? suite.containers.mysql : createdContainers.mysql;
  const { facts, output } = await probe(server, configPath, {
    ...probeOptionsFor(configuration, alias),
    extra: inventory === undefined ? [] : renderQuestions(inventory, mysqlContainer),
  });
  return [
    ...(alias === "a" ? preflightRows(configuration, facts) : []),
    ...(inventory === undefined ? [] : compareInventory(inventory, parseObserved(output, inventory), facts)),
  ];
}

function addressOf({ servers, witness }: Configuration, alias: string): string {
  if (alias === "witness") return witness?.mode === "host" ? witness.address : "";
  return servers[alias as ServerAlias]?.address ?? "";
}

const marks: Readonly<Record<Verdict, string>> = {
  fact: "",
  ok: colour("green", "ok"),
  note: colour("yellow", "note"),
  drift: colour("red", "DRIFT"),
  unhealthy: colour("red", "UNHEALTHY"),
  refuse: colour("red", "REFUSED"),
};

function printRows(rows: readonly Row[]): void {
  if (rows.length === 0) {
    process.stdout.write("nothing\n");
    return;
  }
  // A sentence would make its column as wide as itself: sentences stand under the table.
  const isSentence = (row: Row) => row.found.length > 60;
  const cells = rows.map((row) => [
    marks[row.verdict],
    row.what,
    isSentence(row) ? "see below" : row.found,
    row.expected,
  ]);
  process.stdout.write(renderTable(["verdict", "what", "found", "expected"], cells, (text) => colour("dim", text)));
  for (const row of rows.filter(isSentence)) {
    process.stdout.write(`\n${marks[row.verdict]} ${row.what}: ${row.found}\n`);
  }
}

function printSummary(rows: readonly Row[]): void {
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  const told = (["ok", "note", "drift", "unhealthy", "refuse"] as const)
    .filter((verdict) => verdict === "ok" || count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${words[verdict]}`);
  process.stdout.write(`\n${told.join(", ")}\n`);
  if (count("unhealthy") > 0) {
    process.stdout.write(`What is unhealthy says why: tail -n 20 ${healthCheckLog} on the server.\n`);
  }
}

const words = { ok: "ok", note: "to note", drift: "drifted", unhealthy: "unhealthy", refuse: "refused" } as const;

endQuietlyWithoutReader();
await runMain(async () => {
  const values = parseOptions("npm run doctor", {
    stack: { type: "string", short: "s" },
    "config-file": { type: "string" },
    lab: { type: "boolean", default: false },
    problems: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.stack === undefined) throw new OperatorError("Name the stack: npm run doctor -- -s stage1");

  const target = chooseStack({ stack: values.stack, lab: values.lab, configurationFile: values["config-file"] });
  const pulumi = await pulumiRunner(target.kind);
  const [flat, outputs] = await Promise.all([readFlatConfiguration(pulumi, target), readOutputs(pulumi, target)]);
  const configuration = loadConfiguration(flat, await foundationBelow(pulumi, target, flat));
  const servers =
    configuration.stage === 1
      ? await diagnose(configuration, inventories(outputs))
      : await diagnosePair(configuration, inventories(outputs));
  const clean = Object.values(servers).every(isClean);

  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ ...target, deployed: outputs !== undefined, clean, servers }, null, 2)}\n`,
    );
    return clean ? 0 : 1;
  }
  const whose = target.kind === "lab" ? "the lab's stack" : "your stack";
  process.stdout.write(`${colour("bold", `${whose} ${target.stack}`)}  ${colour("dim", target.configurationFile)}\n`);
  if (outputs === undefined) {
    process.stdout.write("No pulumi up yet: only what a preview would check.\n");
  }
  for (const [alias, rows] of Object.entries(servers)) {
    const address = addressOf(configuration, alias);
    process.stdout.write(`\n${colour("bold", `server ${alias}, ${address}`)}\n`);
    printRows(values.problems ? rows.filter((row) => row.verdict !== "ok" && row.verdict !== "fact") : rows);
  }
  const all = Object.values(servers).flat();
  printSummary(all);
  if (all.some((row) => row.verdict === "drift")) {
    const pulumiCommand = target.kind === "lab" ? "npm run pulumi --" : "pulumi";
    const resources = await readResources(pulumi, target);
    const commands = Object.entries(servers).flatMap(([alias, rows]) => {
      const address = addressOf(configuration, alias);
      return repairCommands(pulumiCommand, target.stack, { alias, address }, rows, resources);
    });
    process.stdout.write(`To put back what drifted:\n${commands.map((command) => `  ${command}\n`).join("")}`);
  }
  return clean ? 0 : 1;
});
