import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { type RunOptions, type RunResult, run } from "../lib/process.ts";
import { type Engine, ensureEngine } from "./engine.ts";

/** The lab's own stack configuration file; the root Pulumi.<stack>.yaml are the operator's. */
export function labConfigurationFile(stack: string): string {
  return cacheDirectory("lab", "config", `Pulumi.${stack}.yaml`);
}

/** State, home and passphrase of the lab: never the operator's. */
export async function labPulumiEnvironment(engine: Engine): Promise<Record<string, string>> {
  const home = cacheDirectory("lab", "pulumi-home");
  const state = cacheDirectory("lab", "state");
  for (const folder of [home, state, cacheDirectory("lab", "config")])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passphrase = cacheDirectory("lab", "passphrase");
  if (!existsSync(passphrase))
    writeFileSync(passphrase, randomBytes(24).toString("base64"), { mode: 0o600, flag: "wx" });
  engine.linkPlugins(home);
  return {
    ...engine.environment,
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphrase,
  };
}

/** Subcommands that read or write a stack's configuration file. */
const withConfiguration = new Set(["preview", "up", "update", "refresh", "destroy", "config", "watch", "import"]);

/** Adds the lab's configuration file to the commands that use one, by the stack that they name. */
export function labArguments(args: readonly string[]): string[] {
  const stack = stackOf(args);
  const [command] = args;
  const usesConfiguration = withConfiguration.has(command ?? "");
  if (!usesConfiguration || args.includes("--config-file")) return [...args];
  if (stack === undefined) {
    throw new OperatorError(`Name the stack: npm run pulumi -- ${args.join(" ")} -s stage1`);
  }
  return [...args, "--config-file", labConfigurationFile(stack)];
}

function stackOf(args: readonly string[]): string | undefined {
  for (const [index, word] of args.entries()) {
    if (word === "-s" || word === "--stack") return args[index + 1];
    const value = /^(?:--stack=|-s=)(.+)$/.exec(word)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Runs Pulumi against the lab, without a terminal, and returns the result whatever the exit code. */
export async function labPulumi(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const engine = await ensureEngine();
  const environment = await labPulumiEnvironment(engine);
  return run(engine.pulumi, [...labArguments(args), "--non-interactive", "--color=never"], {
    cwd: repositoryRoot,
    timeoutSeconds: 900,
    ...options,
    environment: { ...environment, ...options.environment },
  });
}

/**
 * Makes the lab's stack when it is not there. `stack init` writes the stack's configuration file into the project's folder and
 * has no option to put it elsewhere: so it runs in the lab's folder, on a project file of the same name.
 */
export async function ensureLabStack(stack: string): Promise<void> {
  if (existsSync(join(cacheDirectory("lab", "state"), ".pulumi", "stacks", "im-suite-ha", `${stack}.json`))) return;
  const folder = cacheDirectory("lab", "config");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "Pulumi.yaml"), "name: im-suite-ha\nruntime: nodejs\n");
  const result = await labPulumi(["stack", "init", stack], { cwd: folder });
  if (result.exitCode !== 0 && !/already exists/.test(result.stderr)) {
    throw new OperatorError(`The lab's stack ${stack} could not be made: ${result.stderr.trim()}`);
  }
}
