import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabAlias } from "../../lab/addresses.ts";
import { onServer } from "../../lab/servers.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { pulumiOk } from "./lab.ts";

/** Every password and key of a created suite, by what it opens. */
export type Logins = Readonly<Record<string, { readonly user: string; readonly secret: string }>>;

/** They come from the stack's outputs, as an operator would read them. */
export async function loginsOf(stack: string): Promise<Logins> {
  const result = await pulumiOk(["stack", "output", "credentials", "--show-secrets", "--json", "-s", stack]);
  const { mysql, redis, minio, backup } = JSON.parse(result.stdout);
  return {
    "mysql root": { user: "root", secret: mysql.root },
    "mysql application": { user: "im_app", secret: mysql.application },
    "mysql exporter": { user: "im_exporter", secret: mysql.exporter },
    "mysql health": { user: "im_health", secret: mysql.health },
    redis: { user: "", secret: redis.password },
    "minio root": { user: minio.accessKey, secret: minio.secretKey },
    "minio application": { user: minio.application.accessKey, secret: minio.application.secretKey },
    "backup local": { user: "", secret: backup.key },
    "backup second-disk": { user: "", secret: backup.key },
  };
}

/** Which of them are accepted now, asked of the running services themselves. */
export async function accepted(server: LabAlias, logins: Logins): Promise<Record<string, boolean>> {
  const lines = Object.entries(logins).map(([name, { user, secret }]) => {
    const [kind = "", what = "-"] = name.split(" ");
    return [kind, what, user === "" ? "-" : user, secret].join(" ");
  });
  const result = await onServer(
    server,
    `while read -r kind what user secret <&3; do
  answer=refused
  case "$kind" in
    mysql) if printf '[client]\\nuser=%s\\npassword=%s\\n' "$user" "$secret" | docker exec -i im-mysql mysql --defaults-extra-file=/dev/stdin -e 'DO 1' >/dev/null 2>&1; then answer=accepted; fi ;;
    redis) if printf 'AUTH %s\\nPING\\n' "$secret" | docker exec -i im-redis redis-cli | grep -q PONG; then answer=accepted; fi ;;
    minio) if printf '{"version":"10","aliases":{"suite":{"url":"http://127.0.0.1:9000","accessKey":"%s","secretKey":"%s","api":"S3v4","path":"auto"}}}' "$user" "$secret" |
      docker exec -i im-minio sh -c 'mkdir -p /dev/shm/try && cat >/dev/shm/try/config.json && mc --config-dir /dev/shm/try ls suite; code=$?; rm -rf /dev/shm/try; exit $code' >/dev/null 2>&1; then answer=accepted; fi ;;
    backup) repository=/var/lib/im-suite/backup/repository
      if [ "$what" != local ]; then repository=/srv/im-backup; fi
      if RESTIC_PASSWORD_FILE=<(printf %s "$secret") restic --no-cache --repo "$repository" cat config >/dev/null 2>&1; then answer=accepted; fi ;;
  esac
  echo "$kind $what $answer"
done 3<<<"$(cat)"`,
    { input: lines.join("\n"), timeoutSeconds: 120 },
  );
  return Object.fromEntries(
    result.stdout
      .trim()
      .split("\n")
      .map((line) => {
        const [kind = "", what = "", answer] = line.split(" ");
        return [what === "-" ? kind : `${kind} ${what}`, answer === "accepted"];
      }),
  );
}

/** The same for all of them, to compare with. */
export function all(logins: Logins, value: boolean): Record<string, boolean> {
  return Object.fromEntries(Object.keys(logins).map((name) => [name, value]));
}

export interface RotateRun {
  /** undefined: it was killed. */
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly seconds: number;
}

/**
 * Runs `npm run rotate` for a stack of the lab.
 * @param killAt ends it and every process below it by SIGKILL as soon as it has printed this: a power failure on the operator's machine.
 */
export async function rotate(stack: string, args: readonly string[] = [], killAt?: RegExp): Promise<RotateRun> {
  const started = performance.now();
  const program = join(repositoryRoot, "commands", "rotate.ts");
  const child = spawn(process.execPath, [program, "-s", stack, "--lab", "--yes", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let killed = false;
  const hear = (text: string) => {
    output += text;
    if (killed || killAt === undefined || !killAt.test(output)) return;
    killed = true;
    // Stopped first: else it starts Pulumi between the look and the blow, and that one lives on.
    signal(child.pid ?? 0, "SIGSTOP");
    for (const pid of family(child.pid ?? 0)) signal(pid, "SIGKILL");
  };
  child.stdout.setEncoding("utf8").on("data", hear);
  child.stderr.setEncoding("utf8").on("data", hear);
  const exitCode = await new Promise<number | undefined>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(killed ? undefined : (code ?? 1)));
  });
  return { exitCode, output, seconds: (performance.now() - started) / 1000 };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in this moment.
  }
}

/** A process and all below it. */
function family(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, "utf8"))?.[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended between the two calls.
    }
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}
