import { setTimeout as sleep } from "node:timers/promises";
import { script } from "../../lib/shell.ts";
import { mysqlProgramInContainer } from "../../templates/container-clients.ts";
import { type BenchSuite, type DataSize, type Latency, startWriter } from "./backup-data.ts";

/** One backup, ours or the usual one. */
export interface Measured {
  /** Until the backup is stored. */
  readonly storedSeconds: number;
  /** Until its dump was loaded and counted; the usual script proves nothing. */
  readonly provenSeconds?: number;
  /** What it takes on the disk. */
  readonly addedBytes: number;
  readonly latency: Latency;
}

/** Both backups of one day. */
export interface Day extends Readonly<Record<"ours" | "usual", Measured>> {
  /** Of the writer alone, just before them. */
  readonly quiet: Latency;
}

export interface Round {
  readonly order: readonly ("ours" | "usual")[];
  /** On empty disks; undefined when this run goes on with the days of the one before. */
  readonly first: Day | undefined;
  readonly second: Day;
  /** The nightly restore test after the second day, and the writer alone just before it. With consecutive days only after the last one. */
  readonly restoreTest: { readonly seconds: number; readonly quiet: Latency; readonly latency: Latency } | undefined;
}

const usualFolder = "/var/lib/im-bench-usual";
const backupFolder = "/var/lib/im-suite/backup";

/**
 * What a careful administrator writes: a consistent dump, compressed; the objects and the configuration in archives; seven days kept. It
 * gets the same half core and the same priority as ours.
 */
const usualScript = script(
  mysqlProgramInContainer,
  `stamp=$(date +%Y%m%dT%H%M%S)
mkdir -p ${usualFolder}
mysql_program im-mysql /etc/im-suite/credentials/mysql-root.cnf mysqldump --single-transaction --quick --routines --events --triggers --all-databases </dev/null | gzip >${usualFolder}/mysql-$stamp.sql.gz
tar czf ${usualFolder}/objects-$stamp.tar.gz -C /var/lib/im-suite/data/minio .
tar czf ${usualFolder}/configuration-$stamp.tar.gz -C / etc/im-suite
for kind in mysql objects configuration; do ls -t ${usualFolder}/$kind-* | tail -n +8 | xargs -r rm --; done`,
);

/**
 * One round: both back up the first day on empty disks, then a day of chat, then both again, then our restore test, under 50 writes a
 * second. Of a size with consecutive days only the first round has a first day, and only the last one a restore test.
 */
export async function round(
  suite: BenchSuite,
  size: DataSize,
  number: number,
  isLast: boolean,
  detail: (text: string) => void,
): Promise<Round> {
  const order = number % 2 === 1 ? (["ours", "usual"] as const) : (["usual", "ours"] as const);
  let first: Day | undefined;
  await suite.run("systemctl stop im-backup.timer im-restore-test.timer");
  if (number === 1 || !size.consecutiveDays) {
    await suite.run(
      `rm -rf ${usualFolder} ${backupFolder}/{repository,cache,staging,fingerprints,reports,binary-logs}`,
    );
    first = await day(suite, order, (text) => detail(`first day, ${text}`));
  }
  detail("a day of chat");
  await suite.growByADay(size);
  const second = await day(suite, order, (text) => detail(`second day, ${text}`));
  if (!isLast && size.consecutiveDays) return { order, first, second, restoreTest: undefined };
  detail("restore test");
  const quiet = await writerAlone(suite);
  const { result, latency } = await underWriter(suite, () =>
    suite.run("began=$(date +%s.%N); systemctl start im-restore-test.service; echo $began $(date +%s.%N)"),
  );
  const [began = 0, ended = 0] = result.split(" ").map(Number);
  return { order, first, second, restoreTest: { seconds: ended - began, quiet, latency } };
}

async function day(
  suite: BenchSuite,
  order: readonly ("ours" | "usual")[],
  detail: (text: string) => void,
): Promise<Day> {
  detail("the writer alone");
  const quiet = await writerAlone(suite);
  const measured: Partial<Record<"ours" | "usual", Measured>> = {};
  for (const which of order) {
    detail(which);
    measured[which] = which === "ours" ? await ours(suite) : await usual(suite);
  }
  return { ...(measured as Record<"ours" | "usual", Measured>), quiet };
}

async function writerAlone(suite: BenchSuite): Promise<Latency> {
  // What was just written is flushed in the background for a while: that is not the backup's doing.
  await suite.run("sync");
  await sleep(3000);
  return (await underWriter(suite, () => sleep(12_000))).latency;
}

async function underWriter<T>(suite: BenchSuite, work: () => Promise<T>): Promise<{ result: T; latency: Latency }> {
  const stop = await startWriter(suite);
  try {
    const result = await work();
    return { result, latency: await stop() };
  } catch (error) {
    await stop();
    throw error;
  }
}

const bytesOf = async (suite: BenchSuite, folder: string) =>
  Number(await suite.run(`du --summarize --block-size=1 ${folder} 2>/dev/null | cut -f 1 | grep . || echo 0`));

async function ours(suite: BenchSuite): Promise<Measured> {
  const repository = `${backupFolder}/repository`;
  const before = await bytesOf(suite, repository);
  // The journal's own clock, to the microsecond.
  const { result, latency } = await underWriter(suite, () =>
    suite.run(`began=$(date +%s.%N)
systemctl start im-backup.service
ended=$(date +%s.%N)
stored=$(journalctl --unit im-backup.service --since "@\${began%.*}" --output json | jq --raw-output 'select(.MESSAGE | strings | test("repository local: snapshot .* added$")) | .__REALTIME_TIMESTAMP' | head -n 1)
echo "$began $stored $ended"`),
  );
  const [began = 0, stored = 0, ended = 0] = result.split(" ").map(Number);
  return {
    storedSeconds: stored / 1e6 - began,
    provenSeconds: ended - began,
    addedBytes: (await bytesOf(suite, repository)) - before,
    latency,
  };
}

async function usual(suite: BenchSuite): Promise<Measured> {
  const before = await bytesOf(suite, usualFolder);
  await suite.run(`cat >/root/im-bench-usual.sh <<'END'\n${usualScript}END`);
  const { result, latency } = await underWriter(suite, () =>
    suite.run(`began=$(date +%s.%N)
systemd-run --quiet --wait --collect --property=CPUQuota=50% --property=Nice=19 --property=IOSchedulingClass=idle bash /root/im-bench-usual.sh
echo "$began $(date +%s.%N)"`),
  );
  const [began = 0, ended = 0] = result.split(" ").map(Number);
  return { storedSeconds: ended - began, addedBytes: (await bytesOf(suite, usualFolder)) - before, latency };
}

/** Removes what the usual script left. */
export async function removeUsual(suite: BenchSuite): Promise<void> {
  await suite.run(`rm -rf ${usualFolder} /root/im-bench-usual.sh`);
}
