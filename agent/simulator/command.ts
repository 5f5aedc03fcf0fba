import { parseArgs } from "node:util";
import { OperatorError, runMain } from "../../lib/errors.ts";
import { step } from "../../lib/progress.ts";
import { knownBad } from "./known-bad.ts";
import { simulateMany } from "./many.ts";
import { simulate } from "./simulate.ts";

const help = `npm run simulate

Throws seeded schedules of faults at the failover controller's decisions, in a simulation of both servers, etcd, the network and
MySQL's semi-synchronous replication, and checks after every step that no acknowledged write is lost.

  --schedules N    how many (default 100000)
  --seed N         the first seed (default 1); a broken schedule prints its seed
  --story          one schedule, told step by step
  --known-bad      a variant that breaks a rule on purpose, by a part of its name; it must be caught
  --json           the result as JSON
`;

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      schedules: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      story: { type: "boolean" },
      "known-bad": { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const firstSeed = wholeNumber("--seed", values.seed);
  const variant = chosenVariant(values["known-bad"]);
  if (values.story) {
    const outcome = simulate(firstSeed, { record: true, ...(variant === undefined ? {} : { variant }) });
    process.stdout.write(`${outcome.story.filter((line) => !line.includes(": wait (")).join("\n")}\n`);
    process.stdout.write(`\n${outcome.broken ?? `whole: ${outcome.acknowledged} acknowledged writes, none lost`}\n`);
    return outcome.broken === undefined ? 0 : 1;
  }
  const schedules = wholeNumber("--schedules", values.schedules);
  const started = performance.now();
  const result = await step(`${schedules} schedules`, (progress) =>
    simulateMany({
      firstSeed,
      schedules,
      variantName: variant?.name,
      onProgress: (done) => progress.detail(`${done} of ${schedules}`),
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ ...result, seconds })}\n`);
  } else {
    process.stdout.write(
      `${result.count} schedules, ${result.acknowledged} acknowledged writes, ${result.promotions} promotions, ${result.broken.length} broken\n`,
    );
    for (const { seed, what } of result.broken.slice(0, 10)) {
      process.stdout.write(`  seed ${seed}: ${what}\n    npm run simulate -- --story --seed ${seed}\n`);
    }
  }
  return result.broken.length === 0 ? 0 : 1;
});

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new OperatorError(`${option} ${text}: expected a whole number from 1.`);
  return value;
}

function chosenVariant(part: string | undefined) {
  if (part === undefined) return undefined;
  const found = knownBad.filter((one) => one.name.includes(part));
  if (found.length !== 1) {
    const names = knownBad.map((one) => `  ${one.rule}: ${one.name}`).join("\n");
    throw new OperatorError(`--known-bad ${part}: expected a part of exactly one name:\n${names}`);
  }
  return found[0];
}
