import { parseDocument } from "yaml";
import { createOnceDirectory, createOnceFiles, stageLabel } from "../../config/names.ts";
import { type RotationKind, rotatable, rotationKinds } from "../../config/rotation.ts";
import type { Configuration } from "../../config/schema.ts";
import { OperatorError } from "../../lib/errors.ts";
import { commandLine, quote, script } from "../../lib/shell.ts";

/** As they are typed after --only. */
export const typedKinds: Readonly<Record<RotationKind, string>> = {
  mysql: "mysql",
  redis: "redis",
  minio: "minio",
  grafana: "grafana",
  backupKey: "backup-key",
  monitoring: "monitoring",
};

/** What a rotation changes, how, and what it costs. */
export const explanations: Readonly<Record<RotationKind, { readonly what: string; readonly cost: string }>> = {
  mysql: { what: "MySQL: root and the application", cost: "nobody is refused; the backend restarts once" },
  redis: { what: "Redis: the password", cost: "nobody is refused; the backend restarts once, the exporter too" },
  minio: { what: "MinIO: root and the application", cost: "MinIO restarts (1 to 2 s); the backend restarts once" },
  grafana: { what: "Grafana: the admin", cost: "nothing; whoever is logged in stays so" },
  backupKey: { what: "Backups: the key of every repository", cost: "nothing; waits for a running backup" },
  monitoring: {
    what: "im_exporter, im_health, im_growth; MinIO's im_metrics",
    cost: "the exporter restarts once; some scrapes of MinIO are refused",
  },
};

/**
 * What to rotate: all that we created, or what was asked for.
 * @throws OperatorError for a name that there is not, and for a password that is not ours.
 */
export function chosenKinds(only: string | undefined, configuration: Configuration): RotationKind[] {
  const ours = rotatable(configuration);
  if (only === undefined) return ours;
  const names = only.split(",").map((name) => name.trim());
  return [...new Set(names)].map((name) => {
    const kind = rotationKinds.find((one) => typedKinds[one] === name);
    if (kind === undefined) {
      throw new OperatorError(
        `--only ${JSON.stringify(name)}: expected one or more of ${Object.values(typedKinds).join(",")}.`,
      );
    }
    if (!ours.includes(kind)) {
      const adopted = configuration.suite.mode === "adopt" && kind !== "backupKey";
      throw new OperatorError(
        adopted
          ? `--only ${name}: this password belongs to the suite that was adopted. How to change it: docs/runbooks/rotate.md`
          : `--only ${name}: this stack has none. It has ${ours.map((one) => typedKinds[one]).join(", ")}.`,
      );
    }
    return kind;
  });
}

/** How far the server is with one password, by its create-once files. */
export interface ServerRecord {
  /** How many times it was made. */
  readonly generation: number;
  /** A next one or an old one is still there: a rotation is not through. */
  readonly pending: boolean;
}

/** Prints a line for each create-once file: kind, generation, pending or complete. No secret. */
export function renderRecordQuestions(): string {
  const files = Object.entries(createOnceFiles).flatMap(([kind, names]) =>
    Object.values(names).map((name) => commandLine([kind, name])),
  );
  return script(
    `cd -- ${quote(createOnceDirectory)} 2>/dev/null || exit 0`,
    "while read -r kind name; do",
    '  if [ ! -e "$name" ] && [ ! -e "$name.next" ]; then continue; fi',
    "  state=complete",
    '  if [ -e "$name.next" ] || [ -e "$name.previous" ]; then state=pending; fi',
    '  echo "record $kind $(cat -- "$name.generation" 2>/dev/null || echo 1) $state"',
    "done <<'FILES'",
    ...files,
    "FILES",
  );
}

/** Reads the answers. Where two files belong to one kind, the one that is further counts. */
export function parseRecords(output: string): Partial<Record<RotationKind, ServerRecord>> {
  const records: Partial<Record<RotationKind, ServerRecord>> = {};
  for (const [, kind, generation, state] of output.matchAll(/^record (\w+) (\d+) (complete|pending)$/gm)) {
    const before = records[kind as RotationKind];
    records[kind as RotationKind] = {
      generation: Math.max(Number(generation), before?.generation ?? 1),
      pending: state === "pending" || before?.pending === true,
    };
  }
  return records;
}

export interface CounterChange {
  readonly kind: RotationKind;
  readonly from: number;
  readonly to: number;
  /** An earlier rotation of it is not through: this one ends it and draws nothing new. */
  readonly finishes: boolean;
}

/**
 * The counters after this run.
 * @param finished the stack's output `rotation`: what the last complete `up` reached.
 */
export function counterChanges(
  kinds: readonly RotationKind[],
  configured: Configuration["rotation"],
  finished: Readonly<Partial<Record<RotationKind, number>>>,
  records: Readonly<Partial<Record<RotationKind, ServerRecord>>>,
): CounterChange[] {
  return kinds.map((kind) => {
    const from = configured[kind];
    const done = finished[kind] ?? 1;
    const record = records[kind];
    // Raised before, and the `up` did not come to its end: the same counter again.
    if (from > done) return { kind, from, to: from, finishes: true };
    // The server may be further than a configuration that was restored from an older copy.
    return { kind, from, to: Math.max(from, record?.generation ?? 1) + 1, finishes: record?.pending ?? false };
  });
}

/** The configuration file with the new counters; comments and everything else stay as they are. */
export function withCounters(text: string, changes: readonly CounterChange[]): string {
  const document = parseDocument(text);
  for (const { kind, to } of changes) document.setIn(["config", "im:rotation", kind], to);
  return document.toString({ lineWidth: 0 });
}

/** The parts of `pulumi preview --json` that are read here. */
interface PreviewStep {
  readonly op: string;
  readonly urn: string;
  readonly newState?: { readonly type?: string; readonly inputs?: { readonly name?: unknown } };
}

/** What a preview would do. */
export interface PreviewSummary {
  /** Resources that change in any way. */
  readonly changes: number;
  /** Containers that are replaced, by name. */
  readonly replacedContainers: readonly string[];
  /** Names of resources that would go and not come back. */
  readonly deleted: readonly string[];
}

/** @param json the output of `pulumi preview --json`. */
export function summarisePreview(json: string): PreviewSummary {
  const { steps = [] } = JSON.parse(json) as { steps?: PreviewStep[] };
  const changed = steps.filter(({ op }) => op !== "same" && op !== "read" && op !== "refresh");
  const urnsOf = (...ops: string[]) => new Set(changed.filter(({ op }) => ops.includes(op)).map(({ urn }) => urn));
  return {
    changes: urnsOf(...changed.map(({ op }) => op)).size,
    replacedContainers: changed
      .filter(({ op, newState }) => op === "replace" && newState?.type === "docker:index/container:Container")
      .map(({ newState }) => String(newState?.inputs?.name))
      .sort(),
    deleted: [...urnsOf("delete")].map((urn) => urn.split("::").at(-1) ?? urn),
  };
}

/** A container that a killed run made and did not write down. */
export interface Orphan {
  readonly name: string;
  readonly id: string;
}

/** Orphans in the output of a failed `up`, those alone that a rotation replaces: nothing else may be taken away for it. */
export function orphansIn(output: string, replaced: readonly string[]): Orphan[] {
  const found = output.matchAll(/container name "\/([\w.-]+)" is already in use by container "([0-9a-f]{64})"/g);
  const orphans = new Map([...found].map(([, name = "", id = ""]) => [id, { name, id }]));
  return [...orphans.values()].filter(({ name }) => replaced.includes(name));
}

/** Takes orphans away: only what carries our label, and stopped gently. */
export function renderRemoveOrphans(orphans: readonly Orphan[]): string {
  return script(
    `for id in ${commandLine(orphans.map(({ id }) => id))}; do`,
    `  stage=$(docker inspect --format '{{index .Config.Labels "${stageLabel}"}}' "$id")`,
    '  [ -n "$stage" ] || { echo "the container $id is not ours" >&2; exit 1; }',
    '  timeout 60 docker stop --time 20 "$id" >/dev/null',
    '  docker rm "$id" >/dev/null',
    "done",
  );
}

/** Lines of `pulumi up` that a person wants to see, in words. Undefined for all others. */
export function milestone(line: string): string | undefined {
  for (const [pattern, text] of milestones) {
    const found = pattern.exec(line);
    if (found !== null) return typeof text === "string" ? text : text(found);
  }
  return undefined;
}

const milestones: readonly (readonly [RegExp, string | ((found: RegExpExecArray) => string)])[] = [
  [/-mysql-passwords-command updated/, "MySQL accepts the new passwords beside the old ones"],
  [/-redis-accepts-password-command updated/, "Redis accepts the new password beside the old one"],
  [/-minio-root-key-command updated/, "MinIO's root has its new key"],
  [/-minio-application-user-command updated/, "MinIO has the application's new user beside the old one"],
  [/-grafana-accepts-password-command updated/, "Grafana has its new password"],
  [/-backup-accepts-key-command updated/, "every repository opens with the new key"],
  [/-mysql-monitoring-accounts-command updated/, "the monitoring accounts have their new passwords"],
  [/-backend-container created/, "the backend starts with the new ones"],
  [/-backend-answers-command created/, "the backend answers"],
  [
    /-rotation-end-(\w+)-command updated/,
    ([, kind]) => `${explanations[kind as RotationKind]?.what ?? kind}: the old one is refused`,
  ],
];
