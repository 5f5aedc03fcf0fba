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

export interface Round {
  readonly order: readonly ("ours" | "usual")[];
  /** Of the writer alone, just before the backups of that day. */
  readonly quiet: Readonly<Record<"first" | "second", Latency>>;
  readonly first: Readonly<Record<"ours" | "usual", Measured>>;
  readonly second: Readonly<Record<"ours" | "usual", Measured>>;
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

/** One round: both back up the first day on empty disks, then a day of chat, then both again, under 50 writes a second. */
export async function round(
  suite: BenchSuite,
  size: DataSize,
  number: number,
  detail: (text: string) => void,
): Promise<Round> {
  const order = number % 2 === 1 ? (["ours", "usual"] as const) : (["usual", "ours"] as const);
  await suite.run(`systemctl stop im-backup.timer im-restore-test.timer
rm -rf ${usualFolder} ${backupFolder}/{repository,cache,staging,fingerprints,reports,binary-logs}`);
  const days: Partial<Record<"first" | "second", Record<"ours" | "usual", Measured>>> = {};
  const quiet: Partial<Record<"first" | "second", Latency>> = {};
  for (const day of ["first", "second"] as const) {
    if (day === "second") {
      detail("a day of chat");
      await suite.growByADay(size);
    }
    // What was just written is flushed in the background for a while: that is not the backup's doing.
    await suite.run("sync");
    await sleep(3000);
    detail(`${day} day, the writer alone`);
    quiet[day] = await underWriter(suite, () => sleep(12_000)).then(({ latency }) => latency);
    const measured: Partial<Record<"ours" | "usual", Measured>> = {};
    for (const which of order) {
      detail(`${day} day, ${which}`);
      measured[which] = which === "ours" ? await ours(suite) : await usual(suite);
    }
    days[day] = measured as Record<"ours" | "usual", Measured>;
  }
  return { order, quiet: quiet as Round["quiet"], ...(days as Pick<Round, "first" | "second">) };
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
