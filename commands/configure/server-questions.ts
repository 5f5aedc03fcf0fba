import { existsSync } from "node:fs";
import { createdContainers } from "../../config/names.ts";
import type { ServerConfiguration } from "../../config/schema.ts";
import { expandHome, readPrivateKey } from "../../lib/ssh.ts";
import { checkSystem, requireNoRefusal } from "../../preflight/checks.ts";
import type { ServerFacts } from "../../preflight/facts.ts";
import { probe } from "../../preflight/probe.ts";
import type { Asker, Judgement } from "./ask.ts";
import { judgedBy, problemAt } from "./judgement.ts";
import { fingerprint, scanHostKeys } from "./server-checks.ts";

export type Plain = Record<string, unknown>;

export interface Conversation {
  readonly ask: Asker;
  readonly tell: (text: string) => void;
  /** The configuration as it is now, secrets in clear where they could be read. */
  readonly existing: Plain;
}

export interface AskedServer {
  /** Where it stands in the configuration, without im:. */
  readonly key: string;
  /** As it is called in the question. */
  readonly what: string;
  /** What is configured now. */
  readonly known: Plain;
}

/** Asks how one server is reached, until a look at it has succeeded. Changes nothing there. */
export async function askServer(
  { ask, tell }: Pick<Conversation, "ask" | "tell">,
  { key, what, known }: AskedServer,
): Promise<{ server: ServerConfiguration; facts: ServerFacts }> {
  const path = `im:${key}`;
  const address = await ask.text({
    key: `${key}.address`,
    message: `Address of ${what} (IP):`,
    default: textOf(known["address"]),
    check: (answer) => problemAt("servers.a.address", (raw) => Object.assign(raw.servers.a, { address: answer })),
  });
  let hostKeys: string[] = [];
  const port = await ask.text({
    key: `${key}.sshPort`,
    message: "Its ssh port:",
    default: String(known["sshPort"] ?? 22),
    check: async (answer) => {
      const problem = problemAt("servers.a.sshPort", (raw) =>
        Object.assign(raw.servers.a, { sshPort: numberOf(answer) }),
      );
      if (problem !== true) return problem;
      hostKeys = await scanHostKeys(address, Number(answer));
      return hostKeys.length > 0
        ? true
        : `nothing answers as an ssh server at ${address}, port ${answer}. Expected a running sshd; check address, port and firewall.`;
    },
  });
  const sshPort = Number(port);
  const hostKey = await askHostKey(
    { ask, tell },
    key,
    `${address}, port ${sshPort}`,
    hostKeys,
    textOf(known["hostKey"]),
  );

  let facts: ServerFacts | undefined;
  const connection = (privateKeyFile: string): ServerConfiguration => ({
    address,
    sshPort,
    user: "root",
    privateKeyFile,
    hostKey,
  });
  const privateKeyFile = await ask.text({
    key: `${key}.privateKeyFile`,
    message: "Private ssh key for root there (a file without a passphrase):",
    default: textOf(known["privateKeyFile"]) ?? standardKey(),
    check: async (answer) =>
      await judged(async () => {
        readPrivateKey(answer, `${path}.privateKeyFile`);
        facts = (await probe(connection(answer), path)).facts;
      }),
  });
  if (facts === undefined) throw new Error("the private key was accepted without a look at the server");
  tell(describe(facts));
  requireNoRefusal(checkSystem(path, address, facts));
  return { server: connection(privateKeyFile), facts };
}

/** The key that the server shows is pinned only after a person has compared it, or when it is the one that was pinned before. */
async function askHostKey(
  { ask, tell }: Pick<Conversation, "ask" | "tell">,
  key: string,
  where: string,
  hostKeys: readonly string[],
  pinned: string | undefined,
): Promise<string> {
  if (pinned !== undefined && hostKeys.includes(pinned)) {
    tell(`Host key: the pinned one (${fingerprint(pinned)}).`);
    return pinned;
  }
  const hostKey = hostKeys[0] ?? "";
  const file = `/etc/ssh/ssh_host_${(hostKey.split(" ")[0] ?? "").replace(/^ssh-|-sha2-.*$/g, "")}_key.pub`;
  tell(
    [
      pinned === undefined
        ? `${where} shows this host key:`
        : `WARNING: ${where} shows another host key than the pinned one.`,
      ...(pinned === undefined ? [] : [`  pinned  ${fingerprint(pinned)}`]),
      `  shown   ${fingerprint(hostKey)}  (${hostKey.split(" ")[0]})`,
      "Compare it by another way than this network: on the server's console at your provider, type",
      `  ssh-keygen -lf ${file}`,
    ].join("\n"),
  );
  await ask.text({
    key: `${key}.hostKey`,
    message: "Is it the same? Type yes, or paste the fingerprint that the console shows:",
    check: (answer) => {
      if (answer === fingerprint(hostKey) || answer === hostKey) return true;
      if (/^(SHA256:|ssh-|ecdsa-)/.test(answer))
        return "this is another key than the server shows: somebody may be in between. Do not go on.";
      // A file cannot compare anything: there the fingerprint itself is the answer.
      if (!ask.isPerson) return "expected the fingerprint that the server's console shows";
      return answer === "yes" ? true : 'expected "yes" or the fingerprint; Ctrl-C leaves everything as it was';
    },
  });
  return hostKey;
}

/** The same for a check that says no more than that it failed. */
export async function judged(work: () => Promise<void>): Promise<Judgement> {
  return await judgedBy(async () => {
    await work();
    return true;
  });
}

function describe(facts: ServerFacts): string {
  const running = facts.containers.filter((one) => one.status === "running").length;
  const ours = facts.containers.filter((one) =>
    (Object.values(createdContainers) as string[]).includes(one.name),
  ).length;
  return [
    `Reached: ${facts.system.name}, ${facts.system.architecture}, ${facts.memoryMiB.total} MiB of memory, ${facts.disks.state.availableMiB} MiB free;`,
    facts.docker === undefined
      ? "no Docker Engine."
      : `Docker Engine ${facts.docker}, ${running} containers running${ours > 0 ? `, ${ours} of them ours` : ""}.`,
  ].join(" ");
}

/** The key made for this program, else the user's usual one. */
function standardKey(): string | undefined {
  return ["~/.ssh/im-suite-ha", "~/.ssh/id_ed25519"].find((file) => existsSync(expandHome(file)));
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Digits only: `0x50` and `80 ` would be numbers to JavaScript. */
export function numberOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
