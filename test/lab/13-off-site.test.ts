import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptStack, writeAdoptConfiguration } from "../../lab/ensure-lab.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { suiteNames } from "../../lab/suite.ts";
import { run } from "../../lib/process.ts";
import { clearServer, configureCreateStack, forgetCreateState } from "../support/create-stack.ts";
import { printed, pulumiOk } from "../support/lab.ts";
import {
  giveCredentials,
  type OffSite,
  objectStore,
  sftpStore,
  startOffSite,
  stopOffSite,
} from "../support/off-site.ts";

/**
 * Off-site repositories of the adopted suite on A, and the worst day: A is gone, and an empty server (C) gets everything back from
 * one of them, with nothing but the key and the account of the repository. docs/runbooks/lost-server.md
 */

const directory = "/var/lib/im-suite/backup";
const restore = "/var/lib/im-suite/bin/im-restore";
const newStack = "lost-server-on-c";
const images = readImages();
let offSite: OffSite;

interface Report {
  readonly proven: boolean;
  readonly problems: readonly string[];
  readonly repositories: Readonly<Record<string, { readonly ok: number; readonly snapshot: string }>>;
}

async function backUp(): Promise<{ exitCode: number; report: Report }> {
  const options = { timeoutSeconds: 800, allowFailure: true };
  const { exitCode } = await onServer("a", "systemctl start im-backup.service", options);
  return {
    exitCode,
    report: JSON.parse(await printed("a", `ls -t ${directory}/reports/2*.json | sed -n 1p | xargs cat`)),
  };
}

/** Runs mc beside a server's MinIO, with the keys that the backup has there. */
const minio = (alias: "a" | "c", container: string, script: string) =>
  printed(
    alias,
    `docker run --rm --interactive --network container:${container} --entrypoint sh "$(docker inspect --format '{{.Image}}' ${container})" -c '
      mkdir -p /dev/shm/mc && cat >/dev/shm/mc/config.json
      mc() { command mc --config-dir /dev/shm/mc "$@"; }
      ${script}' </etc/im-suite/credentials/backup-minio.json`,
    120,
  );

/** Name, size, ETag and metadata of every object. */
async function objects(alias: "a" | "c", container: string): Promise<string[]> {
  const lines = (await minio(alias, container, "mc --json stat --recursive suite")).split("\n");
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .map(({ name, size, etag, metadata }) => JSON.stringify([name, size, etag, metadata]))
    .sort();
}

beforeAll(async () => {
  offSite = await startOffSite();
  await writeAdoptConfiguration(images, { backup: { enabled: true, offSite: offSite.offSite } });
  await giveCredentials(adoptStack, offSite);
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
});

afterAll(async () => {
  await clearServer("c");
  forgetCreateState({ stack: newStack });
  await stopOffSite();
  await writeAdoptConfiguration(images);
  await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
});

describe("two off-site places", () => {
  it("get a snapshot each, by sftp and by S3, and the one that may not be changed keeps what is old", async () => {
    // What mc mirror alone would lose.
    await minio(
      "a",
      "im-minio-prod",
      `echo text >/tmp/t; mc cp --attr "Content-Type=text/html;X-Amz-Meta-Owner=li" /tmp/t "suite/${suiteNames.bucket}/图片 一.html" >/dev/null`,
    );
    const { exitCode, report } = await backUp();
    expect(report.problems).toEqual([]);
    expect(exitCode).toBe(0);
    expect(Object.entries(report.repositories).map(([name, { ok }]) => [name, ok])).toEqual(
      expect.arrayContaining([
        ["local", 1],
        ["second", 1],
        ["store", 1],
      ]),
    );
    for (const name of ["second", "store"]) {
      const listed = await printed("a", `${restore} list --repository ${name}`);
      expect(listed).toContain(report.repositories[name]?.snapshot);
      // A backup saves the binary logs since its dump with it: from there on any moment.
      expect(await printed("a", `${restore} moments --repository ${name}`)).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
    }
    // Who takes the server over can add to the store, and remove nothing from it.
    const forget = `while IFS= read -r line; do export "\${line?}"; done </etc/im-suite/backup/repositories/store/environment
RESTIC_PASSWORD_FILE=/var/lib/im-suite/secrets/backup-key timeout 20 restic forget ${report.repositories["store"]?.snapshot} 2>&1 || true`;
    expect(await printed("a", forget)).toMatch(/Access Denied|unable to remove|failed to remove/);
    expect(await printed("a", `${restore} list --repository store`)).toContain(report.repositories["store"]?.snapshot);
    // The account on the other server sees its own folder and has no shell.
    const key = "/etc/im-suite/backup/repositories/second";
    const shell = `ssh -i ${key}/ssh-key -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${key}/known-hosts -o HostKeyAlias=second im-backup@${sftpStore.address} id`;
    expect(await printed("a", `timeout 5 ${shell} 2>&1 || true`)).not.toContain("uid=");
  });

  it("one that is down is named, and stops neither the other nor the local one", async () => {
    await run("docker", ["pause", sftpStore.container]);
    try {
      const { exitCode, report } = await backUp();
      expect(exitCode).not.toBe(0);
      expect(report.problems.join()).toMatch(/repository second: /);
      expect(report.problems).toHaveLength(1);
      expect(report.repositories).toMatchObject({ local: { ok: 1 }, second: { ok: 0 }, store: { ok: 1 } });
    } finally {
      await run("docker", ["unpause", sftpStore.container]);
    }
    expect((await backUp()).report.problems).toEqual([]);
  });

  it("S3 down: the same the other way round", async () => {
    await run("docker", ["stop", objectStore.container]);
    try {
      const { report } = await backUp();
      expect(report.problems.join()).toMatch(/repository store: /);
      expect(report.repositories).toMatchObject({ local: { ok: 1 }, second: { ok: 1 }, store: { ok: 0 } });
    } finally {
      await run("docker", ["start", objectStore.container]);
    }
    expect((await backUp()).report.problems).toEqual([]);
  });
});

describe("the server is lost", () => {
  it("an empty one gets rows, keys and objects back from an off-site repository, with nothing but the key", async () => {
    const { report } = await backUp();
    const fingerprint = (alias: "a" | "c") => printed(alias, `cat "$(ls -t ${directory}/fingerprints/* | sed -n 1p)"`);
    const saved = await fingerprint("a");
    const savedObjects = await objects("a", "im-minio-prod");
    const keys = await printed("a", "cat /var/lib/im-suite/secrets/backup-key");
    expect(saved).toMatch(/^rows \S+\.messages\t[1-9]/m);

    const started = performance.now();
    await clearServer("c");
    forgetCreateState({ stack: newStack });
    await onServer(
      "c",
      `mkdir -p -m 0755 /var/lib/im-suite && mkdir -p -m 0700 /var/lib/im-suite/secrets
(umask 377; cat >/var/lib/im-suite/secrets/backup-key)`,
      { input: keys },
    );
    await configureCreateStack(
      { stack: newStack, server: "c" },
      { database: suiteNames.database },
      { backup: { enabled: true, offSite: offSite.offSite } },
    );
    await giveCredentials(newStack, offSite);
    await pulumiOk(["up", "--yes", "--skip-preview", "-s", newStack]);
    await onServer("c", "docker stop im-backend");
    for (const part of ["mysql", "redis", "minio"]) {
      const options = ["--in-place", "--part", part, "--repository", "second", "--yes"];
      await onServer("c", `${restore} restore ${options.join(" ")}`, { timeoutSeconds: 600 });
    }
    await onServer("c", "docker start im-backend");
    const seconds = (performance.now() - started) / 1000;
    process.stdout.write(`lost server: everything is back after ${seconds.toFixed(0)} s\n`);
    expect(seconds).toBeLessThan(300);

    // Every row and object, told by the new server's own first backup, which loads and counts its dump.
    await onServer("c", "systemctl start im-backup.service", { timeoutSeconds: 800 });
    expect(await fingerprint("c")).toBe(saved);
    expect(await objects("c", "im-minio")).toEqual(savedObjects);
    expect(report.repositories["second"]?.snapshot).toBeTruthy();
  });
});
