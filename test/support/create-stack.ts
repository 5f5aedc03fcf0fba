import { forgetLabStack } from "../../engine/lab-pulumi.ts";
import type { LabAlias } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { unavailableImages, writeLabConfiguration } from "../../lab/stack-configuration.ts";

/** A stack of a test's own, that creates a suite on one of the lab's empty servers. */
export interface CreateStack {
  readonly stack: string;
  readonly server: LabAlias;
}

/** The stack of the tests that create a suite on the empty server B. */
export const onB: CreateStack = { stack: "create-on-b", server: "b" };

/** Writes its configuration: a created suite with these differences, and further keys without the im: prefix. */
export async function configureCreateStack(
  target: CreateStack,
  suite: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const images = readImages();
  const without = unavailableImages(images).filter((key) => key === "grafana");
  await writeLabConfiguration({
    ...target,
    suite: { mode: "create", without, ...suite },
    images,
    more,
  });
}

/** Removes all that a created suite left on a server: what an operator would do by hand to give it up. */
export async function clearServer(server: LabAlias): Promise<void> {
  await onServer(
    server,
    `if command -v docker >/dev/null; then docker ps -aq --filter label=im-suite.stage | xargs -r docker rm -f; docker network rm im-suite 2>/dev/null || true; fi
for timer in /etc/systemd/system/im-*.timer; do if [ -e "$timer" ]; then systemctl disable --now "$(basename "$timer")"; fi; done
rm -rf /etc/im-suite /var/lib/im-suite /etc/systemd/system/im-*.{service,timer} /etc/logrotate.d/im-suite*; systemctl daemon-reload`,
    { timeoutSeconds: 120 },
  );
}

/** Loses the stack's state and configuration, as a dead laptop does. */
export function forgetCreateState({ stack }: Pick<CreateStack, "stack">): void {
  forgetLabStack(stack);
}
