import { rmSync } from "node:fs";
import { labConfigurationFile } from "../../engine/lab-pulumi.ts";
import type { LabAlias } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { unavailableImages, writeLabConfiguration } from "../../lab/stack-configuration.ts";
import { cacheDirectory } from "../../lib/paths.ts";

/** The stack that creates a suite on the lab's server B. */
export const createStack = "create-on-b";

/** Writes its configuration: a created suite with these differences. */
export async function configureCreateStack(suite: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const images = readImages();
  const without = unavailableImages(images).filter((key) => key === "grafana");
  await writeLabConfiguration({
    stack: createStack,
    server: "b",
    suite: { mode: "create", without, ...suite },
    images,
  });
}

/** Removes all that a created suite left on a server: what an operator would do by hand to give it up. */
export async function clearServer(alias: LabAlias): Promise<void> {
  await onServer(
    alias,
    `if command -v docker >/dev/null; then docker ps -aq --filter label=im-suite.stage | xargs -r docker rm -f; docker network rm im-suite 2>/dev/null || true; fi
systemctl disable --now im-health-check.timer im-backup.timer im-restore-test.timer 2>/dev/null || true
rm -rf /etc/im-suite /var/lib/im-suite /etc/systemd/system/im-{health-check,backup,restore-test}.* /etc/logrotate.d/im-suite{,-backup}; systemctl daemon-reload`,
    { timeoutSeconds: 120 },
  );
}

/** Gives the suite on B up. */
export async function clearServerB(): Promise<void> {
  await clearServer("b");
}

/** Loses a stack's state and configuration, as a dead laptop does. */
export function forgetState(stack: string): void {
  const state = cacheDirectory("lab", "state", ".pulumi", "stacks", "im-suite-ha");
  rmSync(`${state}/${stack}.json`, { force: true });
  rmSync(`${state}/${stack}.json.bak`, { force: true });
  rmSync(labConfigurationFile(stack), { force: true });
}

export function forgetCreateState(): void {
  forgetState(createStack);
}
