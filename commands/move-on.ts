import { type MonthlyCost, monthlyCost } from "../config/costs.ts";
import {
  formatMeasured,
  growthDatabase,
  growthTriggerNames,
  growthTriggers,
  type MeasuredGrowth,
  reachedTriggers,
} from "../config/growth.ts";
import { loadConfiguration } from "../config/load.ts";
import { ownPrometheusUrl } from "../config/own-prometheus.ts";
import type { Configuration, ServerConfiguration } from "../config/schema.ts";
import { OperatorError, runMain } from "../lib/errors.ts";
import { colour } from "../lib/progress.ts";
import { quote, script } from "../lib/shell.ts";
import { readPrivateKey, sshScript } from "../lib/ssh.ts";
import { parseFacts } from "../preflight/facts.ts";
import { growthLine } from "../preflight/probe.ts";
import { growthMetrics } from "../templates/growth.ts";
import { endQuietlyWithoutReader, parseOptions } from "./command-line.ts";
import { chooseStack, pulumiRunner, readFlatConfiguration } from "./pulumi-cli.ts";
import { renderTable } from "./table.ts";

const help = `npm run move-on -- -s stage1 [--json] [--lab | --config-file FILE]

Is stage 2 due? Asks the server what it measured for the roadmap's triggers, and shows what each stage costs a month. One trigger
is enough. Changes nothing.

  -s, --stack NAME     the stack, for example stage1
  --config-file FILE   the configuration of a stack of yours
  --lab                the lab's stack of that name
  --json               for programs

Which stack is meant without --config-file and --lab: as npm run doctor says.
`;

/** What is known on the server. */
interface Measured {
  readonly growth: MeasuredGrowth;
  /** Queries that gave no number at the last count. */
  readonly failedQueries: ReadonlySet<string>;
}

/** One ssh session. A server without our Prometheus has the last counts in a file. */
async function measure(configuration: Configuration, server: ServerConfiguration): Promise<Measured> {
  readPrivateKey(server.privateKeyFile, "im:servers.a.privateKeyFile");
  const url = ownPrometheusUrl(configuration);
  const text = script(
    'fact() { printf "%s\\t%s\\n" "$1" "$2"; }',
    ...(url === undefined ? [] : [growthLine(url)]),
    `if [ -r ${quote(growthMetrics)} ]; then cat -- ${quote(growthMetrics)}; fi`,
  );
  const result = await sshScript(server, text, "im:servers.a", { timeoutSeconds: 20 });
  if (result.exitCode !== 0) {
    throw new OperatorError(`Server ${server.address} did not answer what it measured: ${result.stderr.trim()}`);
  }
  const counted = new Map<string, number>();
  const failedQueries = new Set<string>();
  for (const line of result.stdout.split("\n")) {
    const [, metric, query, value] = /^(im_growth_\w+?)(?:\{query="(\w+)"\})? (\d+)$/.exec(line) ?? [];
    if (metric === undefined) continue;
    if (query === undefined) counted.set(metric, Number(value));
    else if (value === "0") failedQueries.add(query);
  }
  const last = Object.fromEntries(
    growthTriggerNames.flatMap((name) => {
      const value = counted.get(`im_growth_${name}`);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return { growth: { ...last, ...parseFacts(result.stdout, { before: 0, after: 0 }).growth }, failedQueries };
}

/** Why a trigger has no value, in words that lead on. */
function whyNot(name: (typeof growthTriggerNames)[number], configuration: Configuration, measured: Measured): string {
  const { query } = growthTriggers[name];
  if (query === undefined) {
    return ownPrometheusUrl(configuration) === undefined
      ? "needs our Prometheus, which im:suite.without leaves out"
      : name === "cpu_percent"
        ? "needs six hours of measurements"
        : "needs a health check and a minute";
  }
  if (growthDatabase(configuration) === undefined) return "name the suite's schema: im:growth.database";
  if (measured.failedQueries.has(query))
    return `its query failed: im:growth.queries.${query} (journalctl -u im-growth)`;
  return "not counted yet: systemctl start im-growth on the server";
}

function printTriggers(configuration: Configuration, measured: Measured): void {
  const rows = growthTriggerNames.map((name) => {
    const { english, chinese, above, unit } = growthTriggers[name];
    const value = measured.growth[name];
    const isDue = value !== undefined && value > above;
    return [
      `${english} ${chinese}`,
      `> ${above}${unit}`,
      value === undefined ? "-" : formatMeasured(name, value),
      value === undefined ? whyNot(name, configuration, measured) : isDue ? colour("red", "due") : "no",
    ];
  });
  process.stdout.write(renderTable(["trigger", "due when", "measured", "due"], rows, (text) => colour("dim", text)));
}

function printCosts(costs: Readonly<Record<"stage1" | "stage2" | "stage3", MonthlyCost>>): void {
  const stages = Object.values(costs);
  const items = [...new Set(stages.flatMap((stage) => Object.keys(stage.items)))];
  const rows = items.map((item) => [item, ...stages.map((stage) => String(stage.items[item] ?? ""))]);
  rows.push(["total", ...stages.map((stage) => String(stage.total))]);
  process.stdout.write(
    renderTable(["yuan a month", "stage 1", "stage 2", "stage 3"], rows, (text) => colour("dim", text)),
  );
}

endQuietlyWithoutReader();
await runMain(async () => {
  const values = parseOptions("npm run move-on", {
    stack: { type: "string", short: "s" },
    "config-file": { type: "string" },
    lab: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.stack === undefined) throw new OperatorError("Name the stack: npm run move-on -- -s stage1");
  const target = chooseStack({ stack: values.stack, lab: values.lab, configurationFile: values["config-file"] });
  const pulumi = await pulumiRunner(target.kind);
  const configuration = loadConfiguration(await readFlatConfiguration(pulumi, target));
  if (!configuration.growth.enabled) {
    throw new OperatorError(
      "im:growth.enabled = false: nothing is measured. Expected true: pulumi config set --path im:growth.enabled true",
    );
  }
  // The schema requires it.
  const measured = await measure(configuration, configuration.servers.a as ServerConfiguration);
  const reached = reachedTriggers(measured.growth);
  const { costs } = configuration;
  const monthlyCosts = {
    stage1: monthlyCost(1, costs),
    stage2: monthlyCost(2, costs),
    stage3: monthlyCost(3, costs),
  };
  if (values.json) {
    const triggers = growthTriggerNames.map((name) => {
      const value = measured.growth[name];
      const why = value === undefined ? { notMeasured: whyNot(name, configuration, measured) } : { measured: value };
      return { trigger: name, above: growthTriggers[name].above, ...why, due: reached.includes(name) };
    });
    process.stdout.write(
      `${JSON.stringify({ stack: target.stack, stage2IsDue: reached.length > 0, triggers, monthlyCosts }, null, 2)}\n`,
    );
    return 0;
  }
  printTriggers(configuration, measured);
  process.stdout.write("\n");
  printCosts(monthlyCosts);
  const missing = growthTriggerNames.filter((name) => measured.growth[name] === undefined).length;
  process.stdout.write(
    reached.length > 0
      ? `\n${colour("bold", "Stage 2 is due.")} It adds a second server, a replica and failover.\n`
      : `\nStage 2 is not due${missing > 0 ? `, as far as it was measured (${missing} of ${growthTriggerNames.length} were not)` : ""}.\n`,
  );
  return 0;
});
