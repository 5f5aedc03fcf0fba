import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { adoptStack, ensureLab } from "../../lab/ensure-lab.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "../../lab/traffic.ts";
import { OperatorError, runMain } from "../../lib/errors.ts";
import { cacheDirectory, repositoryRoot } from "../../lib/paths.ts";
import { run } from "../../lib/process.ts";
import { step } from "../../lib/progress.ts";
import { clearServer, configureCreateStack, forgetCreateState, onB } from "../support/create-stack.ts";
import { ensureAnsible, type InventoryFile, writePlaybook } from "./ansible.ts";

const help = `npm run bench [-- --runs N]

Measures stage 1 on the lab, each figure beside a comparison made in the same run, N times each (default 5):

  pulumi preview of an unchanged stage 1
  npm run doctor, against ansible-playbook --check of the same files and checks on the same server
  pulumi up of stage 1 (adopt) on a ready server, after a destroy, under traffic: its errors are counted
  pulumi up of stage 1 (create) on server B, emptied before, its images there

Prints minimum, median and maximum, and writes them as JSON into the cache.
`;

await runMain(async () => {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "5" }, help: { type: "boolean" } } });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 50)
    throw new OperatorError(`--runs ${values.runs}: expected 1 to 50.`);
  await ensureLab();
  await ensureAnsible();
  const up = ["up", "--yes", "--skip-preview", "-s", adoptStack];
  await succeed(up);
  const output = await succeed(["stack", "output", "--json", "-s", adoptStack]);
  const inventory = JSON.parse(output).inventory.a as {
    files: InventoryFile[];
    units: string[];
    containers: string[];
    mysqlAccounts: string[];
  };
  const playbook = await writePlaybook(inventory);

  const figures: Record<string, number[]> = {
    preview: [],
    doctor: [],
    "ansible --check": [],
    "up (adopt)": [],
    "up (create)": [],
  };
  let clientErrors = 0;
  let lostWrites = 0;
  const measure = async (
    name: string,
    work: () => Promise<{ exitCode: number; stdout: string; stderr: string; seconds: number }>,
  ) => {
    const result = await work();
    if (result.exitCode !== 0)
      throw new OperatorError(
        `${name} failed:\n${`${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-20).join("\n")}`,
      );
    figures[name]?.push(result.seconds);
  };
  for (let round = 1; round <= runs; round++) {
    await step(`round ${round} of ${runs}`, async (progress) => {
      progress.detail("preview");
      await measure("preview", () => labPulumi(["preview", "-s", adoptStack, "--expect-no-changes"]));
      progress.detail("doctor");
      await measure("doctor", () => run("node", ["commands/doctor.ts", "-s", adoptStack], { cwd: repositoryRoot }));
      progress.detail("ansible-playbook --check");
      await measure("ansible --check", () =>
        run("ansible-playbook", ["--check", playbook.file], { cwd: playbook.folder, timeoutSeconds: 300 }),
      );
      progress.detail("destroy and up");
      await succeed(["destroy", "--yes", "--skip-preview", "-s", adoptStack]);
      const logFile = cacheDirectory("bench", "traffic.jsonl");
      rmSync(logFile, { force: true });
      await startTraffic({ clients: 20, rate: 100, logFile });
      try {
        await measure("up (adopt)", () => labPulumi(up));
      } finally {
        await stopTraffic();
      }
      const verdict = await verifyTraffic(logFile);
      clientErrors += verdict.errors;
      lostWrites += verdict.lost + verdict.corrupted;
      progress.detail("create on B");
      await clearServer("b");
      forgetCreateState(onB);
      await configureCreateStack(onB);
      await measure("up (create)", () => labPulumi(["up", "--yes", "--skip-preview", "-s", onB.stack]));
      await clearServer("b");
      forgetCreateState(onB);
    });
  }

  const rows = Object.entries(figures).map(([name, seconds]) => ({ name, ...summary(seconds) }));
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  process.stdout.write(`\n${machine}, ${runs} runs each; ansible: ${playbook.tasks} tasks\n\n`);
  process.stdout.write(`${"".padEnd(18)}${"min".padStart(8)}${"median".padStart(8)}${"max".padStart(8)}\n`);
  for (const row of rows) {
    process.stdout.write(
      `${row.name.padEnd(18)}${[row.min, row.median, row.max].map((one) => `${one.toFixed(1)} s`.padStart(8)).join("")}\n`,
    );
  }
  const median = (name: string) => rows.find((row) => row.name === name)?.median ?? 0;
  process.stdout.write(
    `\ndoctor takes ${(median("doctor") / median("ansible --check")).toFixed(2)} of ansible's time\n`,
  );
  process.stdout.write(`traffic during up (adopt): ${clientErrors} errors, ${lostWrites} lost writes\n`);
  const file = cacheDirectory("bench", "stage1.json");
  mkdirSync(cacheDirectory("bench"), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ machine, runs, figures, clientErrors, lostWrites }, null, 2)}\n`);
  process.stdout.write(`${file}\n`);
  return 0;
});

function summary(seconds: readonly number[]): { min: number; median: number; max: number } {
  const sorted = [...seconds].sort((left, right) => left - right);
  return { min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, max: sorted.at(-1) ?? 0 };
}

async function succeed(args: readonly string[]): Promise<string> {
  const result = await labPulumi(args);
  if (result.exitCode !== 0) throw new OperatorError(`pulumi ${args.join(" ")}:\n${result.stderr}`);
  return result.stdout;
}
