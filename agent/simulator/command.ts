import { parseArgs } from "node:util";
import { OperatorError, runMain } from "../../lib/errors.ts";
import { step } from "../../lib/progress.ts";
import { knownBad } from "./known-bad.ts";
import { simulateMany } from "./many.ts";
import { simulate } from "./simulate.ts";
import type { Variant } from "./variant.ts";

const help = `npm run simulate [-- options]

Throws seeded schedules of faults at the failover controller's decisions, in a simulation of both servers, etcd (or none), the
network, Redis, the operator and MySQL's semi-synchronous replication. After every step it checks that no acknowledged write is
lost, that nobody is promoted without having everything, that two servers never acknowledge at once, and how long writes stand
still; in the end that the pair is whole again.

  --seeds N          how many schedules (default 100000)
  --from N           the first seed (default 1); a schedule that breaks prints its seed
  --seed N           one schedule, told step by step
  --all              with --seed: also the rounds in which a controller waits
  --known-bad PART   break a rule on purpose, by a part of the variant's name ("list" prints them); it must be caught
  --json             the result as JSON
`;

const options = {
  seeds: { type: "string", default: "100000" },
  from: { type: "string", default: "1" },
  seed: { type: "string" },
  all: { type: "boolean" },
  "known-bad": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const;

await runMain(async () => {
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values["known-bad"] === "list") {
    process.stdout.write(`${listOfVariants()}\n`);
    return 0;
  }
  const variant = chosenVariant(values["known-bad"]);
  if (values.seed !== undefined) return tell(wholeNumber("--seed", values.seed), variant, values.all === true);
  return simulateAll(
    wholeNumber("--from", values.from),
    wholeNumber("--seeds", values.seeds),
    variant,
    values.json === true,
  );
});

/** One schedule, for a person who wants to know what happened. */
function tell(seed: number, variant: Variant | undefined, isWhole: boolean): number {
  const outcome = simulate(seed, { record: true, ...(variant === undefined ? {} : { variant }) });
  const story = isWhole ? outcome.story : outcome.story.filter((line) => !line.includes(": wait ("));
  process.stdout.write(`${story.join("\n")}\n`);
  process.stdout.write(
    `\nseed ${seed}: ${outcome.broken ?? `whole in the end: ${outcome.acknowledged} acknowledged writes, none lost`}\n`,
  );
  return outcome.broken === undefined ? 0 : 1;
}

async function simulateAll(
  firstSeed: number,
  schedules: number,
  variant: Variant | undefined,
  asJson: boolean,
): Promise<number> {
  const started = performance.now();
  const result = await step(`${schedules} schedules from seed ${firstSeed}`, (progress) =>
    simulateMany({
      firstSeed,
      schedules,
      variantName: variant?.name,
      onProgress: (done) => progress.detail(`${done} of ${schedules}`),
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ ...result, seconds })}\n`);
  } else {
    process.stdout.write(
      `${result.count} schedules, ${result.acknowledged} acknowledged writes, ${result.promotions} promotions, ${result.broken.length} broken\n`,
    );
    const again = variant === undefined ? "" : ` --known-bad "${variant.name}"`;
    for (const { seed, what } of result.broken.slice(0, 10)) {
      process.stdout.write(`  seed ${seed}: ${what}\n    npm run simulate -- --seed ${seed}${again}\n`);
    }
  }
  return result.broken.length === 0 ? 0 : 1;
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new OperatorError(`${option} ${text}: expected a whole number from 1.`);
  return value;
}

function listOfVariants(): string {
  return knownBad.map((one) => `  ${String(one.rule).padEnd(8)} ${one.name}`).join("\n");
}

function chosenVariant(part: string | undefined): Variant | undefined {
  if (part === undefined) return undefined;
  const found = knownBad.filter((one) => one.name.includes(part));
  if (found.length !== 1) {
    throw new OperatorError(`--known-bad ${part}: expected a part of exactly one name:\n${listOfVariants()}`);
  }
  return found[0];
}
