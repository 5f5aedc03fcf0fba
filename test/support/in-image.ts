import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageKey } from "../../config/images.ts";
import { labLabel } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { type RunResult, run } from "../../lib/process.ts";

/** Runs a program of one of the lab's images on files, without network. */
export async function inImage(
  key: ImageKey,
  entrypoint: string,
  args: string[],
  files: Record<string, string>,
): Promise<RunResult> {
  const image = readImages()[key];
  if (image === undefined || !("definition" in image)) throw new Error(`the lab has no image ${key}`);
  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-validate-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  await run("chmod", ["-R", "a+rX", folder]);
  return await run(
    "docker",
    [
      "run",
      "--rm",
      "--network",
      "none",
      "--label",
      labLabel,
      "--volume",
      `${folder}:/check:ro`,
      "--entrypoint",
      entrypoint,
      image.definition,
      ...args,
    ],
    { timeoutSeconds: 60 },
  );
}

/** All that a run said. */
export const text = (result: RunResult) => `${result.stdout}\n${result.stderr}`;
