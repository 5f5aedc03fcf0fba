import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { ensureLab } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { OperatorError, runMain } from "../../lib/errors.ts";
import { step } from "../../lib/progress.ts";
import {
  type AlertFault,
  type AlertTimes,
  configureReceivers,
  openReceivers,
  tellAndResolve,
} from "../support/alert-receivers.ts";
import { type CreateStack, clearServer, configureCreateStack, forgetCreateState } from "../support/create-stack.ts";

const help = `node test/bench/alert-delivery.ts [--runs N] [--json FILE] [--as-is] [--keep]

How long from a fault to the message, and from the repair to the message that it is over: a suite is created on the lab's
server B with a webhook, a robot and a mail server as receivers; then, N times each (default 5), MySQL and
Redis hang (paused), each at a random moment of Prometheus' ten seconds. Both rules wait a minute; the bound is that and 40 s.

  --runs N      how many times each, 1 to 50
  --json FILE   write every figure there
  --as-is       take the lab as it runs, without bringing it up first
  --keep        leave the suite on B afterwards

Exit code 0: every message arrived in time. 1: one did not.
`;

const onB: CreateStack = { stack: "alerts-on-b", server: "b" };

/** The rules' own minute, and what is allowed on top of it. */
const bound = { waitSeconds: 60, onTopSeconds: 40 };

const faults: readonly AlertFault[] = [
  {
    alert: "MySQLDown",
    summary: "MySQL 服务宕机",
    description: "MySQL 服务不可用",
    breakIt: () => onServer("b", "docker pause im-mysql"),
    mendIt: () => onServer("b", "docker unpause im-mysql"),
  },
  {
    alert: "RedisDown",
    summary: "Redis 服务宕机",
    description: "Redis 服务不可用",
    breakIt: () => onServer("b", "docker pause im-redis"),
    mendIt: () => onServer("b", "docker unpause im-redis"),
  },
];

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      json: { type: "string" },
      "as-is": { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 50) {
    throw new OperatorError(`--runs ${values.runs}: expected 1 to 50.`);
  }
  if (!values["as-is"]) await ensureLab();
  const receivers = await openReceivers();
  const times: Record<string, AlertTimes[]> = {};
  try {
    await step("Create a suite on server B, with receivers", async () => {
      forgetCreateState(onB);
      await clearServer(onB.server);
      await configureCreateStack(onB);
      await configureReceivers(onB.stack, receivers);
      const result = await labPulumi(["up", "--yes", "--skip-preview", "-s", onB.stack]);
      if (result.exitCode !== 0) throw new OperatorError(`pulumi up failed:\n${result.stderr}`);
      // The first minute of a suite has alerts of its own.
      await sleep(60_000);
    });
    for (let run = 1; run <= runs; run++) {
      await step(`run ${run} of ${runs}`, async (progress) => {
        // Side by side: each is told in a group of its own.
        await Promise.all(
          faults.map(async (fault) => {
            await sleep(Math.random() * 10_000);
            const one = await tellAndResolve(receivers, fault);
            progress.detail(`${fault.alert} after ${Math.max(...one.delivered).toFixed(1)} s`);
            times[fault.alert] = [...(times[fault.alert] ?? []), one];
          }),
        );
      });
    }
  } finally {
    await receivers.close();
    if (!values.keep) {
      await clearServer(onB.server);
      forgetCreateState(onB);
    }
  }

  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const rows = Object.entries(times).flatMap(([alert, all]) =>
    (["delivered", "resolved"] as const).map((what) => ({
      what: `${alert} ${what}`,
      // A fault counts as told when the last receiver has it.
      ...summary(all.map((one) => Math.max(...one[what]))),
    })),
  );
  process.stdout.write(`\n${machine}, ${runs} runs each; seconds until the last of webhook, robot and mail has it\n\n`);
  process.stdout.write(`${"".padEnd(22)}${"min".padStart(8)}${"median".padStart(8)}${"max".padStart(8)}\n`);
  for (const row of rows) {
    const figures = [row.min, row.median, row.max].map((one) => one.toFixed(1).padStart(8)).join("");
    process.stdout.write(`${row.what.padEnd(22)}${figures}\n`);
  }
  const worst = Math.max(...rows.filter((row) => row.what.endsWith("delivered")).map((row) => row.max));
  const isInTime = worst <= bound.waitSeconds + bound.onTopSeconds;
  process.stdout.write(
    `\nthe slowest message: its minute + ${(worst - bound.waitSeconds).toFixed(1)} s (at most ${bound.onTopSeconds} s)\n`,
  );
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, runs, bound, times, summary: rows, isInTime }, null, 2)}\n`,
    );
  }
  return isInTime ? 0 : 1;
});

function summary(seconds: readonly number[]): { min: number; median: number; max: number } {
  const sorted = [...seconds].sort((left, right) => left - right);
  return { min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, max: sorted.at(-1) ?? 0 };
}
