import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repositoryRoot } from "../../lib/paths.ts";

/** A project of its own, and an npm that does what the test says and notes that it was called. */
let folder: string;
const inside = (...parts: string[]) => join(folder, ...parts);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "im-bootstrap-"));
  mkdirSync(inside("project", "engine"), { recursive: true });
  mkdirSync(inside("bin"));
  copyFileSync(join(repositoryRoot, "engine", "bootstrap.mjs"), inside("project", "engine", "bootstrap.mjs"));
  writeFileSync(inside("project", "package.json"), '{"name":"one"}');
  writeFileSync(inside("project", "package-lock.json"), "{}");
  npmThat(nodeOfVersion("v24.21.0"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** npm removes node_modules first, as `npm ci` does. */
function npmThat(does: string): void {
  const npm = inside("bin", "npm");
  writeFileSync(npm, `#!/bin/sh\necho "$*" >> '${inside("npm.log")}'\nrm -rf node_modules\n${does}\n`);
  chmodSync(npm, 0o755);
}

function nodeOfVersion(version: string): string {
  return `mkdir -p node_modules/.bin\nprintf '#!/bin/sh\\necho ${version}\\n' > node_modules/.bin/node\nchmod +x node_modules/.bin/node`;
}

function bootstrap(path = `${inside("bin")}:/usr/bin:/bin`) {
  const result = spawnSync(process.execPath, [inside("project", "engine", "bootstrap.mjs")], {
    encoding: "utf8",
    env: { PATH: path, IM_SUITE_HA_CACHE: inside("cache"), HOME: folder },
  });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

const npmCalls = () =>
  existsSync(inside("npm.log")) ? readFileSync(inside("npm.log"), "utf8").trim().split("\n").length : 0;

test("a node_modules that is a link to another checkout's is left alone", () => {
  mkdirSync(inside("elsewhere"));
  symlinkSync(inside("elsewhere"), inside("project", "node_modules"));
  const refused = bootstrap();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("is a link");
  expect(npmCalls()).toBe(0);
});

test("installs once, then says nothing", () => {
  const first = bootstrap();
  expect(first).toMatchObject({ code: 0, stdout: "" });
  expect(first.stderr).toMatch(/✔ node modules/);
  expect(bootstrap()).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(npmCalls()).toBe(1);
});

test.each(["package.json", "package-lock.json"])("installs again when %s has changed", (file) => {
  bootstrap();
  writeFileSync(inside("project", file), '{"name":"two"}');
  expect(bootstrap().code).toBe(0);
  expect(npmCalls()).toBe(2);
});

test("installs again after an install that failed or was interrupted", () => {
  npmThat("echo 'npm error network request failed'; exit 1");
  const failed = bootstrap();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/npm error network request failed[\s\S]*npm config set registry/);
  npmThat(nodeOfVersion("v24.21.0"));
  expect(bootstrap().code).toBe(0);
  expect(bootstrap().stderr).toBe("");
});

test("keeps npm's output in a log that only its owner reads", () => {
  npmThat(`echo some output; ${nodeOfVersion("v24.21.0")}`);
  bootstrap();
  const log = inside("cache", "logs", "node-modules.log");
  expect(readFileSync(log, "utf8")).toMatch(/some output/);
  expect(statSync(log).mode & 0o777).toBe(0o600);
});

test("says what to type when there is no npm", () => {
  rmSync(inside("bin", "npm"));
  const result = bootstrap(inside("bin"));
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/no npm[\s\S]*apt-get install npm/);
});

test.each([
  ["is too old", nodeOfVersion("v22.17.9"), /v22\.17\.9.*expected 22\.18/],
  ["was not installed", "mkdir -p node_modules", /is missing.*npm rebuild --ignore-scripts=false node/],
])("says what to type when the packaged Node %s", (_, install, sentence) => {
  npmThat(install);
  const result = bootstrap();
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(sentence);
});

test("takes a packaged Node of 22.18", () => {
  npmThat(nodeOfVersion("v22.18.0"));
  expect(bootstrap().code).toBe(0);
});
