import { readdirSync, readFileSync } from "node:fs";

/**
 * Collects the command line of every process of this machine, ten times a second, until stopped. The lab's servers are
 * containers: their processes, and those of the containers inside, are among them.
 */
export function watchCommandLines(): { readonly stop: () => ReadonlySet<string> } {
  const seen = new Set<string>();
  const look = () => {
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      try {
        seen.add(readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        // It ended between the two calls.
      }
    }
  };
  look();
  const timer = setInterval(look, 100);
  return {
    stop: () => {
      clearInterval(timer);
      return seen;
    },
  };
}
