import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { type RunOptions, type RunResult, run } from "../lib/process.ts";
import { type Engine, ensureEngine } from "./engine.ts";

/** The lab's own stack configuration file; the root Pulumi.<stack>.yaml are the operator's. */
export function labConfigurationFile(stack: string): string {
  return cacheDirectory("lab", "config", `Pulumi.${stack}.yaml`);
}

/**
 * The folder in which Pulumi runs for the lab. Its Pulumi.yaml is the repository's, with `main` pointing back to the
 * repository's program: so every command of Pulumi, `stack init` and `stack rm` included, keeps its configuration files here and
 * never touches the operator's.
 */
export function labProjectFolder(): string {
  const folder = cacheDirectory("lab", "config");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const project = parse(readFileSync(join(repositoryRoot, "Pulumi.yaml"), "utf8")) as Record<string, unknown>;
  const text = stringify({ ...project, main: resolve(repositoryRoot, String(project["main"] ?? ".")) });
  const file = join(folder, "Pulumi.yaml");
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  }
  return folder;
}

/** State, home and passphrase of the lab: never the operator's. Links the plugins into that home. */
export async function labPulumiEnvironment(engine: Engine): Promise<Record<string, string | undefined>> {
  const home = cacheDirectory("lab", "pulumi-home");
  const state = cacheDirectory("lab", "state");
  for (const folder of [home, state]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  engine.linkPlugins(home);
  return {
    ...engine.environment,
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile(),
    // Of the operator's own shell: either would win over the lines above.
    PULUMI_CONFIG_PASSPHRASE: undefined,
    PULUMI_ACCESS_TOKEN: undefined,
    PULUMI_STACK: undefined,
  };
}

function passphraseFile(): string {
  const file = cacheDirectory("lab", "passphrase");
  if (existsSync(file)) return file;
  mkdirSync(cacheDirectory("lab"), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file, randomBytes(24).toString("base64"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    // Another process was first; its passphrase counts.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return file;
}

/** Options of Pulumi whose value is a file, to be read from where the person is and not from the lab's folder. */
const fileOptions = ["--file", "--config-file", "--plan", "--save-plan", "--event-log", "--import-file"];

/** Makes file names absolute, because Pulumi runs in the lab's folder. */
export function withAbsoluteFiles(args: readonly string[], from: string): string[] {
  return args.map((word, index) => {
    const [option, value] = word.split(/=(.*)/s, 2) as [string, string | undefined];
    if (value !== undefined && fileOptions.includes(option)) return `${option}=${resolve(from, value)}`;
    return fileOptions.includes(args[index - 1] ?? "") ? resolve(from, word) : word;
  });
}

/**
 * Runs Pulumi against the lab, without a terminal, and returns the result whatever the exit code.
 * @param options `timeoutSeconds` is 900 unless given; relative file names in `args` are taken from the repository's root.
 */
export async function labPulumi(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const engine = await ensureEngine();
  const environment = await labPulumiEnvironment(engine);
  return run(engine.pulumi, [...withAbsoluteFiles(args, repositoryRoot), "--non-interactive", "--color=never"], {
    timeoutSeconds: 900,
    ...options,
    cwd: labProjectFolder(),
    environment: { ...environment, ...options.environment },
  });
}

/** Makes the lab's stack when it is not there. */
export async function ensureLabStack(stack: string): Promise<void> {
  const project = parse(readFileSync(join(repositoryRoot, "Pulumi.yaml"), "utf8")).name as string;
  if (existsSync(join(cacheDirectory("lab", "state"), ".pulumi", "stacks", project, `${stack}.json`))) return;
  const result = await labPulumi(["stack", "init", stack]);
  if (result.exitCode !== 0 && !/already exists/.test(result.stderr)) {
    throw new OperatorError(`The lab's stack ${stack} could not be made: ${result.stderr.trim()}`);
  }
}

/**
 * Forgets the stacks of servers that were thrown away, with their configuration: their state names resources that are gone, and the next
 * `up` would find nothing to do on the new servers.
 */
export function forgetLabStacks(addresses: readonly string[]): void {
  const folder = cacheDirectory("lab", "config");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const stack = /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1];
    if (stack === undefined) continue;
    const servers = parse(readFileSync(labConfigurationFile(stack), "utf8"))?.config?.["im:servers"] ?? {};
    const known = Object.values(servers as Record<string, { address?: string }>).map(({ address }) => address ?? "");
    if (known.some((address) => addresses.includes(address))) forgetLabStack(stack);
  }
}

/** Loses a stack's state and configuration, as a dead laptop does; with a killed Pulumi's lock. */
export function forgetLabStack(stack: string): void {
  const state = cacheDirectory("lab", "state", ".pulumi");
  const files = [`stacks/im-suite-ha/${stack}.json`, `stacks/im-suite-ha/${stack}.json.bak`].map((name) =>
    join(state, name),
  );
  for (const file of [...files, labConfigurationFile(stack)]) rmSync(file, { force: true });
  rmSync(join(state, "locks", "organization", "im-suite-ha", stack), { recursive: true, force: true });
}
