import type { DashboardDefinition, PanelDefinition, Threshold } from "./definition.ts";
import type {
  BarPanel,
  Dashboard,
  FieldDefaults,
  Panel,
  Query,
  Row,
  StatPanel,
  TimeSeriesPanel,
  Variable,
} from "./schema.ts";

/** Our Prometheus as a data source: provisioned in a created suite, made by hand in a Grafana of the operator's (docs/runbooks/dashboards.md). */
export const dataSource = { name: "IM Suite Prometheus", uid: "im-suite-prometheus" } as const;

/** The tag by which our dashboards find each other. */
export const dashboardTag = "im-suite";

const columns = 24;
/** The data source that is chosen at the top of the page: so the same file fits every Grafana. */
const chosen = { type: "prometheus", uid: "${datasource}" } as const;

/** Grafana's JSON of one dashboard. The same definition gives the same text. */
export function renderDashboard(definition: DashboardDefinition): string {
  return `${JSON.stringify(dashboardModel(definition), null, 1)}\n`;
}

/** The dashboard as Grafana's own schema describes it. Panels are numbered and placed in their order. */
export function dashboardModel(definition: DashboardDefinition): Dashboard {
  const panels: (Panel | Row)[] = [];
  let y = 0;
  for (const row of definition.rows) {
    panels.push({
      type: "row",
      id: panels.length + 1,
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: columns, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const panel of row.panels) {
      const { width: w, height: h } = size(panel);
      if (x + w > columns) {
        y += lineHeight;
        x = 0;
        lineHeight = 0;
      }
      panels.push({ ...panelOf(panel), id: panels.length + 1, gridPos: { x, y, w, h } });
      x += w;
      lineHeight = Math.max(lineHeight, h);
    }
    y += lineHeight;
  }
  return {
    uid: definition.uid,
    title: definition.title,
    description: definition.description,
    tags: [dashboardTag],
    timezone: "browser",
    editable: true,
    graphTooltip: 1,
    time: { from: "now-6h", to: "now" },
    refresh: "30s",
    // That of Grafana 11: a newer Grafana knows what to add, an older one ignores what it does not know.
    schemaVersion: 39,
    panels,
    templating: { list: variables },
    annotations: { list: [] },
    links: [
      {
        title: "IM 套件 (IM suite)",
        type: "dashboards",
        icon: "external link",
        tooltip: "",
        tags: [dashboardTag],
        asDropdown: true,
        targetBlank: false,
        includeVars: true,
        keepTime: true,
      },
    ],
  };
}

const variables: Variable[] = [
  {
    type: "datasource",
    name: "datasource",
    label: "数据源 (data source)",
    query: "prometheus",
    // Only ours: the suite's own Prometheus has none of these numbers.
    regex: `/^${dataSource.name}/`,
    current: { selected: true, text: dataSource.name, value: dataSource.uid },
    refresh: 1,
    hide: 0,
  },
  {
    type: "query",
    name: "server",
    label: "服务器 (server)",
    datasource: chosen,
    query: { query: "label_values(up, server)", refId: "servers" },
    definition: "label_values(up, server)",
    current: { selected: true, text: ["All"], value: ["$__all"] },
    multi: true,
    includeAll: true,
    refresh: 2,
    sort: 1,
    hide: 0,
  },
];

function size({ kind, width, height }: PanelDefinition): { width: number; height: number } {
  const usual = kind === "stat" ? 4 : 8;
  return { width: width ?? usual, height: height ?? usual };
}

function panelOf(panel: PanelDefinition): Panel {
  switch (panel.kind) {
    case "graph":
      return graph(panel);
    case "stat":
      return stat(panel);
    case "bars":
      return bars(panel);
  }
}

/** What panels of every kind have in common. */
function common(panel: PanelDefinition) {
  return {
    title: panel.title,
    ...(panel.description === undefined ? {} : { description: panel.description }),
    datasource: chosen,
    targets: panel.expressions.map(
      ({ expr, legend }, index): Query => ({
        refId: String.fromCharCode("A".charCodeAt(0) + index),
        datasource: chosen,
        expr,
        legendFormat: legend,
        // Over time, or the value of this moment.
        ...(panel.kind === "graph" ? { range: true } : { instant: true, range: false }),
      }),
    ),
  };
}

function field<Custom>(panel: PanelDefinition): FieldDefaults<Custom> {
  return {
    unit: panel.unit,
    ...(panel.min === undefined ? {} : { min: panel.min }),
    ...(panel.max === undefined ? {} : { max: panel.max }),
    ...(panel.decimals === undefined ? {} : { decimals: panel.decimals }),
    thresholds: { mode: "absolute", steps: steps(panel.below ?? "green", panel.thresholds ?? []) },
    ...(panel.words === undefined
      ? {}
      : {
          mappings: [
            {
              type: "value" as const,
              options: Object.fromEntries(
                Object.entries(panel.words).map(([value, word], index) => [value, { ...word, index }]),
              ),
            },
          ],
        }),
  };
}

function steps(below: string, thresholds: readonly Threshold[]): { value: number | null; color: string }[] {
  return [{ value: null, color: below }, ...thresholds.map(({ from, color }) => ({ value: from, color }))];
}

function graph(panel: PanelDefinition): TimeSeriesPanel {
  const hasLimits = panel.thresholds !== undefined;
  return {
    type: "timeseries",
    ...common(panel),
    options: {
      legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
      tooltip: { mode: "multi", sort: "desc" },
    },
    fieldConfig: {
      defaults: {
        ...field(panel),
        color: { mode: "palette-classic" },
        custom: {
          drawStyle: "line",
          lineInterpolation: "linear",
          lineWidth: 1,
          fillOpacity: panel.stacked ? 40 : 10,
          showPoints: "never",
          // A gap is a gap: what nobody measured must not look like a straight line.
          spanNulls: false,
          axisSoftMin: 0,
          stacking: { mode: panel.stacked ? "normal" : "none", group: "A" },
          thresholdsStyle: { mode: hasLimits ? "dashed" : "off" },
        },
      },
      overrides: [],
    },
  };
}

function stat(panel: PanelDefinition): StatPanel {
  const many = panel.expressions.length > 1 || panel.expressions.some(({ legend }) => legend.includes("{{"));
  return {
    type: "stat",
    ...common(panel),
    options: {
      graphMode: "none",
      colorMode: panel.thresholds === undefined && panel.words === undefined ? "none" : "background",
      justifyMode: "auto",
      textMode: many ? "value_and_name" : "value",
      wideLayout: true,
      showPercentChange: false,
      percentChangeColorMode: "standard",
      orientation: "auto",
      reduceOptions: { values: false, calcs: ["lastNotNull"], fields: "" },
    },
    fieldConfig: { defaults: field<never>(panel), overrides: [] },
  };
}

function bars(panel: PanelDefinition): BarPanel {
  return {
    type: "bargauge",
    ...common(panel),
    options: {
      displayMode: "basic",
      valueMode: "color",
      namePlacement: "auto",
      showUnfilled: true,
      sizing: "auto",
      minVizWidth: 8,
      minVizHeight: 16,
      maxVizHeight: 300,
      orientation: "horizontal",
      legend: { displayMode: "hidden", placement: "bottom", showLegend: false, calcs: [] },
      reduceOptions: { values: false, calcs: ["lastNotNull"], fields: "" },
    },
    fieldConfig: { defaults: field<never>(panel), overrides: [] },
  };
}
