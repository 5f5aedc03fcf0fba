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
