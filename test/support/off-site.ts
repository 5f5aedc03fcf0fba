import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { labLabel, labNetwork, requireLabAddress } from "../../lab/addresses.ts";
import { ensureEngineImages } from "../../lab/build-image.ts";
import { readImages } from "../../lab/images.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { run, runChecked } from "../../lib/process.ts";

/**
 * Two places for off-site backups, in containers on the lab's network, set up by the very commands of docs/runbooks/off-site.md: a server
 * with an sftp-only account, and a MinIO with an account that may add but not delete.
 */

export const sftpStore = { container: "im-test-off-site-sftp", address: requireLabAddress("198.18.0.41") } as const;
export const objectStore = { container: "im-test-off-site-s3", address: requireLabAddress("198.18.0.42") } as const;

/** `im:backup.offSite` and `im:backupCredentials` of both. */
export interface OffSite {
  readonly offSite: readonly Readonly<Record<string, unknown>>[];
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Makes both anew, empty. */
export async function startOffSite(): Promise<OffSite> {
  await stopOffSite();
  const [second, store] = await Promise.all([startSftp(), startObjectStore()]);
  return {
    offSite: [second.configuration, store.configuration],
    credentials: { second: second.credentials, store: store.credentials },
  };
}

export async function stopOffSite(): Promise<void> {
  await run("docker", ["rm", "--force", "--volumes", sftpStore.container, objectStore.container]);
}

/** Gives a stack the credentials of these places, as an operator types them: on stdin, so no process list shows them. */
export async function giveCredentials(
  stack: string,
  { credentials }: OffSite,
  places: readonly string[] = Object.keys(credentials),
): Promise<void> {
  for (const place of places) {
    for (const [key, value] of Object.entries(credentials[place] ?? {})) {
      const path = `im:backupCredentials.${place}.${key}`;
      const result = await labPulumi(["config", "set", "--secret", "--path", path, "-s", stack], { input: value });
      if (result.exitCode !== 0) throw new Error(`${path}: ${result.stderr}`);
    }
  }
}

async function startSftp() {
  const { server } = await ensureEngineImages();
  await start(sftpStore, [server, "sleep", "infinity"]);
  const blocks = runbookBlocks("sh");
  await inside(
    sftpStore.container,
    `mkdir -p /run/sshd /etc/ssh/sshd_config.d; ssh-keygen -A >/dev/null; ${blocks[0]}`,
  );
  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-off-site-"));
  try {
    const key = join(folder, "key");
    await runChecked("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "im-backup", "-f", key]);
    await inside(
      sftpStore.container,
      "cat >/etc/ssh/im-backup/authorized_keys; chmod 0644 /etc/ssh/im-backup/authorized_keys",
      readFileSync(`${key}.pub`, "utf8"),
    );
    await inside(sftpStore.container, "/usr/sbin/sshd");
    const hostKey = (await inside(sftpStore.container, "cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub")).trim();
    return {
      configuration: {
        ...{ name: "second", type: "sftp", host: sftpStore.address, user: "im-backup", path: "/im-suite" },
        hostKey,
      },
      credentials: { privateKey: readFileSync(key, "utf8") },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startObjectStore() {
  const image = readImages().minio;
  if (image === undefined || !("definition" in image)) throw new Error("the lab has no image of MinIO");
  await start(objectStore, [image.definition, "server", "/data"]);
  const secretKey = "off-site-'\"$-secret-1";
  const policy = runbookBlocks("json")[0] ?? "";
  const [commands = ""] = runbookBlocks("sh").filter((block) => block.startsWith("mc mb"));
  await inside(
    objectStore.container,
    // mc asks for the secret key where nobody types it: a terminal is missing here.
    `cd /tmp; until mc ready store; do sleep 0.3; done >/dev/null; cat >policy.json
${commands.replace(/user add store im-backup .*/, 'user add store im-backup "$SECRET_KEY"')}`,
    policy,
    { MC_HOST_store: "http://minioadmin:minioadmin@127.0.0.1:9000", SECRET_KEY: secretKey },
  );
  return {
    configuration: {
      ...{ name: "store", type: "s3", endpoint: `http://${objectStore.address}:9000`, bucket: "im-backup" },
      appendOnly: true,
    },
    credentials: { accessKey: "im-backup", secretKey },
  };
}

async function start(place: { container: string; address: string }, imageAndCommand: readonly string[]): Promise<void> {
  await runChecked("docker", [
    ...["run", "--detach", "--name", place.container, "--label", labLabel],
    ...["--network", labNetwork.name, "--ip", place.address, ...imageAndCommand],
  ]);
}

async function inside(
  container: string,
  text: string,
  input = "",
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const variables = Object.keys(environment).flatMap((name) => ["--env", name]);
  const args = ["exec", "--interactive", ...variables, container, "sh", "-ec", text];
  return (await runChecked("docker", args, { input, environment, timeoutSeconds: 60 })).stdout;
}

/** The code blocks of the runbook: what an operator types is what is tested. */
function runbookBlocks(language: string): string[] {
  const text = readFileSync(join(repositoryRoot, "docs/runbooks/off-site.md"), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, block]) => block ?? "",
  );
}
