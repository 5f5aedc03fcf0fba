import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";

/**
 * Runs shellcheck over scripts, all its opinions on, but for:
 * SC1091 /etc/os-release is read on the server, not here. SC2016 text in single quotes is for a program that expands it itself
 * (docker's templates, the shell inside a container). SC2043 a generated list may have one member. SC2174 `mkdir -p -m`: the
 * parents get the umask's 0700, which is meant under /var/lib/im-suite.
 */
export function shellcheck(scripts: ReadonlyMap<string, string>): void {
  const folder = mkdtempSync(join(tmpdir(), "im-shellcheck-"));
  try {
    // Many resources share a text: each is checked once, under the first name.
    const names = new Map<string, string>();
    for (const [name, text] of scripts) if (!names.has(text)) names.set(text, name.replaceAll("/", "_"));
    for (const [text, name] of names) writeFileSync(join(folder, name), text);
    const files = [...names.values()];
    const result = spawnSync(
      "shellcheck",
      ["--shell=bash", "--exclude=SC1091,SC2016,SC2043,SC2174", "--format=gcc", ...files],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    if (result.error !== undefined) throw new Error(`shellcheck is not installed: apt-get install shellcheck`);
    expect(result.stdout, "shellcheck").toBe("");
    expect(result.status).toBe(0);
    for (const [text, name] of names) {
      const syntax = spawnSync("bash", ["-n"], { input: text, encoding: "utf8" });
      expect(syntax.stderr, `bash -n ${name}`).toBe("");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
