import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { OperatorError, runMain } from "../lib/errors.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { type RunOptions, run } from "../lib/process.ts";
import { colour, elapsed, step } from "../lib/progress.ts";

const help = `npm test [-- --only <part>[,<part>]]

Runs the test ladder, cheapest first, and ends with a line "N passed, N failed".

  static       formatter, linter, types, shellcheck, Go's vet and tests
  unit         pure functions, golden files
  components   the program's resources, with Pulumi's mocks
  simulator    20,000 schedules of faults for the failover controller, and a known-bad controller for each of its rules
  validators   rendered files, read by the real programs (promtool, redis-server, mysqld, …)
  lab          real servers: images, suite, traffic, pulumi up, bad input, kills, secrets
  long         on the lab too, a quarter of an hour and more; only when named: smaller tests of the same are in the others
  check        static, unit and components: two minutes, without Docker
`;

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

const parts = ["static", "unit", "components", "simulator", "validators", "lab"] as const;
type Part = (typeof parts)[number] | "long";
const onTheLab: readonly Part[] = ["validators", "lab", "long"];

await runMain(async () => {
  const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean" } } });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const started = performance.now();
  let total: Outcome = { passed: 0, failed: 0 };
  for (const part of chosenParts(values.only)) {
    const partStarted = performance.now();
    process.stdout.write(`\n${colour("bold", part)}\n`);
    if (onTheLab.includes(part)) await prepareLab();
    const outcome = part === "static" ? await staticChecks() : await vitest(part);
    total = { passed: total.passed + outcome.passed, failed: total.failed + outcome.failed };
    const seconds = elapsed((performance.now() - partStarted) / 1000);
    process.stdout.write(`${part}: ${outcome.passed} passed, ${outcome.failed} failed, ${seconds}\n`);
    // A broken rung makes the dearer ones above it meaningless; the lab would only take half an hour to say the same.
    if (outcome.failed > 0 && part !== "lab") break;
  }
  process.stdout.write(
    `\nin ${elapsed((performance.now() - started) / 1000)}\n${total.passed} passed, ${total.failed} failed\n`,
  );
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
});

function chosenParts(only: string | undefined): readonly Part[] {
  if (only === undefined) return parts;
  return only.split(",").flatMap((name): readonly Part[] => {
    if (name === "check") return ["static", "unit", "components"];
    if (([...parts, "long"] as readonly string[]).includes(name)) return [name as Part];
    throw new OperatorError(`--only ${name}: expected one of ${parts.join(", ")}, long or check.`);
  });
}

/** The engine, the servers, the images and the suite: everything that the tests on the lab stand on. */
async function prepareLab(): Promise<void> {
  const { ensureLab } = await import("../lab/ensure-lab.ts");
  await ensureLab();
}

interface Check {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

/** shellcheck is the one checker that no npm package brings. */
async function ensureShellcheck(): Promise<void> {
  const { installPackages, onPath } = await import("../lab/docker.ts");
  if (await onPath("shellcheck")) return;
  if (process.getuid?.() !== 0 || !(await onPath("apt-get"))) {
    throw new OperatorError("The tests need shellcheck. On Debian or Ubuntu type: sudo apt-get install shellcheck");
  }
  await step("Install shellcheck from this machine's apt", (progress) => installPackages(["shellcheck"], progress));
}

/** Checks of the text itself. Each counts as one test. */
async function staticChecks(): Promise<Outcome> {
  await ensureShellcheck();
  const shellFiles = (await run("git", ["ls-files", "*.sh", ".ci/run"], { cwd: repositoryRoot })).stdout
    .split("\n")
    .filter(Boolean);
  const goModules = ["engine/go/command", "engine/go/bridge", "lab/sample-suite"];
  const checks: Check[] = [
    { name: "formatter and linter (biome)", command: "biome", args: ["check", "--error-on-warnings", "."] },
    { name: "types (tsc)", command: "tsc", args: ["--noEmit"] },
    { name: "shell (shellcheck)", command: "shellcheck", args: shellFiles },
    { name: "Go format", command: "gofmt", args: ["-l", ...goModules] },
    ...goModules
      .filter((folder) => !folder.endsWith("bridge"))
      .flatMap((folder): Check[] => [
        { name: `Go vet ${folder}`, command: "go", args: ["vet", "./..."], cwd: folder },
        { name: `Go tests ${folder}`, command: "go", args: ["test", "./..."], cwd: folder },
      ]),
  ];
  let failed = 0;
  for (const check of checks) {
    const options: RunOptions = { cwd: join(repositoryRoot, check.cwd ?? ""), timeoutSeconds: 900 };
    let result: { exitCode: number; stdout: string; stderr: string; seconds: number };
    try {
      result = await run(check.command, check.args, options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      result = {
        exitCode: 127,
        stdout: "",
        stderr: `${check.command} is not installed: apt-get install ${check.command}`,
        seconds: 0,
      };
    }
    // gofmt succeeds and lists the files that it would change.
    const bad = result.exitCode !== 0 || (check.command === "gofmt" && result.stdout.trim() !== "");
    if (bad) failed += 1;
    process.stdout.write(
      `${bad ? colour("red", "✘") : colour("green", "✔")} ${check.name} ${colour("dim", elapsed(result.seconds))}\n`,
    );
    if (bad) process.stdout.write(`${`${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-40).join("\n")}\n`);
  }
  return { passed: checks.length - failed, failed };
}

/** One vitest project; its own counts, from its machine-readable report. */
async function vitest(project: string): Promise<Outcome> {
  const report = cacheDirectory("test", `${project}.json`);
  rmSync(report, { force: true });
  const result = await run(
    "vitest",
    ["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    { cwd: repositoryRoot, inheritOutput: true, timeoutSeconds: 5000 },
  );
  let counts: { numPassedTests: number; numFailedTests: number; numFailedTestSuites: number };
  try {
    counts = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    process.stdout.write(`vitest wrote no report for ${project}\n`);
    return { passed: 0, failed: 1 };
  }
  // A file that fails before its first test has no failed test, and must not count as success.
  const failed = Math.max(counts.numFailedTests, counts.numFailedTestSuites, result.exitCode === 0 ? 0 : 1);
  return { passed: counts.numPassedTests, failed };
}
