import { z } from "zod";
import { credentialsDirectory } from "../../config/names.ts";
import { quote } from "../../lib/shell.ts";
import { mysqlInContainer } from "../../templates/container-clients.ts";

/** What the stacks put on one server, as the stack's output `inventory` tells it. */
export const inventorySchema = z.object({
  files: z.array(
    z.object({
      path: z.string(),
      mode: z.string(),
      /** user:group, by names or numbers. */
      owner: z.string().optional(),
      sha256: z.string().optional(),
    }),
  ),
  units: z.array(z.string()),
  containers: z.array(z.string()),
  mysqlAccounts: z.array(z.string()),
});
export type Inventory = z.output<typeof inventorySchema>;

export interface ObservedFile {
  /** Octal, without a leading zero. */
  readonly mode: string;
  /** user:group by name and by number. */
  readonly owners: readonly string[];
  /** Undefined for a file whose hash nobody asked for. */
  readonly sha256: string | undefined;
}

export interface ObservedUnit {
  readonly active: string;
  readonly enabled: string;
  /** Of a service: exit code of the last run, and when it ended; empty when it has not run since the boot. */
  readonly exitCode: number;
  readonly ended: string;
}

/** What was found of an inventory. */
export interface Observed {
  /** By path; a missing file is undefined. */
  readonly files: ReadonlyMap<string, ObservedFile | undefined>;
  readonly units: ReadonlyMap<string, ObservedUnit>;
  readonly mysqlAccounts: readonly string[] | { readonly error: string };
}

/** Where `delete` scripts find root's login; `doctor` asks with the same one, so a stale password there is seen too. */
const rootOptionFile = `${credentialsDirectory}/mysql-root.cnf`;

/**
 * Lines for the probe's session that look at everything of an inventory. They only read, and none of them can end the probe.
 * @param mysqlContainer where the accounts are looked for.
 */
export function renderQuestions(inventory: Inventory, mysqlContainer: string): string[] {
  const units = [...inventory.units, ...inventory.units.map(serviceOf)];
  return [
    // look_file INDEX PATH HASH: the hash only where the inventory has one.
    "look_file() {",
    '  local about sum=""',
    '  if ! about=$(stat -c "%a|%U:%G|%u:%g" -- "$2" 2>/dev/null); then fact doctor.file "$1|missing"; return; fi',
    '  if [ "$3" = hash ] && [ -f "$2" ]; then sum=$(timeout 10 sha256sum <"$2" | cut -c 1-64) || sum=""; fi',
    '  fact doctor.file "$1|$about|$sum"',
    "}",
    ...inventory.files.map(
      (file, index) => `look_file ${index} ${quote(file.path)} ${file.sha256 === undefined ? "no" : "hash"}`,
    ),
    ...(units.length === 0
      ? []
      : [
          `timeout 10 systemctl show --property=Id,ActiveState,UnitFileState,ExecMainStatus,ExecMainExitTimestamp -- ${[...new Set(units)].map(quote).join(" ")} 2>/dev/null | sed 's/^/doctor.unit\\t/' || :`,
        ]),
    ...(inventory.mysqlAccounts.length === 0 ? [] : accountLines(mysqlContainer)),
  ];
}

function accountLines(container: string): string[] {
  return [
    mysqlInContainer,
    `if [ ! -e ${quote(rootOptionFile)} ]; then fact doctor.mysql-error ${quote(`${rootOptionFile} is missing`)}`,
    `elif answer=$(mysql_in_container ${quote(container)} ${quote(rootOptionFile)} <<<"SELECT CONCAT(user, '@', host) FROM mysql.user" 2>&1); then`,
    `  printf '%s\\n' "$answer" | sed 's/^/doctor.account\\t/'`,
    'else fact doctor.mysql-error "$(tail -n 1 <<<"$answer")"; fi',
  ];
}

/** The service that a timer starts. */
export function serviceOf(unit: string): string {
  return unit.replace(/\.timer$/, ".service");
}

/**
 * The owner in every way in which it can be said. Mixed too: root:65532 is a user with a name and a group without one.
 * The first is by name, the last by number.
 */
function spellings(byName: string, byNumber: string): string[] {
  const [user = "", group = ""] = byName.split(":");
  const [uid = "", gid = ""] = byNumber.split(":");
  return [...new Set([byName, `${user}:${gid}`, `${uid}:${group}`, byNumber])];
}

/** Reads the answers to `renderQuestions` out of the probe's output. */
export function parseObserved(output: string, inventory: Inventory): Observed {
  const values = (name: string) =>
    output
      .split("\n")
      .filter((line) => line.startsWith(`${name}\t`))
      .map((line) => line.slice(name.length + 1));
  const files = new Map<string, ObservedFile | undefined>();
  for (const line of values("doctor.file")) {
    const [index, mode, byName, byNumber, hash] = line.split("|");
    const file = inventory.files[Number(index)];
    if (file === undefined) continue;
    files.set(
      file.path,
      mode === "missing"
        ? undefined
        : { mode: mode ?? "", owners: spellings(byName ?? "", byNumber ?? ""), sha256: hash === "" ? undefined : hash },
    );
  }
  const [error] = values("doctor.mysql-error");
  return {
    files,
    units: parseUnits(values("doctor.unit")),
    mysqlAccounts: error === undefined ? values("doctor.account") : { error },
  };
}

/** `systemctl show`: `Key=value` lines in any order, an empty line between two units. */
function parseUnits(lines: readonly string[]): Map<string, ObservedUnit> {
  const units = new Map<string, ObservedUnit>();
  let block = new Map<string, string>();
  const close = () => {
    const id = block.get("Id");
    if (id !== undefined) {
      units.set(id, {
        active: block.get("ActiveState") ?? "",
        enabled: block.get("UnitFileState") ?? "",
        exitCode: Number(block.get("ExecMainStatus") ?? 0),
        ended: block.get("ExecMainExitTimestamp") ?? "",
      });
    }
    block = new Map();
  };
  for (const line of lines) {
    const equals = line.indexOf("=");
    if (equals < 0) close();
    else block.set(line.slice(0, equals), line.slice(equals + 1));
  }
  close();
  return units;
}
