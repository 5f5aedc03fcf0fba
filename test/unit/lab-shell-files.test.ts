import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repositoryRoot } from "../../lib/paths.ts";

/** Scripts whose names, inside an image, have no .sh; the linter's run over *.sh does not see them. */
const scripts = ["lab/images/service/take-program", "lab/server/bare/root/usr/local/sbin/lab-init"];

describe("scripts inside the lab's images", () => {
  it.each(scripts)("%s passes shellcheck", (file) => {
    const result = spawnSync("shellcheck", [join(repositoryRoot, file)], { encoding: "utf8" });
    expect(result.error).toBeUndefined();
    expect(result.stdout).toBe("");
    expect(result.status).toBe(0);
  });
});
