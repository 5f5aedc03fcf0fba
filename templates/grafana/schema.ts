import type * as bargauge from "@grafana/grafana-foundation-sdk/bargauge";
import type * as common from "@grafana/grafana-foundation-sdk/common";
import type * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import type * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

/**
 * Grafana's own schema as types of plain JSON. The package is needed to compile only: its classes and enumerations never run here
 * (docs/decisions/0014-grafana-dashboards.md).
 */

/** A type of the package as JSON: enumerations as their values, without methods. */
export type Plain<Type> = Type extends string
  ? `${Type}`
  : Type extends number | boolean | null | undefined
    ? Type
    : Type extends readonly (infer Item)[]
      ? Plain<Item>[]
      : { [Key in keyof Type as Type[Key] extends (...args: never[]) => unknown ? never : Key]: Plain<Type[Key]> };

export type Query = Plain<prometheus.Dataquery>;
export type FieldDefaults<Custom> = Omit<Plain<dashboard.FieldConfig>, "custom"> & { custom?: Custom };

type PanelOf<Type extends string, Options, Custom> = Omit<
  Plain<dashboard.Panel>,
  "type" | "options" | "fieldConfig" | "targets"
> & {
  type: Type;
  options: Options;
  fieldConfig: Omit<Plain<dashboard.FieldConfigSource>, "defaults"> & { defaults: FieldDefaults<Custom> };
  targets: Query[];
};

export type TimeSeriesPanel = PanelOf<"timeseries", Plain<timeseries.Options>, Plain<common.GraphFieldConfig>>;
export type StatPanel = PanelOf<"stat", Plain<stat.Options>, never>;
export type BarPanel = PanelOf<"bargauge", Plain<bargauge.Options>, never>;
export type Panel = TimeSeriesPanel | StatPanel | BarPanel;
export type Row = Omit<Plain<dashboard.RowPanel>, "panels"> & { panels: [] };
export type Variable = Plain<dashboard.VariableModel>;
export type Dashboard = Omit<Plain<dashboard.Dashboard>, "panels"> & { panels: (Panel | Row)[] };
export type ValueMapping = Plain<dashboard.ValueMapping>;
