import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { labLabel } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { run, runChecked } from "../../lib/process.ts";
import { script } from "../../lib/shell.ts";
import { putObjects, saveObjects } from "../../templates/backup/objects.ts";
import { renderMinioClientConfig } from "../../templates/backup/repositories.ts";

/** The backup's own shell functions against a real MinIO in a container without network. */

const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-objects-"));
const container = `im-test-objects-${process.pid}`;
const clientFile = join(folder, "client.json");
const staging = join(folder, "staging");

beforeAll(async () => {
  const image = readImages().minio;
  if (image === undefined || !("definition" in image)) throw new Error("the lab has no image of MinIO");
  writeFileSync(clientFile, renderMinioClientConfig("minioadmin", "minioadmin"));
  mkdirSync(staging);
  await runChecked("docker", [
    ...["run", "--detach", "--name", container, "--label", labLabel, "--network", "none"],
    ...[image.definition, "server", "/data"],
  ]);
  await inMinio("until mc ready suite; do sleep 0.3; done; mc mb suite/im-suite suite/empty-one");
});

afterAll(async () => {
  await run("docker", ["rm", "--force", "--volumes", container]);
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a script beside MinIO; mc knows it as suite. */
async function inMinio(text: string): Promise<string> {
  const environment = "MC_HOST_suite=http://minioadmin:minioadmin@127.0.0.1:9000";
  const args = ["exec", "--interactive", "--env", environment, "--workdir", "/tmp", container, "sh", "-ec", text];
  return (await runChecked("docker", args, { timeoutSeconds: 120 })).stdout;
}

/** Runs the backup's functions on this machine, as im-backup and im-restore do. */
async function withFunctions(text: string): Promise<string> {
  const lines = [
    `staging=${staging} minio_container=${container} minio_client=${clientFile} bounds=(--label ${labLabel})`,
    "image_of() { docker inspect --format '{{.Image}}' \"$1\"; }",
    saveObjects,
    putObjects,
    text,
  ];
  return (await runChecked("bash", ["-c", script(...lines)], { timeoutSeconds: 300 })).stdout;
}

const save = () => withFunctions('mkdir -p "$staging/minio"; save_minio; cat "$staging/minio/objects.json"');
const putBack = () =>
  withFunctions(`rm -rf "$staging/plan"; put_objects "$staging/minio" "$staging/plan" ${container} ${clientFile}`);

/** Everything that MinIO says of its objects, without the times. */
async function objects(): Promise<Record<string, unknown>> {
  const lines = (await inMinio("mc --json stat --recursive suite || :")).trim().split("\n");
  // An empty store is an error to mc.
  const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((one) => "name" in one);
  return Object.fromEntries(
    found.map(({ name, size, etag, metadata, expires }) => [name as string, { size, etag, metadata, expires }]),
  );
}

test("an empty store is saved as that, and put back", async () => {
  expect(await save()).toBe("");
  expect((await putBack()).trim()).toBe("0");
});

test("objects come back with their bytes, names, headers, user metadata and tags", async () => {
  await inMinio(`
echo text >t; : >none; head -c 20000000 /dev/urandom >big
mc cp --attr "Content-Type='text/html; charset=utf-8';Cache-Control='max-age=90, public';X-Amz-Meta-Owner='it'\\"'\\"'s \\"li\\"; a=b';X-Amz-Meta-Name=%E5%9B%BE" t 'suite/im-suite/图片/一 二 %41+&#?.html'
mc cp --attr "Content-Disposition='attachment; filename=\\"a b.txt\\"'" --tags 'kind=chat one&x=1' t suite/im-suite/tagged
mc cp --custom-header 'Expires: Wed, 21 Oct 2037 07:28:00 GMT' t suite/im-suite/expires
mc cp --attr "Content-Type=image/webp" big suite/im-suite/2026/11/big
mc cp none suite/im-suite/-none; mc cp t suite/im-suite/2026/plain.txt; mc cp t 'suite/im-suite/back\\slash'`);
  const before = await objects();
  const saved = (await save()).trim().split("\n");
  expect(saved).toHaveLength(7);
  await inMinio("mc rm --recursive --force suite/im-suite; mc rb suite/im-suite");
  expect(Object.keys(await objects())).toEqual([]);
  expect((await putBack()).trim()).toBe("7");
  expect(await objects()).toEqual(before);
  expect(await inMinio("mc --json tag list suite/im-suite/tagged")).toContain('"tagset":{"kind":"chat one","x":"1"}');
  // Nothing is put twice.
  expect((await putBack()).trim()).toBe("0");
});

test("an object that was overwritten with as many bytes, or got other headers, is put back", async () => {
  await save();
  const before = await objects();
  await inMinio(
    'echo tExt >u; mc cp --attr "Content-Type=text/plain" u suite/im-suite/2026/plain.txt; mc cp --attr Content-Type=image/gif t suite/im-suite/tagged',
  );
  expect(await objects()).not.toEqual(before);
  expect((await putBack()).trim()).toBe("2");
  expect(await objects()).toEqual(before);
});

test("the next night copies and asks for what is new only; a folder may have become an object", async () => {
  await inMinio("mc cp t suite/im-suite/one/deep/object; mc cp t suite/im-suite/other");
  await save();
  await inMinio(
    "mc rm suite/im-suite/one/deep/object; mc pipe suite/im-suite/one <t; mc rm suite/im-suite/other; mc cp t suite/im-suite/other/inside",
  );
  const saved = (await save()).trim().split("\n");
  expect(saved.map((line) => JSON.parse(line).key).sort()).toEqual(Object.keys(await objects()).sort());
  await inMinio("mc rm --recursive --force suite/im-suite");
  await putBack();
  expect(Object.keys(await objects())).toContain("im-suite/other/inside");
});

test("a file that is not what MinIO says is copied again", async () => {
  await save();
  // As if it had changed while it was copied: the file looks newer than the object.
  writeFileSync(join(staging, "minio/objects/im-suite/2026/plain.txt"), "Text\n");
  rmSync(join(staging, "minio/objects.json"));
  await save();
  expect(await withFunctions('cat "$staging/minio/objects/im-suite/2026/plain.txt"')).toBe("text\n");
});
