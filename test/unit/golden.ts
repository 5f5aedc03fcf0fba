import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect } from "vitest";
import { repositoryRoot } from "../../lib/paths.ts";

/**
 * Compares files as they would lie on a server with the golden ones in test/golden/<folder>. `UPDATE_GOLDEN=1 npx vitest run
 * --project unit golden` rewrites them: then read the diff, it is what `pulumi up` would do to a server.
 */
export function expectGolden(folder: string, files: ReadonlyMap<string, string>): void {
  const root = join(repositoryRoot, "test", "golden", folder);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    rmSync(root, { recursive: true, force: true });
    for (const [path, content] of files) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  }
  const golden = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  // Both ways: a file that is no longer written must not stay here as if it were.
  expect(golden.map((file) => `/${relative(root, file)}`).sort()).toEqual([...files.keys()].sort());
  for (const [path, content] of files) expect(content, path).toBe(readFileSync(join(root, path), "utf8"));
}
