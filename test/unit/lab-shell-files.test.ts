import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repositoryRoot } from "../../lib/paths.ts";

/** Scripts whose names, inside an image, have no .sh; the linter's run over *.sh does not see them. */
const scripts = ["lab/images/service/take-program", "lab/server/bare/root/usr/local/sbin/lab-control-groups"];

describe("scripts inside the lab's images", () => {
  it.each(scripts)("%s passes shellcheck", (file) => {
    const result = spawnSync("shellcheck", [join(repositoryRoot, file)], { encoding: "utf8" });
    expect(result.error).toBeUndefined();
    expect(result.stdout).toBe("");
    expect(result.status).toBe(0);
  });
});

describe("units of the lab's servers", () => {
  // A test that clears a server removes every im-* unit. The lab's own was once among them: the next boot of that server could start no
  // container.
  it("are not named as the product's are", () => {
    const folder = join(repositoryRoot, "lab/server");
    const units = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
      /\.(service|timer)$/.test(file),
    );
    expect(units).not.toEqual([]);
    expect(units.filter((file) => /(^|\/)im-[^/]*$/.test(file))).toEqual([]);
  });
});
