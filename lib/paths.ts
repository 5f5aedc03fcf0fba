import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The root of this checkout. */
export const repositoryRoot = resolve(import.meta.dirname, "..");

/**
 * Where everything that is downloaded, built or made for the lab lies, outside the repository:
 * $IM_SUITE_HA_CACHE, else $XDG_CACHE_HOME/im-suite-ha, else ~/.cache/im-suite-ha.
 */
export function cacheDirectory(...parts: readonly string[]): string {
  const root =
    process.env["IM_SUITE_HA_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "im-suite-ha");
  return join(root, ...parts);
}
