import type { LabAlias } from "../../lab/addresses.ts";
import { onServer } from "../../lab/servers.ts";
import { dashboards } from "../../templates/grafana/dashboards.ts";
import { metricNames, withoutGrafanaVariables } from "./promql.ts";

/** Asks a Prometheus' API many things at once, because each way to a server takes its time. Paths begin with /api/v1/. */
export type AskPrometheus = (paths: readonly string[]) => Promise<readonly unknown[]>;

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly metric: Readonly<Record<string, string>> }[] };
}

/**
 * Asks a Prometheus that watches a living suite for every expression of every dashboard. A panel fails when its metrics do not exist,
 * when it is refused, when it is empty although nothing excuses that, or when its legend asks for a label that its series do not have.
 *
 * @returns one sentence for each fault, and for each panel that is empty with an excuse.
 */
export async function dashboardAnswers(ask: AskPrometheus): Promise<{ faults: string[]; excused: string[] }> {
  const expressions = dashboards
    .flatMap(({ rows }) => rows.flatMap((row) => row.panels))
    .flatMap((panel) => panel.expressions.map(({ expr }) => expr));
  const [names, ...all] = await ask([
    "/api/v1/label/__name__/values",
    ...expressions.map((expr) => `/api/v1/query?query=${encodeURIComponent(withoutGrafanaVariables(expr))}`),
  ]);
  const known = new Set((names as { data: readonly string[] }).data);
  const answers = new Map(expressions.map((expr, index) => [expr, all[index] as Answer]));
  const faults: string[] = [];
  const excused: string[] = [];
  for (const { uid, rows } of dashboards) {
    for (const panel of rows.flatMap((row) => row.panels)) {
      const empty = (what: string) =>
        panel.emptyWhen === undefined
          ? faults.push(`${uid}, ${panel.title}: ${what}`)
          : excused.push(`${uid}, ${panel.title}: ${what}; allowed when ${panel.emptyWhen}`);
      let series = 0;
      for (const { expr, legend } of panel.expressions) {
        for (const name of metricNames(expr)) if (!known.has(name)) empty(`there is no metric ${name}`);
        const answer = answers.get(expr);
        if (answer?.status !== "success") {
          faults.push(`${uid}, ${panel.title}: ${answer?.error ?? "no answer"}`);
          continue;
        }
        series += answer.data.result.length;
        const labels = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        for (const { metric } of answer.data.result) {
          for (const label of labels) {
            if (metric[label] === undefined)
              faults.push(`${uid}, ${panel.title}: no label ${label} in ${JSON.stringify(metric)}`);
          }
        }
      }
      if (series === 0) empty("nothing to show");
    }
  }
  return { faults, excused };
}

/** Asks the Prometheus on a server of the lab, in one ssh session. */
export function prometheusOn(alias: LabAlias, url: string): AskPrometheus {
  return async (paths) => {
    const input = paths.map((path) => `${url}${path}\n`).join("");
    const { stdout } = await onServer(
      alias,
      'while IFS= read -r address; do curl --silent --max-time 20 "$address" </dev/null; echo; done',
      { input, timeoutSeconds: 240 },
    );
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  };
}
