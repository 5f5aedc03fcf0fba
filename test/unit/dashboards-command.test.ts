import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { repositoryRoot } from "../../lib/paths.ts";
import { run } from "../../lib/process.ts";
import { dashboardFiles, pairDashboardFiles } from "../../templates/grafana/dashboards.ts";

const folder = mkdtempSync(join(tmpdir(), "im-dashboards-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As npm starts it: in the root, with the folder where the person typed in INIT_CWD. */
const dashboards = (...args: string[]) =>
  run(process.execPath, ["commands/dashboards.ts", ...args], {
    cwd: repositoryRoot,
    environment: { ...process.env, INIT_CWD: folder },
    timeoutSeconds: 60,
  });

test("writes every dashboard into the folder that was typed, again and again", async () => {
  for (const time of ["first", "second"]) {
    const result = await dashboards("--output", "new/folder");
    expect(result.exitCode, `${time}: ${result.stderr}`).toBe(0);
  }
  const written = readdirSync(join(folder, "new/folder")).sort();
  expect(written).toEqual([...dashboardFiles().keys(), ...pairDashboardFiles().keys()].sort());
  for (const [name, text] of dashboardFiles()) {
    expect(readFileSync(join(folder, "new/folder", name), "utf8")).toBe(text);
  }
});

test("says what to type without a folder, and which folder cannot be written", async () => {
  const missing = await dashboards();
  expect(missing.exitCode).toBe(1);
  expect(missing.stderr).toContain("npm run dashboards -- --output dashboards");
  expect(missing.stderr).not.toContain("    at ");
  writeFileSync(join(folder, "a-file"), "");
  const notAFolder = await dashboards("--output", "a-file");
  expect(notAFolder.exitCode).toBe(1);
  expect(notAFolder.stderr).toContain("--output a-file");
  expect(notAFolder.stderr).not.toContain("    at ");
});
