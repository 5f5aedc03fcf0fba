import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import type { LabAlias } from "../../lab/addresses.ts";
import { onServer } from "../../lab/servers.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import type { RunOptions, RunResult } from "../../lib/process.ts";

/** Runs Pulumi on the lab; it must succeed, and the failure shows Pulumi's last lines. */
export async function pulumiOk(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await labPulumi(args, options);
  expect(result.exitCode, `pulumi ${args.join(" ")}\n${tail(result, 40)}`).toBe(0);
  return result;
}

/**
 * What an operator types after a Pulumi that was killed: its lock goes, and a state file that was cut off is replaced by the copy that
 * Pulumi keeps beside it (docs/architecture.md, failure table).
 */
export async function settleKilledPulumi(stack: string): Promise<void> {
  const file = cacheDirectory("lab", "state", ".pulumi", "stacks", "im-suite-ha", `${stack}.json`);
  if (existsSync(file) && !isJson(readFileSync(file, "utf8"))) copyFileSync(`${file}.bak`, file);
  await labPulumi(["cancel", "--yes", "-s", stack]);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The last lines of a run. */
export function tail(result: RunResult, lines: number): string {
  return `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-lines).join("\n");
}

/** What a script prints on a server, trimmed. */
export async function printed(alias: LabAlias, script: string, timeoutSeconds = 60): Promise<string> {
  return (await onServer(alias, script, { timeoutSeconds })).stdout.trim();
}

/** Tries until the check does not throw. */
export async function eventually(seconds: number, check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(1000);
    }
  }
}

/**
 * Everything on a server that stage 1 could have left or changed: files, units, timers, crontabs, containers, networks, and the
 * firewall. Not the backups and their key, which stay on purpose, nor the linker's cache, which apt writes anew. Two of these, before and after, tell whether a destroy puts back what was there.
 */
export const serverStateScript = `
{ find /etc /root /usr/local /var/lib/im-suite -xdev \\( -path /root/.cache -o -name '*.dpkg-*' -o -path /etc/docker -o -path /etc/ld.so.cache -o -path /root/.docker -o -path /var/lib/im-suite/backup -o -path /var/lib/im-suite/secrets \\) -prune -o -type f -printf '%p %m %u:%g ' -exec sha256sum {} \\; 2>/dev/null || true; } | awk '{print $1, $2, $3, $4}' | sort
find /etc /var/lib/im-suite -type d -path '*/im-suite*' -printf '%p %m directory\\n' 2>/dev/null | grep -vE '^/var/lib/im-suite( |/backup|/secrets)' | sort || true
systemctl list-unit-files --no-legend --no-pager 'im-*' || true
crontab -l 2>/dev/null || true
docker ps --all --format '{{.ID}} {{.Names}} {{.Image}}' | sort
docker network ls --format '{{.Name}} {{.Driver}}' | sort
nft list ruleset 2>/dev/null | grep -c . || true
`;
