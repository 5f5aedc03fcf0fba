import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { labLabel } from "../../lab/addresses.ts";
import { baseImageReference, ensureImage } from "../../lab/build-image.ts";
import { type RunResult, run } from "../../lib/process.ts";

/** An image with HAProxy, keepalived, nftables and etcd of the lab's release. Built once. */
export async function pairPrograms(): Promise<string> {
  return await ensureImage({
    name: "pair-programs",
    directory: join(import.meta.dirname, "pair-programs"),
    base: await baseImageReference(),
  });
}

/** Runs a script in a container of the image, with files at their paths on a server. It has a network of its own, and nobody in it. */
export async function inPairPrograms(
  image: string,
  script: string,
  files: ReadonlyMap<string, string>,
): Promise<RunResult> {
  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-pair-"));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const set = "cp -r /given/. / && chmod 0755 /var/lib/im-suite/bin/* 2>/dev/null || :";
  return await run(
    "docker",
    [
      ...["run", "--rm", "--cpus", "0.5", "--cap-add", "NET_ADMIN", "--label", labLabel],
      ...["--volume", `${folder}:/given:ro`, image, "bash", "-c", `${set}\n${script}`],
    ],
    { timeoutSeconds: 90 },
  );
}
