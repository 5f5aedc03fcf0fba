import { expect, it } from "vitest";
import { stringify } from "yaml";
import { dashboards } from "../../templates/grafana/dashboards.ts";
import { inImage, text } from "../support/in-image.ts";
import { withoutGrafanaVariables } from "../support/promql.ts";

/** Every expression of every dashboard as a recording rule, because promtool reads rules. */
function asRules(change: (expr: string) => string = (expr) => expr): string {
  const groups = dashboards.map(({ uid, rows }) => ({
    name: uid,
    rules: rows
      .flatMap((row) => row.panels)
      .flatMap((panel) => panel.expressions.map(({ expr }) => expr))
      .map((expr, index) => ({ record: `dashboard:${index}`, expr: change(withoutGrafanaVariables(expr)) })),
  }));
  return stringify({ groups }, { lineWidth: 0 });
}

const check = async (rules: string) =>
  await inImage("prometheus", "promtool", ["check", "rules", "--lint=none", "/check/dashboards.yml"], {
    "dashboards.yml": rules,
  });

it("promtool understands every expression of every dashboard", async () => {
  const rules = asRules();
  expect(rules.match(/record:/g)?.length).toBeGreaterThan(120);
  const good = await check(rules);
  expect(good.exitCode, text(good)).toBe(0);
});

it("and refuses them when one is broken", async () => {
  const bad = await check(asRules((expr) => expr.replace("histogram_quantile(", "histogram_quartile(")));
  expect(bad.exitCode).not.toBe(0);
  const unclosed = await check(asRules((expr) => expr.replace("time() - node_boot", "time( - node_boot")));
  expect(unclosed.exitCode).not.toBe(0);
});
