/** What a dashboard shows, without how Grafana writes it: `render.ts` makes the JSON, the tests ask Prometheus for every expression. */

/** Units as Grafana names them. */
export type Unit =
  | "percent"
  | "short"
  | "none"
  | "bytes"
  | "Bps"
  | "s"
  | "reqps"
  | "ops"
  | "cps"
  | "iops"
  | "dateTimeFromNow";

export interface Expression {
  /** PromQL. Every selector has `server=~"$server"`; rates take `$__rate_interval`. */
  readonly expr: string;
  /** Grafana's legend: `{{label}}`. */
  readonly legend: string;
}

/** From this value on, this colour. Below the first one it is green, or `below`. */
export interface Threshold {
  readonly from: number;
  readonly color: "green" | "yellow" | "red";
}

export interface PanelDefinition {
  /** graph: over time. stat: the value now, large. bars: the values now, one bar each. */
  readonly kind: "graph" | "stat" | "bars";
  /** Chinese, then English in brackets. Unique in its dashboard. */
  readonly title: string;
  /** What the number means, and what to do about it; shown at the panel's corner. */
  readonly description?: string;
  readonly expressions: readonly Expression[];
  readonly unit: Unit;
  readonly thresholds?: readonly Threshold[];
  /** Colour below the first threshold. Default green. */
  readonly below?: "green" | "yellow" | "red";
  /** Ends of the scale, where they are known: 0 and 100 for a share. */
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  /** Areas on top of each other: parts of a whole. */
  readonly stacked?: boolean;
  /** Words instead of values. */
  readonly words?: Readonly<Record<number, { readonly text: string; readonly color: "green" | "yellow" | "red" }>>;
  /** Of 24 columns. Default 4 for stat, 8 for the others. */
  readonly width?: number;
  /** Default 4 for stat, 8 for the others. */
  readonly height?: number;
  /** Why it may be empty on a healthy suite (nothing failed yet, an optional part). Undefined: it must show something. */
  readonly emptyWhen?: string;
}

export interface RowDefinition {
  readonly title: string;
  readonly panels: readonly PanelDefinition[];
}

export interface DashboardDefinition {
  /** A contract: links and bookmarks go by it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly RowDefinition[];
}

/** Limits every expression to the chosen servers. Goes into braces, alone or after other matchers. */
export const onServer = 'server=~"$server"';

/** A share in per cent with the usual colours, which are those of the alerts: yellow at the warning's threshold minus 15. */
export const share = (red: number): Pick<PanelDefinition, "unit" | "min" | "max" | "thresholds"> => ({
  unit: "percent",
  min: 0,
  max: 100,
  thresholds: [
    { from: red - 15, color: "yellow" },
    { from: red, color: "red" },
  ],
});

/** 1 is good, 0 is not. */
export const upOrDown: Pick<PanelDefinition, "unit" | "words"> = {
  unit: "none",
  words: { 1: { text: "正常 (up)", color: "green" }, 0: { text: "异常 (down)", color: "red" } },
};
