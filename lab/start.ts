import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { labPulumi } from "../engine/lab-pulumi.ts";
import { OperatorError, runMain } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { colour, elapsed, step } from "../lib/progress.ts";
import { adoptStack, ensureLab } from "./ensure-lab.ts";
import { type FirstBackup, runFirstBackup } from "./first-backup.ts";
import { unavailableImages } from "./stack-configuration.ts";
import { suiteFingerprint } from "./suite.ts";
import { startTraffic, stopTraffic, verifyTraffic } from "./traffic.ts";

const help = `npm start

Rehearses the whole migration on servers in containers: sets up the engine and the lab, starts the IM suite on server A with live
traffic, and brings in stage 1 by a real \`pulumi up\`, with a first backup and its proof by a restore. Ends with what the traffic saw
and where to look. Safe to repeat.

  --clients N     concurrent clients of the traffic (default 20)
  --rate N        writes a second, all clients together (default 100)
`;

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "20" },
      rate: { type: "string", default: "100" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const started = performance.now();
  const images = await ensureLab();
  const before = await suiteFingerprint();

  mkdirSync(cacheDirectory("lab", "traffic"), { recursive: true });
  const logFile = cacheDirectory("lab", "traffic", `start-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.jsonl`);
  await step("Live traffic on the suite", async () => {
    await startTraffic({ clients: Number(values.clients), rate: Number(values.rate), logFile });
  });
  let upSeconds = 0;
  let backup: FirstBackup;
  try {
    upSeconds = await pulumiStep("Stage 1: pulumi up", ["up", "--yes", "--skip-preview", "-s", adoptStack]);
    await pulumiStep("Stage 1: a second preview has no changes", ["preview", "-s", adoptStack, "--expect-no-changes"]);
    backup = await step("Stage 1: a backup, then its proof by a restore", runFirstBackup);
  } finally {
    await stopTraffic();
  }
  const verdict = await step("Verify every acknowledged write", async () => await verifyTraffic(logFile));
  const untouched = JSON.stringify(await suiteFingerprint()) === JSON.stringify(before);

  const missing = unavailableImages(images);
  const rows: [string, string, boolean][] = [
    ["acknowledged writes", String(verdict.acknowledged), verdict.acknowledged > 0],
    ["lost", String(verdict.lost), verdict.lost === 0],
    ["changed", String(verdict.corrupted), verdict.corrupted === 0],
    ["errors seen by clients", String(verdict.errors), verdict.errors === 0],
    ["longest gap between acknowledgements", `${verdict.longestGapMs} ms`, true],
    ["suite's containers untouched (same ids, same start times)", untouched ? "yes" : "NO", untouched],
    ["pulumi up, stage 1", elapsed(upSeconds), true],
    ["backup of MySQL, Redis, objects, configuration", elapsed(backup.backupSeconds), true],
    ["  its proof", backup.proof, backup.proven],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(
    `\n${colour("bold", "Stage 1 is in place on server A")} (${elapsed((performance.now() - started) / 1000)} in all)\n\n`,
  );
  for (const [name, value, good] of rows)
    process.stdout.write(`  ${name.padEnd(width)}  ${good ? value : colour("red", value)}\n`);
  if (missing.length > 0) {
    process.stdout.write(`\n  Left out, because no image can be had here: ${missing.join(", ")}\n`);
  }
  process.stdout.write(`
  Look around:
    npm run pulumi -- stack output -s ${adoptStack}
    npm run doctor -- -s ${adoptStack}
    npm run lab -- ssh a tail -n 20 /var/log/health-check.log
    npm run lab -- ssh a /var/lib/im-suite/bin/im-restore list
    npm run pulumi -- destroy -s ${adoptStack} --yes       puts the server back
  The judge's log: ${logFile}
`);
  return rows.every(([, , good]) => good) ? 0 : 1;
});

/** Runs Pulumi as one step: its last line is the detail, its whole output goes to a log. @returns seconds. */
async function pulumiStep(title: string, args: readonly string[]): Promise<number> {
  const log = cacheDirectory("logs", "pulumi.log");
  mkdirSync(cacheDirectory("logs"), { recursive: true });
  return await step(title, async (progress) => {
    const result = await labPulumi(args, { logFile: log, onLine: (line) => progress.detail(line) });
    if (result.exitCode !== 0) {
      const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-30).join("\n");
      throw new OperatorError(`${tail}\nThe whole output: ${log}`);
    }
    return result.seconds;
  });
}
