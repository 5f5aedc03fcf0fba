import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import type { Foundation } from "../config/foundation.ts";
import { readConfiguration } from "../config/load.ts";
import { type Engine, ensureEngine } from "../engine/engine.ts";
import { labConfigurationFile, labProjectFolder, labPulumiEnvironment } from "../engine/lab-pulumi.ts";
import { OperatorError } from "../lib/errors.ts";
import { repositoryRoot } from "../lib/paths.ts";
import { type RunOptions, type RunResult, run } from "../lib/process.ts";
import type { ExportedResource } from "./doctor/repair.ts";

/** Whose stack a command looks at. */
export interface StackTarget {
  readonly stack: string;
  /** `lab`: its own state and passphrase. `own`: whatever the operator's `pulumi` is logged in to. */
  readonly kind: "lab" | "own";
  readonly configurationFile: string;
}

export interface StackChoice {
  readonly stack: string;
  readonly lab: boolean;
  readonly configurationFile: string | undefined;
}

/** The operator's file for a stack, in the root of this checkout. */
export function ownConfigurationFile(stack: string, folder = repositoryRoot): string {
  return join(folder, `Pulumi.${shortName(stack)}.yaml`);
}

/**
 * The stack that an operator means. A configuration that they wrote counts first: `configure` writes it there, and whoever has one
 * means their own server. Without one (the shipped files are only comments) it is the lab's. Flags decide over both.
 * @throws OperatorError when there is neither.
 */
export function chooseStack(choice: StackChoice, folder = repositoryRoot): StackTarget {
  const { stack } = choice;
  if (choice.lab && choice.configurationFile !== undefined) {
    throw new OperatorError("--lab and --config-file exclude each other: the lab has a configuration file of its own.");
  }
  const labFile = labConfigurationFile(shortName(stack));
  const own =
    choice.configurationFile === undefined
      ? ownConfigurationFile(stack, folder)
      : fromWhereTyped(choice.configurationFile);
  if (choice.configurationFile !== undefined && !existsSync(own)) {
    throw new OperatorError(`--config-file ${choice.configurationFile}: there is no such file.`);
  }
  if (!choice.lab && (choice.configurationFile !== undefined || hasConfiguration(own))) {
    return { stack, kind: "own", configurationFile: own };
  }
  if (existsSync(labFile)) return { stack, kind: "lab", configurationFile: labFile };
  throw new OperatorError(
    choice.lab
      ? `The lab has no stack ${stack}. Make one with: npm start`
      : `There is no configuration for the stack ${stack}. For a server of yours type: npm run configure -- -s ${stack}; for the lab: npm start`,
  );
}

/** The operator's stack for a command that writes its file: here the lab is never meant. */
export function chooseOwnStack(stack: string, configurationFile: string | undefined): StackTarget {
  const file = configurationFile === undefined ? ownConfigurationFile(stack) : fromWhereTyped(configurationFile);
  return { stack, kind: "own", configurationFile: file };
}

/** npm changes to the repository's root; a relative file name means the folder where the person typed. */
export function fromWhereTyped(file: string): string {
  return resolve(process.env["INIT_CWD"] ?? process.cwd(), file);
}

/** A file that says something: the shipped examples hold comments only. */
export function hasConfiguration(file: string): boolean {
  if (!existsSync(file)) return false;
  const content: { config?: Record<string, unknown> } | null = parse(readFileSync(file, "utf8"));
  return Object.keys(content?.config ?? {}).some((key) => key.startsWith("im:"));
}

function shortName(stack: string): string {
  return stack.split("/").at(-1) ?? stack;
}

/** Runs `pulumi` for a stack without a terminal; returns the result whatever the exit code. */
export type PulumiRunner = (args: readonly string[], options?: RunOptions) => Promise<RunResult>;

/** The engine, bound to the lab's state or to the operator's own login. */
export async function pulumiRunner(kind: StackTarget["kind"]): Promise<PulumiRunner> {
  const engine = await engineWithProgressOnStderr();
  const environment = kind === "lab" ? await labPulumiEnvironment(engine) : engine.environment;
  return async (args, options = {}) =>
    await run(engine.pulumi, [...args, "--non-interactive", "--color=never"], {
      cwd: kind === "lab" ? labProjectFolder() : repositoryRoot,
      timeoutSeconds: 120,
      ...options,
      environment: { ...environment, ...options.environment },
    });
}

/** A first run may build the engine; its progress must not come between the lines of `doctor --json`. */
async function engineWithProgressOnStderr(): Promise<Engine> {
  const write = process.stdout.write;
  process.stdout.write = process.stderr.write.bind(process.stderr);
  try {
    return await ensureEngine();
  } finally {
    process.stdout.write = write;
  }
}

/**
 * The configuration as the program gets it, secrets in clear: Pulumi's flat map of `im:key` to text.
 * @throws OperatorError with what to type when Pulumi cannot be asked.
 */
export async function readFlatConfiguration(
  pulumi: PulumiRunner,
  target: StackTarget,
): Promise<Record<string, string>> {
  const result = await pulumi([
    ...["config", "--json", "--show-secrets", "--stack", target.stack],
    ...["--config-file", target.configurationFile],
  ]);
  if (result.exitCode !== 0) throw pulumiError(result, target.stack);
  const entries = JSON.parse(result.stdout) as Record<string, { value?: string }>;
  return Object.fromEntries(Object.entries(entries).map(([key, { value }]) => [key, value ?? ""]));
}

/** The outputs of the last `up`, secrets in clear. Undefined when there is no stack or there was no `up` yet. */
export async function readOutputs(
  pulumi: PulumiRunner,
  target: StackTarget,
): Promise<Record<string, unknown> | undefined> {
  const result = await pulumi(["stack", "output", "--json", "--show-secrets", "--stack", target.stack]);
  if (result.exitCode !== 0) {
    if (/no stack named/.test(result.stderr)) return undefined;
    throw pulumiError(result, target.stack);
  }
  const outputs = JSON.parse(result.stdout) as Record<string, unknown>;
  return Object.keys(outputs).length === 0 ? undefined : outputs;
}

/**
 * What the stack below a stage says, for a stage that stands on one; undefined for stage 1.
 * @throws OperatorError when that stack has no such output.
 */
export async function foundationBelow(
  pulumi: PulumiRunner,
  target: StackTarget,
  flat: Readonly<Record<string, string>>,
): Promise<Foundation | undefined> {
  const own = readConfiguration(flat);
  const { stage, previousStack } = own;
  if (stage !== 2 && stage !== 3) return undefined;
  const stack = typeof previousStack === "string" ? previousStack : `stage${stage - 1}`;
  const foundation = (await readOutputs(pulumi, { ...target, stack }))?.["foundation"];
  if (foundation === undefined) {
    throw new OperatorError(
      `The stack ${stack}, on which ${target.stack} stands, has no output "foundation". Bring it up with this version first: pulumi up -s ${stack}`,
    );
  }
  return foundation as Foundation;
}

/** The resources in the stack's state, secrets still encrypted. */
export async function readResources(pulumi: PulumiRunner, target: StackTarget): Promise<ExportedResource[]> {
  const result = await pulumi(["stack", "export", "--stack", target.stack]);
  if (result.exitCode !== 0) throw pulumiError(result, target.stack);
  const { deployment } = JSON.parse(result.stdout) as { deployment?: { resources?: ExportedResource[] } };
  return deployment?.resources ?? [];
}

/** What Pulumi said, with what to type where we know it. */
export function pulumiError(result: RunResult, stack: string): OperatorError {
  const text = `${result.stdout}\n${result.stderr}`;
  if (/PULUMI_ACCESS_TOKEN must be set|no credentials|not logged in/i.test(text)) {
    return new OperatorError(
      "Pulumi does not know where to keep the state. Log in first: pulumi login (Pulumi Cloud) or pulumi login --local (files on this machine).",
    );
  }
  if (/passphrase must be set|incorrect passphrase/i.test(text)) {
    return new OperatorError(
      `The passphrase of the stack ${stack} is ${/incorrect/.test(text) ? "another one" : "not set"}. Type: export PULUMI_CONFIG_PASSPHRASE=… (or PULUMI_CONFIG_PASSPHRASE_FILE with a file that holds it).`,
    );
  }
  if (/no stack named/.test(text)) {
    return new OperatorError(
      `Pulumi knows no stack ${stack} where it is logged in (pulumi whoami --verbose says where). To make it: npm run configure -- -s ${stack}`,
    );
  }
  if (/failed to load checkpoint/.test(text)) {
    return new OperatorError(
      `The state file of the stack ${stack} is cut off: a Pulumi was killed while it wrote it. Pulumi keeps the one before beside it: where the state lies in files (pulumi whoami --verbose), copy .pulumi/stacks/im-suite-ha/${shortName(stack)}.json.bak over ${shortName(stack)}.json, then type: pulumi refresh -s ${stack}`,
    );
  }
  const last = text.trim().split("\n").slice(-5).join("\n");
  return new OperatorError(`Pulumi could not be asked about the stack ${stack}:\n${last}`);
}
