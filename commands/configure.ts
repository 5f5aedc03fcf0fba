import { relative } from "node:path";
import { ensureEngine } from "../engine/engine.ts";
import { OperatorError, runMain } from "../lib/errors.ts";
import { repositoryRoot } from "../lib/paths.ts";
import { colour } from "../lib/progress.ts";
import { checkStage1, formatFinding } from "../preflight/checks.ts";
import { endQuietlyWithoutReader, parseOptions } from "./command-line.ts";
import { type Asker, FileAsker, terminalAsker } from "./configure/ask.ts";
import {
  configurationOf,
  parsedConfiguration,
  readConfigurationFile,
  renderConfigurationFile,
  secretAt,
  secretKeys,
  secretsOf,
} from "./configure/configuration-file.ts";
import { askStage1 } from "./configure/stage1-questions.ts";
import { askStage2 } from "./configure/stage2-questions.ts";
import { ScratchProject } from "./configure/write.ts";
import {
  chooseOwnStack,
  foundationBelow,
  fromWhereTyped,
  type PulumiRunner,
  pulumiError,
  pulumiRunner,
  readFlatConfiguration,
} from "./pulumi-cli.ts";

const help = `npm run configure [-- -s stage1] [--config-file FILE] [--answers FILE]

Asks for what a stage needs, tries each answer on your server, pins its host key, and writes Pulumi.<stack>.yaml. Passwords are
encrypted by Pulumi on their way into the file. A second run shows what is configured; Enter keeps it. Ctrl-C at any
question leaves the file as it was. Nothing is changed on the server.

  -s, --stack NAME     the stack; default stage1
  --config-file FILE   write this file instead of Pulumi.<stack>.yaml of this folder
  --answers FILE       take the answers from a JSON file (mode 0600) instead of asking: {"servers.a.address": "203.0.113.10", …};
                       the names are those of the configuration, and "servers.a.hostKey" is the expected fingerprint

Needs a Pulumi login of your own (pulumi login, or pulumi login --local).
`;

async function configure(): Promise<number> {
  const values = parseOptions("npm run configure", {
    stack: { type: "string", short: "s", default: "stage1" },
    "config-file": { type: "string" },
    answers: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const tell = (text: string) => process.stdout.write(`${text}\n`);
  const asker =
    values.answers === undefined ? terminalOrRefusal() : new FileAsker(fromWhereTyped(values.answers), tell);
  const target = chooseOwnStack(values.stack, values["config-file"]);
  const shownFile = relative(repositoryRoot, target.configurationFile);
  const pulumi = await pulumiRunner("own");
  const scratch = new ScratchProject(target, pulumi);
  await requireLogin(pulumi, values.stack, scratch.read());

  const existing = readConfigurationFile(scratch.read());
  const stage = stageOf(existing["stage"], values.stack);
  let stackExists = await scratch.stackExists();
  const hasSecrets = secretKeys.some((key) => existing[key] !== undefined);
  if (!stackExists && hasSecrets) {
    // Without the stack Pulumi cannot read the secrets of the file, and would ask for all of them again.
    await scratch.initialiseStack();
    stackExists = true;
  }
  if (stage === 2) {
    await configureStage2({ asker, tell, scratch, pulumi, existing, stackExists });
    tell(`\n${colour("green", "✔")} ${shownFile} is written.`);
    tell(await nextSteps(stage, values.stack, values["config-file"]));
    return 0;
  }
  const clear = hasSecrets ? await readFlatConfiguration(pulumi, scratch.target) : {};
  const secretsNow = Object.fromEntries(
    secretKeys.flatMap((key) => (existing[key] === undefined ? [] : [[key, JSON.parse(clear[`im:${key}`] ?? "{}")]])),
  ) as Record<string, unknown>;
  const { answers, facts } = await askStage1({
    ask: asker,
    tell,
    existing: { ...existing, ...secretsNow },
  });
  if (asker instanceof FileAsker) asker.requireAllTaken();
  const configuration = parsedConfiguration(answers, existing);

  const secrets = secretsOf(answers);
  scratch.write(renderConfigurationFile(scratch.read(), configurationOf(answers, existing), [...secrets.keys()]));
  // After the values: of a file that holds comments only, `stack init` would lose them.
  if (!stackExists) await scratch.initialiseStack();
  for (const [path, value] of secrets) {
    // What is unchanged keeps its encrypted text, so that a second run changes nothing.
    if (secretAt(secretsNow, path) !== value) await scratch.setSecret(path, value);
  }
  scratch.publish();

  tell(`\n${colour("green", "✔")} ${shownFile} is written${secrets.size > 0 ? ", passwords encrypted" : ""}.`);
  const findings = checkStage1(configuration, facts).map(formatFinding);
  if (findings.length > 0) tell(`\nThe preview will say:\n${findings.map((line) => `  ${line}`).join("\n")}`);
  tell(await nextSteps(stage, values.stack, values["config-file"]));
  return 0;
}

interface Stage2Run {
  readonly asker: Asker;
  readonly tell: (text: string) => void;
  readonly scratch: ScratchProject;
  readonly pulumi: PulumiRunner;
  readonly existing: Record<string, unknown>;
  readonly stackExists: boolean;
}

/** Stage 2 has no secrets of its own, and stands on what stage 1 says. */
async function configureStage2({ asker, tell, scratch, pulumi, existing, stackExists }: Stage2Run): Promise<void> {
  const own = Object.fromEntries(
    Object.entries({ ...existing, stage: 2 }).map(([key, value]) => [`im:${key}`, JSON.stringify(value)]),
  );
  const foundation = await foundationBelow(pulumi, scratch.target, own);
  if (foundation === undefined) throw new Error("stage 2 stands on a stage");
  const { raw, findings } = await askStage2({ ask: asker, tell, existing }, foundation);
  if (asker instanceof FileAsker) asker.requireAllTaken();
  scratch.write(renderConfigurationFile(scratch.read(), raw, []));
  if (!stackExists) await scratch.initialiseStack();
  scratch.publish();
  if (findings.length > 0)
    tell(`\nThe preview will say:\n${findings.map((one) => `  ${formatFinding(one)}`).join("\n")}`);
}

function terminalOrRefusal(): Asker {
  if (process.stdin.isTTY === true) return terminalAsker;
  throw new OperatorError(
    "This asks questions, and there is no terminal. Give the answers in a file: npm run configure -- --answers FILE",
  );
}

/** Before ten questions, not after them: is there a place for the state, and a passphrase where one is needed? */
async function requireLogin(pulumi: PulumiRunner, stack: string, file: string): Promise<void> {
  const result = await pulumi(["whoami", "--json"]);
  if (result.exitCode !== 0) throw pulumiError(result, stack);
  const { url } = JSON.parse(result.stdout) as { url?: string };
  const ownBackend = url !== undefined && !/^https?:/.test(url);
  const has = (name: string) => process.env[name] !== undefined;
  const passphrase = has("PULUMI_CONFIG_PASSPHRASE") || has("PULUMI_CONFIG_PASSPHRASE_FILE");
  if (ownBackend && !passphrase && !/^secretsprovider:/m.test(file)) {
    throw new OperatorError(
      `Pulumi keeps the state at ${url}, where passwords are encrypted with a passphrase of yours. Choose one, keep it safe, and type: export PULUMI_CONFIG_PASSPHRASE=… (or PULUMI_CONFIG_PASSPHRASE_FILE with a file that holds it).`,
    );
  }
}

/** By what is configured, else by the stack's name. */
function stageOf(configured: unknown, stack: string): 1 | 2 {
  const named = /^stage([23])\b/.exec(stack.split("/").at(-1) ?? "")?.[1];
  const stage = configured === undefined ? (named ?? "1") : String(configured);
  if (stage === "1" || stage === "2") return Number(stage) as 1 | 2;
  throw new OperatorError(
    `${stack} is stage ${stage}: this version has stages 1 and 2. Type: npm run configure -- -s stage2`,
  );
}

async function nextSteps(stage: 1 | 2, stack: string, file: string | undefined): Promise<string> {
  const engine = await ensureEngine();
  const option = file === undefined ? "" : ` --config-file ${file}`;
  return [
    "",
    `Next, see what stage ${stage} would add:`,
    ...(engine.source === "path"
      ? []
      : ['  eval "$(npm run --silent pulumi -- --print-environment)"    # puts Pulumi on the PATH of this shell']),
    `  pulumi preview -s ${stack}${option}`,
    "then do it:",
    `  pulumi up -s ${stack}${option}`,
  ].join("\n");
}

endQuietlyWithoutReader();
await runMain(async () => {
  try {
    return await configure();
  } catch (error) {
    // Ctrl-C at a question.
    if (!(error instanceof Error) || error.name !== "ExitPromptError") throw error;
    process.stderr.write("\nStopped. Nothing was written.\n");
    return 130;
  }
});
