import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { confirm } from "@inquirer/prompts";
import { loadConfiguration } from "../config/load.ts";
import type { RotationKind } from "../config/rotation.ts";
import type { Configuration, ServerConfiguration } from "../config/schema.ts";
import { OperatorError, runMain } from "../lib/errors.ts";
import { colour, elapsed, step } from "../lib/progress.ts";
import { sshScript } from "../lib/ssh.ts";
import { endQuietlyWithoutReader, parseOptions } from "./command-line.ts";
import {
  chooseStack,
  type PulumiRunner,
  pulumiRunner,
  readFlatConfiguration,
  readOutputs,
  type StackTarget,
} from "./pulumi-cli.ts";
import {
  type CounterChange,
  chosenKinds,
  counterChanges,
  explanations,
  milestone,
  type Orphan,
  orphansIn,
  type PreviewSummary,
  parseRecords,
  renderRecordQuestions,
  renderRemoveOrphans,
  type ServerRecord,
  summarisePreview,
  typedKinds,
  withCounters,
} from "./rotate/plan.ts";
import { renderTable } from "./table.ts";

const help = `npm run rotate -- -s stage1 [--only mysql,redis,…] [--yes] [--lab | --config-file FILE]

Changes every password and key that we created: the new one is accepted beside the old one, everything that uses it gets the new
one, then the old one is refused. Shows first what would change and what it costs, and asks. A run that was interrupted is
ended by the next one: until then old and new work.

  -s, --stack NAME     the stack, for example stage1
  --only LIST          only these, separated by commas: ${Object.values(typedKinds).join(", ")}
  --yes                do not ask
  --config-file FILE   the configuration of a stack of yours
  --lab                the lab's stack of that name

It raises counters under im:rotation in the stack's configuration file and runs "pulumi up": keep that file as you keep the others.
Passwords of a suite that was adopted are the operator's own: docs/runbooks/rotate.md says how to change them.
`;

/** What the server itself knows of earlier rotations. */
async function serverRecords(configuration: Configuration): Promise<Partial<Record<RotationKind, ServerRecord>>> {
  const server = configuration.servers.a as ServerConfiguration;
  const result = await sshScript(server, renderRecordQuestions(), "im:servers.a", { timeoutSeconds: 30 });
  if (result.exitCode !== 0) throw new OperatorError(`The server could not be asked: ${result.stderr.trim()}`);
  return parseRecords(result.stdout);
}

async function preview(pulumi: PulumiRunner, target: StackTarget, file: string): Promise<PreviewSummary> {
  const result = await pulumi(["preview", "--json", "--stack", target.stack, "--config-file", file], {
    timeoutSeconds: 600,
  });
  if (result.exitCode !== 0) throw failed(result.stdout + result.stderr, target, "The preview of the rotation failed");
  return summarisePreview(result.stdout);
}

/** What went wrong in Pulumi, and what to type. */
function failed(output: string, target: StackTarget, what: string): OperatorError {
  if (/currently locked by/.test(output)) {
    const pulumiCommand = target.kind === "lab" ? "npm run pulumi --" : "pulumi";
    return new OperatorError(
      `${what}: the stack ${target.stack} is locked. Another "pulumi up" is at work, or one was killed. When none runs any more, type: ${pulumiCommand} cancel -s ${target.stack}   and then this command again.`,
    );
  }
  const problems = output.split("\n").filter((line) => /error:|not accept|not healthy|refused|repository/i.test(line));
  const shown = problems.length > 0 ? problems.slice(0, 8) : output.trim().split("\n").slice(-12);
  return new OperatorError(`${what}:\n${shown.map((line) => line.trim()).join("\n")}`);
}

function printPlan(changes: readonly CounterChange[], summary: PreviewSummary): void {
  const rows = changes.map(({ kind, from, to, finishes }) => [
    typedKinds[kind],
    explanations[kind].what,
    finishes ? `${to}, ends an earlier run` : `${from} -> ${to}`,
    explanations[kind].cost,
  ]);
  process.stdout.write(renderTable(["name", "what", "generation", "cost"], rows, (text) => colour("dim", text)));
  const restarts = summary.replacedContainers.length === 0 ? "none" : summary.replacedContainers.join(", ");
  process.stdout.write(`\n${summary.changes} resources change. Containers that are replaced: ${restarts}.\n`);
}

/** Writes the counters in one step: a kill leaves the old file or the new one. */
function publish(temporary: string, file: string): void {
  chmodSync(temporary, statSync(file).mode & 0o777);
  renameSync(temporary, file);
}

/** Brings the new counters in. @returns the seconds that it took. */
async function rotate(
  pulumi: PulumiRunner,
  target: StackTarget,
  server: ServerConfiguration,
  replaced: readonly string[],
): Promise<number> {
  const started = performance.now();
  const since = () => elapsed((performance.now() - started) / 1000);
  await step("Rotate", async (progress) => {
    const up = async () =>
      await pulumi(
        ["up", "--yes", "--skip-preview", "--stack", target.stack, "--config-file", target.configurationFile],
        {
          timeoutSeconds: 3600,
          onLine: (line) => {
            const text = milestone(line);
            if (text === undefined) progress.detail(line);
            else progress.note(`${since().padStart(8)}  ${text}`);
          },
        },
      );
    let result = await up();
    // A run that was killed while it made a container left one that Pulumi does not know: its name is taken.
    for (let orphans: Orphan[]; result.exitCode !== 0; ) {
      orphans = orphansIn(result.stdout + result.stderr, replaced);
      if (orphans.length === 0) break;
      progress.note(`an interrupted run left ${orphans.map(({ name }) => name).join(", ")}: taken away and made again`);
      const removal = await sshScript(server, renderRemoveOrphans(orphans), "im:servers.a", { timeoutSeconds: 120 });
      if (removal.exitCode !== 0) break;
      result = await up();
    }
    if (result.exitCode !== 0) {
      throw failed(
        result.stdout + result.stderr,
        target,
        "The rotation is not through; old and new passwords work until it is. Mend what follows, then run the same command again",
      );
    }
  });
  return (performance.now() - started) / 1000;
}

/** @returns the counters that the stack says it reached. */
async function reached(
  pulumi: PulumiRunner,
  target: StackTarget,
): Promise<Readonly<Partial<Record<RotationKind, number>>>> {
  const outputs = await readOutputs(pulumi, target);
  if (outputs === undefined) {
    throw new OperatorError(`The stack ${target.stack} was never brought up: there is nothing to rotate yet.`);
  }
  return (outputs["rotation"] ?? {}) as Partial<Record<RotationKind, number>>;
}

endQuietlyWithoutReader();
await runMain(async () => {
  const values = parseOptions("npm run rotate", {
    stack: { type: "string", short: "s" },
    only: { type: "string" },
    yes: { type: "boolean", short: "y", default: false },
    "config-file": { type: "string" },
    lab: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.stack === undefined) throw new OperatorError("Name the stack: npm run rotate -- -s stage1");
  if (!values.yes && process.stdin.isTTY !== true) {
    throw new OperatorError("This asks before it changes anything, and there is no terminal. Say --yes.");
  }
  const target = chooseStack({ stack: values.stack, lab: values.lab, configurationFile: values["config-file"] });
  const pulumi = await pulumiRunner(target.kind);
  const configuration = loadConfiguration(await readFlatConfiguration(pulumi, target));
  const kinds = chosenKinds(values.only, configuration);
  const finished = await reached(pulumi, target);
  const changes = counterChanges(kinds, configuration.rotation, finished, await serverRecords(configuration));

  const file = target.configurationFile;
  const temporary = `${file}.rotate-${process.pid}.yaml`;
  process.once("exit", () => rmSync(temporary, { force: true }));
  writeFileSync(temporary, withCounters(readFileSync(file, "utf8"), changes), { mode: 0o600 });
  const summary = await step("Preview", async (progress) => {
    const interrupted = changes.some(({ finishes }) => finishes) || kindsInterrupted(configuration, finished);
    if (!interrupted) {
      progress.detail("are other changes waiting?");
      const waiting = await preview(pulumi, target, file);
      if (waiting.changes > 0) {
        throw new OperatorError(
          `Other changes of the stack ${target.stack} are waiting (${waiting.changes} resources): a rotation would do them too. Look at them and do them first: pulumi preview -s ${target.stack}, pulumi up -s ${target.stack}`,
        );
      }
    }
    progress.detail("of the rotation");
    return await preview(pulumi, target, temporary);
  });
  if (summary.deleted.length > 0) {
    throw new OperatorError(
      `Nothing was changed: a rotation deletes nothing, and this would: ${summary.deleted.join(", ")}`,
    );
  }
  printPlan(changes, summary);
  if (!values.yes && !(await confirm({ message: "Rotate now?", default: false }))) {
    process.stdout.write("Nothing was changed.\n");
    return 0;
  }
  publish(temporary, file);
  const server = configuration.servers.a as ServerConfiguration;
  const seconds = await rotate(pulumi, target, server, summary.replacedContainers);
  const now = await reached(pulumi, target);
  const rows = changes.map(({ kind, to }) => [
    typedKinds[kind],
    explanations[kind].what,
    String(now[kind] ?? "?"),
    now[kind] === to ? colour("green", "accepted") : colour("red", "unknown"),
    now[kind] === to ? colour("green", "refused") : colour("red", "unknown"),
  ]);
  process.stdout.write(`\n${renderTable(["name", "what", "generation", "new one", "old one"], rows)}`);
  const shown = target.kind === "lab" ? "npm run pulumi --" : "pulumi";
  process.stdout.write(
    `\nDone in ${elapsed(seconds)}. The new ones: ${shown} stack output credentials --show-secrets -s ${target.stack}\n`,
  );
  if (kinds.includes("backupKey"))
    process.stdout.write("Keep the new key of the backups where you kept the old one.\n");
  return changes.every(({ kind, to }) => now[kind] === to) ? 0 : 1;
});

/** Whether any counter of the configuration is ahead of what the last complete `up` reached. */
function kindsInterrupted(
  configuration: Configuration,
  finished: Readonly<Partial<Record<RotationKind, number>>>,
): boolean {
  return Object.entries(finished).some(([kind, done]) => configuration.rotation[kind as RotationKind] > done);
}
