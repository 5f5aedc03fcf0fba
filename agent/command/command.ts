import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { messageOf, OperatorError } from "../../lib/errors.ts";
import { readAgentConfiguration } from "../configuration.ts";
import { HttpClient } from "../edges/http-client.ts";
import { controlSocket } from "../http/server.ts";
import type { Status } from "../http/status.ts";
import { exitCodeOf, renderStatus } from "./status-table.ts";

const usage = `im-ha: the pair of data servers, from either of them

  im-ha status [--json] [--watch]         who leads, who has everything, what is in the way
  im-ha switchover [--to a|b]             move the lead, planned: no acknowledged write is lost
  im-ha maintenance                       no promotion and no demotion until im-ha resume
  im-ha resume                            back to normal; also after too many moves, and on a replica that left
  im-ha degrade                           on the replica: leave before a planned stop
  im-ha degrade --peer-is-off             on the leader: go on without the other server
  im-ha promote --accept-data-loss        on the server that is left, when the one with the data is gone for good
  im-ha reinit --leader a|b               this server has the data, whatever the votes say

Each has --help. Exit codes: 0 done; 1 a mistake in the command; 2 refused, or (status) the pair is not whole; 3 not known whether
it was done, or (status) nobody leads; 4 the controller of this server does not answer.
`;

const help: Readonly<Record<string, string>> = {
  status: `im-ha status [--json] [--watch]

Shows what the controller of this server sees. With --json as the HTTP API has it, with --watch again every second.
`,
  switchover: `im-ha switchover [--to a|b] [--yes]

Moves the lead to the other server: the leader stops taking writes, the other applies the last of them, and takes over. Clients see
a pause of about a second. Refused while the other server has not got everything. Without --to it is the server that does not lead.
`,
  maintenance: `im-ha maintenance

From now on nobody is promoted or demoted, whatever happens, until im-ha resume. A replica that is lost is still taken out of the set, and
comes back. For work on the votes or the network; before a planned stop of one server, im-ha degrade is the better word.
`,
  resume: `im-ha resume

Ends maintenance, forgives the moves of the last hour, and lets a server that left with im-ha degrade come back.
`,
  degrade: `im-ha degrade [--peer-is-off [--confirm TEXT]]

On the replica: it leaves the set, so that the leader need not wait for it. Do this before you stop it.
On the leader, with --peer-is-off: the leader goes on alone. Only when you have seen that the other server is off: if it runs and was
promoted, both would take writes. You are asked to type it.
`,
  promote: `im-ha promote --accept-data-loss [--confirm TEXT]

Makes this server the leader although another has writes that this one has not. The way out when that other server is burnt. What is
known to be missing is recorded, and im-ha status shows it. You are asked to type that the other server is off.
`,
  reinit: `im-ha reinit --leader a|b [--confirm TEXT]

The server that you type this on has the data, and the votes begin anew with it. For the beginning of a pair, and after etcd was lost or
restored from an old copy. The name must be that of this server.
`,
};

/** @returns the exit code. @throws OperatorError for everything that a person can mend. */
export async function runCommand(words: readonly string[]): Promise<number> {
  const [name = "", ...rest] = words;
  if (name === "" || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(usage);
    return name === "" ? 1 : 0;
  }
  const text = help[name];
  if (text === undefined) throw new OperatorError(`im-ha knows no "${name}".\n\n${usage}`);
  const { values } = parse(rest, text);
  if (values.help) {
    process.stdout.write(text);
    return 0;
  }
  const configuration = readAgentConfiguration(values.config);
  const client = HttpClient.unix(controlSocket(configuration.paths.runtime));
  if (name === "status") return await showStatus(client, values);

  const status = await readStatus(client);
  const peer = configuration.peer.name;
  const typed = (sentence: string, why: string) => confirm(sentence, why, values.confirm);
  const change = (body: object) => askForChange(client, `/${name}`, body);
  switch (name) {
    case "switchover": {
      const to = values.to ?? (status.leader === peer ? configuration.server.name : peer);
      if (!values.yes)
        await confirm("yes", `Clients see a short pause while the lead moves to server ${to}.`, undefined);
      return await change({ to });
    }
    case "degrade":
      if (values["peer-is-off"]) {
        await typed(
          `${peer} is off`,
          `If server ${peer} runs and leads, both will take writes, and one side's are lost later.`,
        );
      }
      return await change({ peerIsOff: values["peer-is-off"] });
    case "promote":
      if (!values["accept-data-loss"]) throw new OperatorError(`It needs --accept-data-loss.\n\n${text}`);
      await typed(`${peer} is off`, `Acknowledged writes that only server ${peer} has will be gone.`);
      return await change({ acceptDataLoss: true });
    case "reinit":
      if (values.leader === undefined)
        throw new OperatorError(`Which server has the data? It needs --leader.\n\n${text}`);
      await typed(
        `${values.leader} has the data`,
        `Server ${peer} will be overwritten by a copy of it where they differ.`,
      );
      return await change({ leader: values.leader });
    default:
      return await change({});
  }
}

function parse(words: readonly string[], text: string) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        help: { type: "boolean", short: "h", default: false },
        config: { type: "string" },
        json: { type: "boolean", default: false },
        watch: { type: "boolean", default: false },
        to: { type: "string" },
        yes: { type: "boolean", short: "y", default: false },
        confirm: { type: "string" },
        leader: { type: "string" },
        "peer-is-off": { type: "boolean", default: false },
        "accept-data-loss": { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new OperatorError(`${messageOf(error)}\n\n${text}`);
  }
}

/** Nobody types a whole sentence by mistake. @throws OperatorError when it was not typed. */
async function confirm(sentence: string, why: string, given: string | undefined): Promise<void> {
  if (given === sentence) return;
  if (!process.stdin.isTTY) {
    throw new OperatorError(
      `${why}\nNobody is here to confirm it. Type it in a terminal${sentence === "yes" ? ", or add --yes" : `, or add --confirm ${JSON.stringify(sentence)}`}.`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${why}\nType "${sentence}" to go on: `);
    if (answer.trim() !== sentence) throw new OperatorError("Nothing was changed.");
  } finally {
    terminal.close();
  }
}

class NoController extends OperatorError {}

async function ask(client: HttpClient, path: string, method: string, body: unknown, timeout: number) {
  try {
    return await client.ask(path, { method, timeout, ...(body === undefined ? {} : { body }) });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const hint =
      code === "EACCES"
        ? "only root may ask it"
        : code === "ENOENT" || code === "ECONNREFUSED"
          ? "it does not run: systemctl status im-failover, and journalctl -u im-failover"
          : messageOf(error);
    throw new NoController(`The controller of this server does not answer: ${hint}.`);
  }
}

async function readStatus(client: HttpClient): Promise<Status> {
  return JSON.parse((await ask(client, "/status", "GET", undefined, 5000)).text) as Status;
}

async function showStatus(client: HttpClient, values: { json: boolean; watch: boolean }): Promise<number> {
  for (;;) {
    let status: Status;
    try {
      status = await readStatus(client);
    } catch (error) {
      if (!(error instanceof NoController)) throw error;
      process.stderr.write(`${error.message}\n`);
      if (!values.watch) return 4;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      continue;
    }
    const text = values.json ? `${JSON.stringify(status, undefined, 2)}\n` : renderStatus(status, new Date());
    process.stdout.write(values.watch ? `\u001b[H\u001b[2J${text}` : text);
    if (!values.watch) return exitCodeOf(status);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function askForChange(client: HttpClient, path: string, body: object): Promise<number> {
  const { status, text } = await ask(client, path, "POST", body, 70_000);
  const answer = JSON.parse(text) as { outcome?: string; because?: string; error?: string };
  const sentence = answer.because ?? answer.error ?? `the controller answered ${status}`;
  if (status === 200) {
    process.stdout.write(`Done: ${sentence}.\n`);
    return 0;
  }
  process.stderr.write(`${answer.outcome === "late" ? "Not known" : "Refused"}: ${sentence}.\n`);
  return answer.outcome === "late" ? 3 : answer.outcome === "refused" ? 2 : 1;
}
