import { rmSync } from "node:fs";
import { labConfigurationFile } from "../../engine/lab-pulumi.ts";
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

/** Removes the stack and all that it left on B: what an operator would do by hand to give a suite up. */
export async function clearServerB(): Promise<void> {
  await onServer(
    "b",
    `if command -v docker >/dev/null; then docker ps -aq --filter label=im-suite.stage | xargs -r docker rm -f; docker network rm im-suite 2>/dev/null || true; fi
systemctl disable --now im-health-check.timer im-container-metrics.timer im-backup.timer im-restore-test.timer 2>/dev/null || true
rm -rf /etc/im-suite /var/lib/im-suite /etc/systemd/system/im-{health-check,container-metrics,backup,restore-test}.* /etc/logrotate.d/im-suite{,-backup}; systemctl daemon-reload`,
    { timeoutSeconds: 120 },
  );
}

/** Loses the stack's state and configuration, as a dead laptop does. */
export function forgetCreateState(): void {
  const state = cacheDirectory("lab", "state", ".pulumi", "stacks", "im-suite-ha");
  rmSync(`${state}/${createStack}.json`, { force: true });
  rmSync(`${state}/${createStack}.json.bak`, { force: true });
  rmSync(labConfigurationFile(createStack), { force: true });
}
