import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { parseOptions } from "../../commands/command-line.ts";
import { fromWhereTyped } from "../../commands/pulumi-cli.ts";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { parseAlias } from "../../lab/addresses.ts";
import { ensureLab } from "../../lab/ensure-lab.ts";
import { serverConnection } from "../../lab/servers.ts";
import { OperatorError, runMain } from "../../lib/errors.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { step } from "../../lib/progress.ts";
import { clearServer, configureCreateStack, forgetCreateState } from "../support/create-stack.ts";
import { giveCredentials, type OffSite, startOffSite, stopOffSite } from "../support/off-site.ts";
import { BenchSuite, type DataSize, type Latency, sizes } from "./backup-data.ts";
import { type Day, type Measured, type Round, removeUsual, round } from "./backup-rounds.ts";

const help = `npm run bench:backup -- --size lab|2g [--runs 5] [--server c] [--json FILE]

Our backup beside the usual script (mysqldump --single-transaction | gzip, tar czf of objects and configuration, seven days kept),
in turn on the same server, each with half a core, under 50 writes a second. The first day is on empty disks; before the second the data
grows as a chat does: 2 % more rows and objects, and 1 % of the rows updated, all among the newest tenth. Then our nightly restore test,
under the same writes. Of the small size every run begins on empty disks; of 2g the first day and the restore
test are run once, and each run is one more day. At the end the server is lost and everything is recovered from an sftp repository.

Makes a suite of its own on a server of the lab and removes all that is there; never on a, where the lab's suite lives.
Takes about 25 minutes for five runs of the lab's size, about an hour for 2g. The figures are written after every run.

  --size NAME     lab: 100,000 messages and 240 objects; 2g: 4,000,000 and 2,000, 2 GB together
  --runs N        paired runs, 1 to 20 (default 5); who is first changes from one to the next
  --server NAME   b or c (default c)
  --json FILE     where the figures go (default: the cache)
  --no-recovery   only the backups
`;

const stack = "bench-backup";

await runMain(async () => {
  const values = parseOptions("npm run bench:backup", {
    size: { type: "string", default: "lab" },
    runs: { type: "string", default: "5" },
    server: { type: "string", default: "c" },
    json: { type: "string" },
    "no-recovery": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const size = sizes[values.size];
  if (size === undefined)
    throw new OperatorError(`--size ${values.size}: expected ${Object.keys(sizes).join(" or ")}.`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 20) {
    throw new OperatorError(`--runs ${values.runs}: expected 1 to 20.`);
  }
  const { alias } = parseAlias(values.server);
  if (alias === "a") throw new OperatorError("--server a: the lab's suite lives there. Expected b or c.");

  await ensureLab();
  const writeConfiguration = async (offSite?: OffSite) => {
    const places = offSite === undefined ? {} : { offSite: [offSite.offSite[0]] };
    await configureCreateStack({ stack, server: alias }, {}, { backup: { enabled: true, ...places } });
    if (offSite !== undefined) await giveCredentials(stack, offSite, ["second"]);
  };
  await step(`A suite of its own on ${alias.toUpperCase()}`, async () => {
    await clearServer(alias);
    forgetCreateState({ stack });
    await writeConfiguration();
    await up();
  });
  const suite = new BenchSuite(serverConnection(alias));
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const file =
    values.json === undefined ? cacheDirectory("bench", `backup-${values.size}.json`) : fromWhereTyped(values.json);
  mkdirSync(dirname(file), { recursive: true });
  const save = () => {
    const summary = summarize(rounds);
    const figures = { machine, size: values.size, data: size, summary, recovery, rounds };
    writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
    return summary;
  };
  const rounds: Round[] = [];
  let recovery: Recovery | undefined;
  try {
    await step(`${size.rows} messages, ${size.objects} objects`, () =>
      suite.add(size.rows, size.objects, size.objectBytes),
    );
    for (let number = 1; number <= runs; number++) {
      rounds.push(
        await step(`run ${number} of ${runs}`, (progress) =>
          round(suite, size, number, number === runs, (text) => progress.detail(text)),
        ),
      );
      save();
    }
    await removeUsual(suite);
    if (!values["no-recovery"]) recovery = await recover(suite, alias, writeConfiguration);
  } finally {
    await suite.close();
    await stopOffSite();
    await clearServer(alias);
    forgetCreateState({ stack });
  }
  print(values.size, size, machine, save(), recovery);
  process.stdout.write(`${file}\n`);
  return 0;
});

async function up(): Promise<void> {
  const result = await labPulumi(["up", "--yes", "--skip-preview", "-s", stack]);
  if (result.exitCode !== 0)
    throw new OperatorError(`pulumi up:\n${`${result.stdout}\n${result.stderr}`.slice(-3000)}`);
}

interface Recovery {
  /** The program on an empty server: Docker, images, containers. */
  readonly installSeconds: number;
  readonly mysqlSeconds: number;
  readonly redisSeconds: number;
  readonly minioSeconds: number;
  readonly totalSeconds: number;
}

/** The server is lost; what is left is the key and an sftp repository. */
async function recover(
  suite: BenchSuite,
  alias: "b" | "c",
  writeConfiguration: (offSite: OffSite) => Promise<void>,
): Promise<Recovery> {
  const offSite = await startOffSite();
  await step("A backup in an sftp repository", async () => {
    await writeConfiguration(offSite);
    await up();
    await suite.run("systemctl start im-backup.service");
  });
  const secrets = await suite.run("tar --create --directory /var/lib/im-suite --file - secrets | base64 --wrap 0");
  await suite.close();
  await clearServer(alias);
  forgetCreateState({ stack });
  return await step("Recovery on the empty server", async (progress) => {
    const seconds = async (work: () => Promise<unknown>) => {
      const started = performance.now();
      await work();
      return (performance.now() - started) / 1000;
    };
    progress.detail("key and passwords, pulumi up");
    const installSeconds = await seconds(async () => {
      await suite.run(
        `mkdir -p -m 0755 /var/lib/im-suite; base64 --decode <<<${secrets} | tar --extract --directory /var/lib/im-suite --file -`,
      );
      await writeConfiguration(offSite);
      await up();
    });
    const part = (name: string) => {
      progress.detail(name);
      const command = `restore --in-place --part ${name} --repository second --yes --while-serving`;
      return seconds(() => suite.run(`/var/lib/im-suite/bin/im-restore ${command}`, 3600));
    };
    const mysqlSeconds = await part("mysql");
    const redisSeconds = await part("redis");
    const minioSeconds = await part("minio");
    const totalSeconds = installSeconds + mysqlSeconds + redisSeconds + minioSeconds;
    return { installSeconds, mysqlSeconds, redisSeconds, minioSeconds, totalSeconds };
  });
}

type Spread = Readonly<Record<"min" | "median" | "max", number>>;

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
  return { min: sorted[0] ?? 0, median, max: sorted.at(-1) ?? 0 };
}

/** Latency of live writes as a multiple of the writer's alone, pair by pair. */
function slowerBy(pairs: readonly { readonly quiet: Latency; readonly latency: Latency }[]) {
  const of = (percentile: "p50" | "p99") =>
    spread(pairs.map(({ quiet, latency }) => latency[percentile] / quiet[percentile]));
  return { p50: of("p50"), p99: of("p99"), maxMs: spread(pairs.map(({ latency }) => latency.max)) };
}

/** Figures of each side, and the ratios pair by pair: a machine whose speed drifts moves both of a pair. */
function summarize(rounds: readonly Round[]) {
  const figures = (days: readonly Day[]) => {
    const of = (figure: (one: Measured) => number) => ({
      ours: spread(days.map((one) => figure(one.ours))),
      usual: spread(days.map((one) => figure(one.usual))),
      ratio: spread(days.map((one) => figure(one.ours) / figure(one.usual))),
    });
    const slower = (which: "ours" | "usual") =>
      slowerBy(days.map((one) => ({ quiet: one.quiet, latency: one[which].latency })));
    return {
      runs: days.length,
      storedSeconds: of((one) => one.storedSeconds),
      provenSeconds: spread(days.map((one) => one.ours.provenSeconds ?? 0)),
      addedBytes: of((one) => one.addedBytes),
      quietMs: { p50: spread(days.map((one) => one.quiet.p50)), p99: spread(days.map((one) => one.quiet.p99)) },
      latency: { ours: slower("ours"), usual: slower("usual") },
    };
  };
  const restoreTests = rounds.flatMap((one) => one.restoreTest ?? []);
  return {
    first: figures(rounds.flatMap((one) => one.first ?? [])),
    second: figures(rounds.map((one) => one.second)),
    restoreTest: {
      runs: restoreTests.length,
      seconds: spread(restoreTests.map((one) => one.seconds)),
      latency: slowerBy(restoreTests),
    },
  };
}

function print(
  name: string,
  size: DataSize,
  machine: string,
  summary: ReturnType<typeof summarize>,
  recovery: Recovery | undefined,
): void {
  const lines = [`${name}: ${size.rows} messages, ${size.objects} objects; ${machine}; medians, (min–max)`, ""];
  const show = ({ min, median, max }: Spread, unit = "", scale = 1, digits = 1) => {
    const [low, middle, high] = [min, median, max].map((one) => (one / scale).toFixed(digits));
    return `${middle}${unit} (${low}–${high})`.padEnd(26);
  };
  const row = (title: string, ...cells: readonly string[]) => `${title.padEnd(30)}${cells.join("")}`;
  for (const day of ["first", "second"] as const) {
    const { runs, storedSeconds, provenSeconds, addedBytes, quietMs, latency } = summary[day];
    const { ours, usual } = latency;
    const slower = (percentile: "p50" | "p99") =>
      row(
        `write latency ${percentile}, of quiet`,
        show(ours[percentile], "x", 1, 2),
        show(usual[percentile], "x", 1, 2),
        `quiet ${quietMs[percentile].median.toFixed(1)} ms`,
      );
    lines.push(
      row(`${day} day, ${runs} pairs`, "ours".padEnd(26), "usual".padEnd(26), "ours/usual"),
      row(
        "until stored",
        show(storedSeconds.ours, " s"),
        show(storedSeconds.usual, " s"),
        show(storedSeconds.ratio, "", 1, 2),
      ),
      row("until proven to load", show(provenSeconds, " s"), "never"),
      row(
        "added",
        show(addedBytes.ours, " MiB", 2 ** 20),
        show(addedBytes.usual, " MiB", 2 ** 20),
        show(addedBytes.ratio, "", 1, 2),
      ),
      slower("p50"),
      slower("p99"),
      row("slowest write", show(ours.maxMs, " ms", 1, 0), show(usual.maxMs, " ms", 1, 0)),
      "",
    );
  }
  const { runs, seconds, latency } = summary.restoreTest;
  lines.push(
    row(`restore test, ${runs} runs`, show(seconds, " s")),
    row("write latency p50, p99", show(latency.p50, "x", 1, 2), show(latency.p99, "x", 1, 2)),
    row("slowest write", show(latency.maxMs, " ms", 1, 0)),
    "",
  );
  if (recovery !== undefined) {
    const { installSeconds, mysqlSeconds, redisSeconds, minioSeconds, totalSeconds } = recovery;
    lines.push(
      `recovery of an empty server from sftp: ${totalSeconds.toFixed(0)} s (install ${installSeconds.toFixed(0)}, MySQL ${mysqlSeconds.toFixed(0)}, Redis ${redisSeconds.toFixed(0)}, objects ${minioSeconds.toFixed(0)})`,
      "",
    );
  }
  process.stdout.write(`\n${lines.join("\n")}\n`);
}
