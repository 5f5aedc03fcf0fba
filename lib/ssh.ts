import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, OperatorError } from "./errors.ts";
import { shortHash } from "./hash.ts";
import { cacheDirectory } from "./paths.ts";
import { type RunResult, run } from "./process.ts";

/** A server as ssh reaches it. */
export interface SshServer {
  readonly address: string;
  readonly sshPort: number;
  readonly user: string;
  /** A file on this machine; `~` is this user's home. */
  readonly privateKeyFile: string;
  /** The pinned public host key: type and base64. */
  readonly hostKey: string;
}

/** Resolves `~` in the path of a private key. */
export function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

/**
 * Reads a private key and refuses what would fail later in a less readable way: a missing file, a public key, a key with a
 * passphrase (neither Pulumi's ssh nor an unattended docker-over-ssh can ask for it).
 * @param configPath is named in the error.
 */
export function readPrivateKey(path: string, configPath: string): string {
  const file = expandHome(path);
  const expected = `${configPath} = ${JSON.stringify(path)}`;
  if (!existsSync(file)) {
    throw new OperatorError(
      `${expected}: there is no such file. Expected a private ssh key; make one with: ssh-keygen -t ed25519 -N '' -f ${path}`,
    );
  }
  if (!statSync(file).isFile()) throw new OperatorError(`${expected}: not a file. Expected a private ssh key.`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new OperatorError(
      `${expected}: cannot be read (${messageOf(error)}). Expected a private ssh key of this user.`,
    );
  }
  if (/^(ssh-|ecdsa-)/.test(text)) {
    throw new OperatorError(`${expected}: this is the public key. Name the private one (the same path without .pub).`);
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new OperatorError(`${expected}: this is not a private ssh key.`);
  }
  const passphrase = passphraseOf(text);
  if (passphrase === "damaged") {
    throw new OperatorError(`${expected}: this private key is damaged or cut off. Copy it again, whole.`);
  }
  if (passphrase === "yes") {
    throw new OperatorError(
      `${expected}: this key has a passphrase, which an unattended run cannot type. Make one for this program: ssh-keygen -t ed25519 -N '' -f ~/.ssh/im-suite-ha`,
    );
  }
  return text;
}

function passphraseOf(text: string): "yes" | "no" | "damaged" {
  if (!/-----END [A-Z ]*PRIVATE KEY-----/.test(text)) return "damaged";
  if (/BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(text)) return "yes";
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1];
  if (body === undefined) return "no";
  // openssh-key-v1: the magic, then the cipher's name with its length; "none" means no passphrase.
  const bytes = Buffer.from(body.replaceAll(/\s/g, ""), "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.length < magic.length + 8 || bytes.subarray(0, magic.length).toString("latin1") !== magic) return "damaged";
  const length = bytes.readUInt32BE(magic.length);
  const cipher = bytes.subarray(magic.length + 4, magic.length + 4 + length).toString();
  return cipher === "none" ? "no" : "yes";
}

/**
 * A known_hosts file that holds exactly this server's pinned key, for the `ssh` program (docker over ssh, the probe).
 * @returns its path in the cache folder, stable for the same server.
 */
export function knownHostsFile(server: SshServer): string {
  const name = server.sshPort === 22 ? server.address : `[${server.address}]:${server.sshPort}`;
  const line = `${name} ${server.hostKey}\n`;
  const directory = cacheDirectory("known-hosts");
  const file = join(directory, shortHash(line));
  if (!existsSync(file)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, line, { mode: 0o600 });
    renameSync(temporary, file);
  }
  return file;
}

/** Options of the `ssh` program that pin the host key and never ask. Without the address. */
export function sshOptions(server: SshServer): string[] {
  return [
    "-i",
    expandHome(server.privateKeyFile),
    ...["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", "LogLevel=ERROR"].flatMap((o) => ["-o", o]),
    ...["-o", `UserKnownHostsFile=${knownHostsFile(server)}`, "-o", "GlobalKnownHostsFile=/dev/null"],
    ...["-o", `HostKeyAlgorithms=${hostKeyAlgorithms(server.hostKey)}`],
    ...["-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"],
  ];
}

/** Only the pinned key's own type is offered; for RSA the two signatures that current servers accept. */
function hostKeyAlgorithms(hostKey: string): string {
  const type = hostKey.split(" ")[0] ?? "";
  return type === "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : type;
}

export interface SshRunOptions {
  readonly timeoutSeconds: number;
  readonly logFile?: string;
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a script on a server: it travels on ssh's stdin to `bash -s`, so what it contains is in no process list. Connection
 * problems become one sentence.
 * @param configPath names the server in errors, for example `im:servers.a`.
 */
export async function sshScript(
  server: SshServer,
  text: string,
  configPath: string,
  options: SshRunOptions,
): Promise<RunResult> {
  keepPrivate(server.privateKeyFile);
  const result = await run(
    "ssh",
    [
      ...sshOptions(server),
      "-p",
      String(server.sshPort),
      `${server.user}@${server.address}`,
      `timeout --kill-after=5 ${options.timeoutSeconds} bash -s`,
    ],
    {
      input: text,
      timeoutSeconds: options.timeoutSeconds + 15,
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
    },
  );
  if (result.exitCode === 255 || (result.exitCode !== 0 && /ended after/.test(result.stderr) && result.stdout === "")) {
    throw connectionError(server, configPath, result.stderr);
  }
  return result;
}

/** ssh refuses a key that others can read, with a long text; we say it in one sentence first. */
function keepPrivate(path: string): void {
  const file = expandHome(path);
  if (existsSync(file) && (statSync(file).mode & 0o077) !== 0) {
    throw new OperatorError(
      `The private key ${path} can be read by other users, so ssh refuses it. Type: chmod 600 ${path}`,
    );
  }
}

function connectionError(server: SshServer, configPath: string, stderr: string): OperatorError {
  const where = `${configPath}.address = "${server.address}" (ssh port ${server.sshPort})`;
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION|no matching host key type/i.test(stderr)) {
    return new OperatorError(
      `${where}: the server shows another host key than ${configPath}.hostKey. If it was reinstalled, check the new key by another way and write it there (ssh-keyscan -p ${server.sshPort} -t ed25519 ${server.address}); if not, somebody may be in between: do not go on.`,
    );
  }
  if (/Permission denied/i.test(stderr)) {
    return new OperatorError(
      `${where}: the server does not accept the key ${configPath}.privateKeyFile = "${server.privateKeyFile}" for ${server.user}. Add its public half to ${server.user}'s authorized_keys: ssh-copy-id -i ${server.privateKeyFile}.pub -p ${server.sshPort} ${server.user}@${server.address}`,
    );
  }
  const reason = /refused/i.test(stderr)
    ? "nothing listens on that port"
    : /No route|unreachable/i.test(stderr)
      ? "there is no route to it"
      : /timed out|ended after/i.test(stderr)
        ? "no answer within the time"
        : stderr.trim().split("\n").at(-1) || "the connection ended";
  return new OperatorError(
    `${where}: cannot be reached: ${reason}. Expected a running server with sshd; check address, port and firewall.`,
  );
}

/** Makes sure that a private file of ours is private even if an older version or a copy left it open. */
export function makePrivate(file: string): void {
  chmodSync(file, 0o600);
}
