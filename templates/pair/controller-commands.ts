import { failoverPaths, failoverPorts, failoverUnit } from "../../config/failover.ts";
import type { PairServer } from "../../config/pair-names.ts";
import { quote, script } from "../../lib/shell.ts";

/** What the stack asks the controllers, and how it lets them begin and end. */

const status = `curl --silent --fail --max-time 5 http://127.0.0.1:${failoverPorts.controllerLocal}/status`;

/** A line of shell that exits 0 when somebody leads, as this server's controller sees it. */
export const somebodyLeads = `${status} | grep -q '"leader":"[ab]"'`;

/** A line of shell that exits 0 when both servers have every acknowledged transaction. */
export const pairIsWhole = `${status} | grep -q '"members":\\["[ab]","[ab]"\\]'`;

/**
 * Begins the pair with the server that has the data. Once: where the votes know a leader, or ever knew one, they stay as they are, and what
 * is to be done then is a person's decision.
 */
export function renderBeginPair(server: PairServer): string {
  return script(
    "deadline=$((SECONDS + 60))",
    `until answer=$(${status}); do`,
    '  if [ "$SECONDS" -ge "$deadline" ]; then echo "the controller does not answer after 60 s: journalctl -u im-failover" >&2; exit 1; fi',
    "  sleep 0.5",
    "done",
    // An epoch above zero: the pair has begun, maybe long ago.
    `if ! grep -q '"epoch":0[,}]' <<<"$answer"; then exit 0; fi`,
    `timeout 90 ${failoverPaths.command} reinit --leader ${server} --confirm ${quote(`${server} has the data`)} >&2`,
  );
}

/** Before its controller stops, a replica leaves the set: the leader then waits for nobody who does not come. */
export function renderLeavePair(): string {
  return script(
    `if ! timeout 10 systemctl is-active --quiet ${failoverUnit}; then exit 0; fi`,
    `if curl --silent --fail --max-time 5 --output /dev/null http://127.0.0.1:${failoverPorts.controllerLocal}/primary; then`,
    '  echo "this server leads: switch over first (im-ha switchover)" >&2',
    "  exit 1",
    "fi",
    `timeout 90 ${failoverPaths.command} degrade >&2 || echo "the replica could not leave by itself; the leader takes it out within seconds" >&2`,
  );
}

/**
 * Why a destroy of stage 2 is refused, asked of the servers: a `delete` runs from state and knows no configuration. Server a must lead, because
 * it is what is left.
 */
export function renderGuardDelete(laterStage: readonly string[]): string {
  return script(
    ...laterStage.map(
      (path) =>
        `if [ -e ${quote(path)} ]; then echo "Nothing was destroyed: stage 3 exists (${path}). Destroy it first: pulumi destroy -s stage3" >&2; exit 1; fi`,
    ),
    `if answer=$(${status}); then`,
    `  if ! grep -q '"leader":"a"' <<<"$answer"; then`,
    '    echo "Nothing was destroyed: server a does not lead, and it would be left with old data. Switch over first, on either server: im-ha switchover --to a" >&2',
    "    exit 1",
    "  fi",
    `elif timeout 10 systemctl is-active --quiet ${failoverUnit}; then`,
    '  echo "Nothing was destroyed: the controller of server a does not answer, so nobody knows who leads: im-ha status" >&2',
    "  exit 1",
    "fi",
  );
}
