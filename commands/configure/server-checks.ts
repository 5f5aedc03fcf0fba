import { createHash } from "node:crypto";
import { OperatorError } from "../../lib/errors.ts";
import { run } from "../../lib/process.ts";
import { quote, script } from "../../lib/shell.ts";
import { type SshServer, sshScript } from "../../lib/ssh.ts";
import { redisInContainer, renderRedisAuth } from "../../templates/container-clients.ts";
import type { Judgement } from "./ask.ts";
import { signedHeaders } from "./s3-signature.ts";

/** Best first: short, and every supported server has it. */
const hostKeyTypes = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/** The public host keys that a server shows, best first. Empty when nothing there answers as an ssh server. */
export async function scanHostKeys(address: string, port: number): Promise<string[]> {
  let output: string;
  try {
    const args = ["-T", "8", "-p", String(port), "-t", "ed25519,ecdsa,rsa", address];
    output = (await run("ssh-keyscan", args, { timeoutSeconds: 30 })).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new OperatorError(
      "ssh-keyscan is not on this machine. Install the ssh client: apt-get install openssh-client",
    );
  }
  return parseHostKeys(output);
}

/** Lines of ssh-keyscan: the address, the type, the key; comments begin with #. */
export function parseHostKeys(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" ").slice(1, 3).join(" "))
    .filter((key) => hostKeyTypes.includes(key.split(" ")[0] ?? ""))
    .sort(
      (one, other) => hostKeyTypes.indexOf(one.split(" ")[0] ?? "") - hostKeyTypes.indexOf(other.split(" ")[0] ?? ""),
    );
}

/** The fingerprint as `ssh-keygen -l` shows it. */
export function fingerprint(hostKey: string): string {
  const bytes = Buffer.from(hostKey.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(bytes).digest("base64").replaceAll("=", "")}`;
}

/** Asks Redis with a password, empty for none. */
export async function tryRedis(server: SshServer, container: string, password: string): Promise<Judgement> {
  // The password is in the script, which travels on ssh's stdin, and in a pipe: in no process list and no file.
  const auth = quote(renderRedisAuth(password));
  const text = script(redisInContainer, `redis_in_container ${quote(container)} <(printf '%s' ${auth}) PING 2>&1 || :`);
  const { stdout } = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 30 });
  const answer = stdout.trim().split("\n").at(-1) ?? "";
  if (answer === "PONG") return true;
  if (/NOAUTH|WRONGPASS|invalid password/i.test(stdout)) return "Redis does not accept this password";
  return `Redis in ${container} does not answer: ${answer}`;
}

/** Asks MinIO with a pair of keys; the secret key itself stays on this machine. */
export async function tryMinio(
  server: SshServer,
  port: number,
  keys: { readonly accessKey: string; readonly secretKey: string },
  clockOffsetSeconds: number,
): Promise<Judgement> {
  const headers = signedHeaders({
    host: `127.0.0.1:${port}`,
    path: "/",
    query: "",
    region: "us-east-1",
    ...keys,
    at: new Date(Date.now() + clockOffsetSeconds * 1000),
  });
  const options = Object.entries(headers).map(([name, value]) => `--header ${quote(`${name}: ${value}`)}`);
  const text = script(
    "command -v curl >/dev/null 2>&1 || { echo no-curl; exit 0; }",
    `curl --silent --max-time 10 --write-out '\\nstatus=%{http_code}' ${options.join(" ")} ${quote(`http://127.0.0.1:${port}/`)} || :`,
  );
  const { stdout } = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 30 });
  return judgeMinio(stdout, port);
}

/** What MinIO's answer to a signed request says about the keys. */
export function judgeMinio(answer: string, port: number): Judgement {
  const code = /<Code>(\w+)<\/Code>/.exec(answer)?.[1] ?? "";
  const status = /status=(\d+)/.exec(answer)?.[1] ?? "";
  if (code === "InvalidAccessKeyId") return "MinIO knows no such access key";
  if (code === "SignatureDoesNotMatch") return "MinIO does not accept this secret key";
  if (status === "000") return `MinIO does not answer on port ${port} of the server`;
  // AccessDenied: the keys are right, but may not list buckets. Anything else (no curl, another region) tells nothing about them.
  return true;
}

/** Looks from the server whether the mail server answers: the server sends the mails. Says nothing about the login. */
export async function tryMailServer(server: SshServer, smarthost: string): Promise<Judgement> {
  const at = smarthost.lastIndexOf(":");
  const [host, port] = [smarthost.slice(0, at), smarthost.slice(at + 1)];
  const text = script(
    `if timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2"' mail ${quote(host)} ${quote(port)} 2>/dev/null; then echo reached; fi`,
  );
  const { stdout } = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 30 });
  if (stdout.includes("reached")) return true;
  return `${server.address} does not reach ${smarthost}. Check the name, the port and outgoing firewalls (many providers close port 25)`;
}

/** The public host keys that another server shows to this one, best first. */
export async function scanHostKeysFrom(server: SshServer, host: string, port: number): Promise<string[]> {
  const text = script(`timeout 20 ssh-keyscan -T 8 -p ${port} -t ed25519,ecdsa,rsa ${quote(host)} 2>/dev/null || :`);
  return parseHostKeys((await sshScript(server, text, "im:servers.a", { timeoutSeconds: 30 })).stdout);
}

export interface SftpLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly path: string;
  readonly hostKey: string;
  readonly privateKey: string;
}

/** Logs in from the server by sftp and looks for the folder. The key lies in the server's memory for the length of the call. */
export async function trySftp(server: SshServer, login: SftpLogin): Promise<Judgement> {
  const options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=15"];
  const text = script(
    "folder=$(mktemp -d -p /dev/shm)",
    `trap 'rm -rf -- "$folder"' EXIT`,
    // The script itself travels on ssh's stdin: in no process list.
    `printf '%s' ${quote(`${login.privateKey.trimEnd()}\n`)} >"$folder/key"`,
    `printf '%s\\n' ${quote(`off-site ${login.hostKey}`)} >"$folder/known"`,
    // Not ls: an empty folder and a missing one must differ.
    `printf 'cd %s\\n' ${quote(sftpQuoted(login.path))} >"$folder/batch"`,
    `if timeout 40 sftp -q ${options.map((option) => `-o ${option}`).join(" ")} -o HostKeyAlias=off-site -o UserKnownHostsFile="$folder/known" -i "$folder/key" -P ${login.port} -b "$folder/batch" ${quote(`${login.user}@${login.host.includes(":") ? `[${login.host}]` : login.host}`)} 2>&1; then echo opened; fi`,
  );
  const { stdout } = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 60 });
  return judgeSftp(stdout, login);
}

function sftpQuoted(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** What sftp's answer says about the login. */
export function judgeSftp(answer: string, login: Pick<SftpLogin, "host" | "user" | "path">): Judgement {
  if (/^opened$/m.test(answer)) return true;
  if (/Permission denied \(|Too many authentication/i.test(answer)) {
    return `${login.host} does not accept this key for ${login.user}: its public half belongs into that login's authorized_keys`;
  }
  if (/No such file|not found/i.test(answer)) {
    return `${login.path} is not there: make it on ${login.host}, owned by ${login.user}`;
  }
  return `${login.host} could not be tried: ${answer.trim().split("\n").at(-1) || "no answer"}`;
}

export interface StoreLogin {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Asks an S3-compatible store for the bucket, from the server, with a request that was signed here. */
export async function tryStore(server: SshServer, store: StoreLogin): Promise<Judgement> {
  const url = new URL(store.endpoint);
  const path = `/${store.bucket}`;
  const headers = signedHeaders({
    host: url.host,
    path,
    query: "location=",
    region: "us-east-1",
    accessKey: store.accessKey,
    secretKey: store.secretKey,
    at: new Date(),
  });
  const options = Object.entries(headers).map(([name, value]) => `--header ${quote(`${name}: ${value}`)}`);
  const text = script(
    "command -v curl >/dev/null 2>&1 || { echo no-curl; exit 0; }",
    `curl --silent --max-time 15 --write-out '\\nstatus=%{http_code}' ${options.join(" ")} ${quote(`${url.origin}${path}?location=`)} || :`,
  );
  const { stdout } = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 30 });
  return judgeStore(stdout, store);
}

/** What a store's answer says about keys and bucket. */
export function judgeStore(answer: string, store: Pick<StoreLogin, "endpoint" | "bucket">): Judgement {
  const code = /<Code>(\w+)<\/Code>/.exec(answer)?.[1] ?? "";
  if (code === "InvalidAccessKeyId") return `${store.endpoint} knows no such access key`;
  if (code === "SignatureDoesNotMatch") return `${store.endpoint} does not accept this secret key`;
  if (code === "NoSuchBucket") return `there is no bucket ${store.bucket} at ${store.endpoint}: make it first, private`;
  if (/status=000/.test(answer)) return `the server does not reach ${store.endpoint}`;
  // AccessDenied: the keys are right, but may not ask this. Another region: the first backup tells.
  return true;
}
