import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { repositoryRoot } from "../../lib/paths.ts";
import { renderContainerMetrics } from "../../templates/container-metrics.ts";
import { dashboardFiles, dashboards } from "../../templates/grafana/dashboards.ts";
import { pairDashboard } from "../../templates/grafana/pair.ts";
import { renderDashboardProvider, renderDataSources } from "../../templates/grafana/provisioning.ts";
import { dashboardModel, dataSource } from "../../templates/grafana/render.ts";
import { renderHealthCheck } from "../../templates/health-check.ts";
import { renderPairMetrics } from "../../templates/pair/pair-metrics.ts";
import { metricNames, withoutGrafanaVariables } from "../support/promql.ts";
import { stage1Program } from "./stage1-program.ts";

const every = [...dashboards, pairDashboard];
const each = every.map((definition) => [definition.uid, definition] as const);
const panelsOf = (definition: (typeof dashboards)[number]) => definition.rows.flatMap((row) => row.panels);

describe("the dashboards", () => {
  test("are the six of the roadmap, each with an address of its own", () => {
    expect(dashboards.map((one) => one.uid)).toEqual([
      "im-suite-host",
      "im-suite-mysql",
      "im-suite-redis",
      "im-suite-minio",
      "im-suite-backend",
      "im-suite-backups",
    ]);
    for (const { uid } of dashboards) expect(uid).toMatch(/^[a-z0-9-]{1,40}$/);
    expect(new Set(dashboards.map((one) => one.title)).size).toBe(dashboards.length);
  });

  test("are the same text every time", () => {
    expect([...dashboardFiles()]).toEqual([...dashboardFiles()]);
    for (const [name, text] of dashboardFiles()) {
      expect(JSON.parse(text).uid, name).toBe(name.replace(".json", ""));
      // An id belongs to one Grafana's database, a version to its history: neither may travel.
      expect(Object.keys(JSON.parse(text))).not.toContain("id");
      expect(Object.keys(JSON.parse(text))).not.toContain("version");
    }
  });
});

describe.each(each)("%s", (_uid, definition) => {
  const model = dashboardModel(definition);

  test("has panels with ids of their own, side by side without overlap, within the grid", () => {
    const ids = model.panels.map((panel) => panel.id);
    expect(new Set(ids).size).toBe(ids.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of model.panels) {
      if (gridPos === undefined) throw new Error(`${title} has no place`);
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`), `${title} covers another panel`).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  test("has a title in both languages for every panel, each once", () => {
    const titles = panelsOf(definition).map((panel) => panel.title);
    expect(new Set(titles).size).toBe(titles.length);
    for (const title of titles) expect(title).toMatch(/^.+ \(.+\)$/);
    for (const row of definition.rows) expect(row.panels.length, row.title).toBeGreaterThan(0);
  });

  test("asks only for the chosen servers, in every selector", () => {
    for (const { title, expressions } of panelsOf(definition)) {
      expect(expressions.length, title).toBeGreaterThan(0);
      for (const { expr } of expressions) {
        const selectors = expr.match(/\{[^}]*\}/g) ?? [];
        expect(selectors.length, expr).toBeGreaterThan(0);
        for (const selector of selectors) expect(selector, expr).toContain('server=~"$server"');
        expect(() => withoutGrafanaVariables(expr)).not.toThrow();
        // A fixed window is empty or wrong at another zoom; the minute-wise metrics need a longer one than Grafana would take.
        if (!expr.includes("im_container_")) expect(expr).not.toMatch(/rate\([^)]*\[\d/);
      }
    }
  });

  test("has thresholds that rise, and values that its words and its ends know", () => {
    for (const { title, thresholds, min, max } of panelsOf(definition)) {
      const values = (thresholds ?? []).map((threshold) => threshold.from);
      expect(values, title).toEqual([...values].sort((a, b) => a - b));
      expect(new Set(values).size, title).toBe(values.length);
      if (max !== undefined) {
        expect(min ?? 0, title).toBeLessThan(max);
        for (const value of values) expect(value, title).toBeLessThanOrEqual(max);
      }
    }
  });

  test("takes its data from what is chosen at the top, never from a data source by name", () => {
    const text = JSON.stringify(model.panels);
    expect(text).not.toContain(dataSource.uid);
    for (const panel of model.panels) {
      if (panel.type === "row") continue;
      for (const target of panel.targets) expect(target.datasource?.uid).toBe("${datasource}");
      const references = panel.targets.map((target) => target.refId);
      expect(new Set(references).size).toBe(references.length);
    }
  });
});

test("every metric of ours that a dashboard shows is one that our programs write", async () => {
  const { files } = await stage1Program("adopt");
  const programs = [...files].filter(([path]) => path.startsWith("/var/lib/im-suite/bin/")).map(([, text]) => text);
  const controller = readFileSync(join(repositoryRoot, "agent", "http", "metrics.ts"), "utf8");
  const ofController = [...controller.matchAll(/"(im_failover_\w+)",/g)].map(([, name]) => `# TYPE ${name} `);
  const pair = renderPairMetrics({ containers: [], minioContainer: "minio" });
  const written = [
    ...programs,
    renderContainerMetrics([]),
    renderHealthCheck({ diskUsagePercent: 80 }),
    ...ofController,
    pair,
  ].join("\n");
  const ours = every
    .flatMap(panelsOf)
    .flatMap((panel) => panel.expressions.flatMap(({ expr }) => metricNames(expr)))
    // The backend is the operator's.
    .filter((name) => name.startsWith("im_") && !/^im_(http|database|redis|object)_/.test(name));
  expect(new Set(ours).size).toBeGreaterThan(15);
  expect(ours.filter((name) => !new RegExp(`# TYPE ${name} |family ${name} `).test(written))).toEqual([]);
});

describe("provisioning", () => {
  test("names the data source that the dashboards look for", () => {
    const { datasources } = parse(renderDataSources("http://127.0.0.1:9090"));
    expect(datasources).toHaveLength(1);
    expect(datasources[0]).toMatchObject({ ...dataSource, url: "http://127.0.0.1:9090", type: "prometheus" });
    const [variable] = dashboardModel(dashboards[0] as (typeof dashboards)[number]).templating.list ?? [];
    const pattern = new RegExp(String(variable?.regex).slice(1, -1));
    expect(pattern.test(dataSource.name)).toBe(true);
    expect(pattern.test("Prometheus")).toBe(false);
    expect(variable?.current?.value).toBe(dataSource.uid);
  });

  test("reads dashboards from the folder, and lets nobody change there what would be overwritten", () => {
    const { providers } = parse(renderDashboardProvider("/folder"));
    expect(providers[0]).toMatchObject({ type: "file", allowUiUpdates: false, options: { path: "/folder" } });
  });
});

describe("metric names in an expression", () => {
  test.each([
    ['sum by (server, le) (rate(im_x_bucket{server=~"$server",a="b}"}[$__rate_interval]))', ["im_x_bucket"]],
    ["time() - node_boot_time_seconds", ["node_boot_time_seconds"]],
    ["a_total / on (x) group_left (y) b_total * 1e3 > bool 0.5", ["a_total", "b_total"]],
    ['count(ALERTS{severity!="none"}) or vector(0)', ["ALERTS"]],
    ["histogram_quantile(0.95, sum without(x) (c)) offset 5m", ["c"]],
    ["topk(10, d) unless e", ["d", "e"]],
  ])("%s", (expr, names) => expect(metricNames(expr)).toEqual(names));

  test("an unknown variable is told", () => expect(() => withoutGrafanaVariables("x[$__range]")).toThrow("$__range"));
});
