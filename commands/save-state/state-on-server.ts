import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { pulumiStateDirectory } from "../../config/names.ts";
import { configurationSchema, type ServerConfiguration } from "../../config/schema.ts";
import { OperatorError } from "../../lib/errors.ts";
import { quote, script } from "../../lib/shell.ts";
import { sshScript } from "../../lib/ssh.ts";
import { type PulumiRunner, pulumiError, type StackTarget } from "../pulumi-cli.ts";

export interface SavedState {
  readonly address: string;
  /** Files on the server. */
  readonly files: readonly string[];
  readonly resources: number;
}

export interface SaveOptions {
  /** Only replace what is there: after a destroy nothing new may appear on the server. */
  readonly onlyWhereThereIsOne?: boolean;
}

/**
 * Puts the stack's state (`stack export`, secrets still encrypted) and its configuration file on the server, where the nightly backup
 * takes them along. Neither opens without the passphrase or the login of the secrets provider, which are in neither. Each file is
 * replaced at once or not at all; both are readable by root alone.
 * @returns undefined when there was nothing to replace and nothing new was wanted.
 * @throws OperatorError when the state cannot be read or the server cannot be reached within half a minute.
 */
export async function saveState(
  pulumi: PulumiRunner,
  target: StackTarget,
  options: SaveOptions = {},
): Promise<SavedState | undefined> {
  const configuration = readFileSync(target.configurationFile, "utf8");
  const { alias, server } = stateServer(target.configurationFile);
  const exported = await pulumi(["stack", "export", "--stack", target.stack]);
  if (exported.exitCode !== 0) throw pulumiError(exported, target.stack);
  const names = savedStateFiles(target.stack);
  const result = await sshScript(
    server,
    renderSaveState(
      { [names.state]: exported.stdout, [names.configuration]: configuration },
      options.onlyWhereThereIsOne === true ? names.state : undefined,
    ),
    `im:servers.${alias}`,
    { timeoutSeconds: 30 },
  );
  if (result.exitCode !== 0) {
    throw new OperatorError(`The server could not keep it: ${result.stderr.trim().split("\n").at(-1) ?? ""}`);
  }
  if (result.stdout.includes("nothing to replace")) return undefined;
  const { deployment } = JSON.parse(exported.stdout) as { deployment?: { resources?: unknown[] } };
  return { address: server.address, files: Object.values(names), resources: deployment?.resources?.length ?? 0 };
}

/** Where the state of a stack lies on the server, whatever organization and project its name has before it. */
export function savedStateFiles(stack: string): { readonly state: string; readonly configuration: string } {
  const name = stack.split("/").at(-1) ?? stack;
  return {
    state: `${pulumiStateDirectory}/${name}.json`,
    configuration: `${pulumiStateDirectory}/Pulumi.${name}.yaml`,
  };
}

/**
 * The script that writes the files; it travels on ssh's stdin with their content in it.
 * @param unlessMissing a file without which nothing is written.
 */
export function renderSaveState(files: Readonly<Record<string, string>>, unlessMissing?: string): string {
  return script(
    ...(unlessMissing === undefined
      ? []
      : [`if [ ! -e ${quote(unlessMissing)} ]; then echo 'nothing to replace'; exit 0; fi`]),
    `mkdir -p -m 0700 -- ${quote(pulumiStateDirectory)}`,
    ...Object.entries(files).flatMap(([file, content]) => [
      `base64 -d >${quote(`${file}.partial`)} <<'END'`,
      ...(Buffer.from(content, "utf8")
        .toString("base64")
        .match(/.{1,1000}/g) ?? []),
      "END",
    ]),
    // All are complete before the first takes its place.
    ...Object.keys(files).map((file) => `mv -f -- ${quote(`${file}.partial`)} ${quote(file)}`),
  );
}

/** The server that keeps the state of a stack: the first that its configuration names, a before b. Read without opening a secret. */
function stateServer(file: string): { alias: string; server: ServerConfiguration } {
  if (!existsSync(file)) throw new OperatorError(`${file}: there is no such file.`);
  const content = parse(readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null;
  const servers = configurationSchema.shape.servers.safeParse(content?.config?.["im:servers"]);
  const [first] = Object.entries(servers.data ?? {}).sort(([left], [right]) => left.localeCompare(right));
  if (first?.[1] === undefined) {
    throw new OperatorError(`${file}: im:servers names no server that could keep the state.`);
  }
  return { alias: first[0], server: first[1] };
}
