import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { chooseStack, pulumiRunner } from "../commands/pulumi-cli.ts";
import { stateChange } from "../commands/save-state/state-change.ts";
import { saveState } from "../commands/save-state/state-on-server.ts";
import { messageOf, runMain } from "../lib/errors.ts";
import { quote } from "../lib/shell.ts";
import { type Engine, ensureEngine } from "./engine.ts";
import { labProjectFolder, labPulumiEnvironment, withAbsoluteFiles } from "./lab-pulumi.ts";

const help = `npm run pulumi -- <any pulumi command>

Runs Pulumi against the lab: its own state, PULUMI_HOME and configuration, all in the lab's cache folder. It can never
touch a production stack. With a login of your own, type plain \`pulumi …\` as in Pulumi's documentation.

  npm run pulumi -- preview -s stage1
  npm run pulumi -- up -s stage1 --yes
  npm run pulumi -- stack output -s stage1
  npm run pulumi -- destroy -s stage1 --yes

  eval "$(npm run --silent pulumi -- --print-environment)"
      for a stack of your own where Pulumi's servers do not answer: puts this engine on your PATH and
      its plugins into your PULUMI_HOME (default ~/.pulumi); then plain \`pulumi …\`
`;

await runMain(async () => {
  const args = process.argv.slice(2);
  if (args.length === 0 || args[0] === "--help") {
    process.stdout.write(help);
    return 0;
  }
  const engine = await engineWithoutTouchingStdout();
  if (args[0] === "--print-environment") {
    printEnvironment(engine);
    return 0;
  }
  const environment = await labPulumiEnvironment(engine);
  // npm changes to the repository's root; INIT_CWD is where the person typed.
  const from = process.env["INIT_CWD"] ?? process.cwd();
  const exitCode = await onThisTerminal(engine.pulumi, withAbsoluteFiles(args, from), labProjectFolder(), environment);
  if (exitCode === 0) await keepState(args);
  return exitCode;
});

/** What Pulumi prints may be piped (`stack output --json`) or evaluated; progress of a build must not come in between. */
async function engineWithoutTouchingStdout(): Promise<Engine> {
  const write = process.stdout.write;
  process.stdout.write = process.stderr.write.bind(process.stderr);
  try {
    return await ensureEngine();
  } finally {
    process.stdout.write = write;
  }
}

/** After what changed the state: a copy on the server, for the backup. Its failure is a warning, the change itself is done. */
async function keepState(args: readonly string[]): Promise<void> {
  const change = stateChange(args);
  if (change === undefined) return;
  try {
    const pulumi = await pulumiRunner("lab");
    const stack = change.stack ?? (await pulumi(["stack", "--show-name"])).stdout.trim();
    const target = chooseStack({ stack, lab: true, configurationFile: undefined });
    const saved = await saveState(pulumi, target, { onlyWhereThereIsOne: change.command === "destroy" });
    if (saved !== undefined) process.stderr.write(`The state is kept on ${saved.address}, for the backup.\n`);
  } catch (error) {
    process.stderr.write(
      `Warning: the state could not be kept on the server: ${messageOf(error)}\nTo do it later: npm run save-state -- -s ${change.stack ?? "STACK"}\n`,
    );
  }
}

function printEnvironment(engine: Engine): void {
  const home = process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi");
  engine.linkPlugins(home);
  const { PATH, ...others } = engine.environment;
  const path = `${dirname(engine.pulumi)}:${PATH ?? ""}`;
  for (const [name, value] of Object.entries({ ...others, PATH: path, PULUMI_HOME: home })) {
    process.stdout.write(`export ${name}=${quote(value)}\n`);
  }
}

/** Runs a command with this terminal and waits for it also on Ctrl-C, which Pulumi answers by ending in good order. */
function onThisTerminal(
  command: string,
  args: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return new Promise((done, failed) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // lib/process.ts ends this process at once on a signal; here the command's own end is awaited.
      process.removeAllListeners(signal);
      process.on(signal, () => {});
    }
    const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...environment }, stdio: "inherit" });
    // The terminal sends SIGINT to the child by itself; SIGTERM comes to this process alone.
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.on("error", failed);
    child.on("close", (code, signal) => done(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}
