import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HostFileScript, renderHostFileCreate, renderHostFileDelete } from "../../templates/host-file-script.ts";

/** Stands for the server's root: the script's own folders are moved into it, everything else of the script runs as it is. */
let root = "";
const path = () => join(root, "etc/app/app.conf");
const reloads = () => (existsSync(join(root, "reloads")) ? readFileSync(join(root, "reloads"), "utf8").length : 0);
const state = () => join(root, "var/lib/im-suite");
const owner = `${process.getuid?.()}:${process.getgid?.()}`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "im-host-file-"));
  mkdirSync(join(root, "etc"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function file(change: Partial<HostFileScript> = {}): HostFileScript {
  return {
    path: path(),
    mode: "0640",
    owner,
    directoryMode: "0750",
    reload: ["sh", "-c", `printf x >>${root}/reloads`],
    ...change,
  };
}

function bash(text: string, input = ""): { status: number | null; stderr: string } {
  const moved = text.replaceAll("/var/lib/im-suite", state());
  return spawnSync("bash", ["-c", moved], { input, encoding: "utf8" });
}

const write = (content: string, change: Partial<HostFileScript> = {}) =>
  bash(renderHostFileCreate(file(change)), content);
const remove = (change: Partial<HostFileScript> = {}) => bash(renderHostFileDelete(file(change)));
const mode = (name: string) => (statSync(name).mode & 0o777).toString(8);

describe("a file that was not there", () => {
  test("is written with content, mode and directories; a second run touches nothing", () => {
    expect(write("one\n")).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(path(), "utf8")).toBe("one\n");
    expect([mode(path()), mode(dirname(path())), reloads()]).toEqual(["640", "750", 1]);
    const before = statSync(path());
    expect(write("one\n").status).toBe(0);
    expect(statSync(path())).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
    expect(reloads()).toBe(1);
    expect(readdirSync(dirname(path()))).toEqual(["app.conf"]);
  });

  test("is gone after a delete, and so are our records", () => {
    write("one\n");
    expect(remove().status).toBe(0);
    expect(existsSync(path())).toBe(false);
    expect(existsSync(state())).toBe(false);
    expect(remove().status, "a second delete").toBe(0);
  });

  test("content of any bytes survives", () => {
    const content = `'"$\`\\ \t密\u0001 %s {{x}}\n\n no end of line`;
    write(content);
    expect(readFileSync(path(), "utf8")).toBe(content);
  });

  test("a path with blanks and quotes", () => {
    const awkward = join(root, "etc/it's a $dir/x y.conf");
    expect(write("one", { path: awkward }).status).toBe(0);
    expect(readFileSync(awkward, "utf8")).toBe("one");
    expect(remove({ path: awkward }).status).toBe(0);
    expect(existsSync(awkward)).toBe(false);
  });
});

describe("a file that was there before us", () => {
  beforeEach(() => {
    mkdirSync(dirname(path()));
    writeFileSync(path(), "theirs\n", { mode: 0o604 });
  });

  test("comes back on delete with its content and mode, however often ours changed", () => {
    for (const content of ["one\n", "two\n", "two\n"]) expect(write(content).status).toBe(0);
    expect(readFileSync(path(), "utf8")).toBe("two\n");
    expect(remove().status).toBe(0);
    expect([readFileSync(path(), "utf8"), mode(path())]).toEqual(["theirs\n", "604"]);
  });

  test("stays when the new one is not valid", () => {
    const bad = write("bad\n", { validate: ["grep", "-q", "good"] });
    expect(bad.status).not.toBe(0);
    expect(readFileSync(path(), "utf8")).toBe("theirs\n");
    expect(reloads()).toBe(0);
    expect(readdirSync(dirname(path()))).toEqual(["app.conf"]);
    expect(write("good\n", { validate: ["grep", "-q", "good"] }).status).toBe(0);
    remove();
    expect(readFileSync(path(), "utf8")).toBe("theirs\n");
  });
});

describe("changes", () => {
  test("new content is a new file and one reload", () => {
    write("one\n");
    const before = statSync(path()).ino;
    expect(write("two\n").status).toBe(0);
    expect(statSync(path()).ino).not.toBe(before);
    expect(reloads()).toBe(2);
  });

  test("a mode that somebody changed comes back", () => {
    write("one\n");
    spawnSync("chmod", ["0666", path()]);
    expect(write("one\n").status).toBe(0);
    expect(mode(path())).toBe("640");
  });

  test("content that somebody changed comes back, and is not taken for what was there before us", () => {
    write("one\n");
    writeFileSync(path(), "edited\n");
    expect(write("one\n").status).toBe(0);
    expect(readFileSync(path(), "utf8")).toBe("one\n");
    remove();
    expect(existsSync(path())).toBe(false);
  });

  test("a reload that failed is done again, though the file is already right", () => {
    const failing = { reload: ["sh", "-c", `printf x >>${root}/reloads; [ -e ${root}/healthy ]`] };
    expect(write("one\n", failing).status).not.toBe(0);
    expect(readFileSync(path(), "utf8")).toBe("one\n");
    writeFileSync(join(root, "healthy"), "");
    expect(write("one\n", failing).status).toBe(0);
    expect(reloads()).toBe(2);
    expect(write("one\n", failing).status).toBe(0);
    expect(reloads()).toBe(2);
    // And our own first file was not kept as "what was there before us".
    remove(failing);
    expect(existsSync(path())).toBe(false);
  });

  test("a reload that fails on delete is told and does not keep the file", () => {
    write("one\n");
    const result = remove({ reload: ["false"] });
    expect(result.status).toBe(0);
    expect(result.stderr).toContain("the reload after removing");
    expect(existsSync(path())).toBe(false);
  });
});
