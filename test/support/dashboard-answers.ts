import { dashboards } from "../../templates/grafana/dashboards.ts";
import { metricNames, withoutGrafanaVariables } from "./promql.ts";

/** Asks a Prometheus' API; the path begins with /api/v1/. */
export type AskPrometheus = (path: string) => Promise<unknown>;

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
  const { data: names } = (await ask("/api/v1/label/__name__/values")) as { data: readonly string[] };
  const known = new Set(names);
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
        const query = encodeURIComponent(withoutGrafanaVariables(expr));
        const answer = (await ask(`/api/v1/query?query=${query}`)) as Answer;
        if (answer.status !== "success") {
          faults.push(`${uid}, ${panel.title}: ${answer.error}`);
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
