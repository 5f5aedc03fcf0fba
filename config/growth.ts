import { monthlyCost } from "./costs.ts";
import type { Configuration } from "./schema.ts";

/**
 * The roadmap's triggers for stage 2: reaching one of them is enough. `unit` is written behind a value, as it is (a blank included).
 */
export const growthTriggers = {
  registered_users: {
    query: "registeredUsers",
    above: 100,
    english: "registered users",
    chinese: "注册用户",
    unit: "",
  },
  daily_active_users: {
    query: "dailyActiveUsers",
    above: 50,
    english: "daily active users (most in 7 days)",
    chinese: "日活跃用户",
    unit: "",
  },
  messages_per_day: {
    query: "messagesPerDay",
    above: 10_000,
    english: "messages per day (most in 7 days)",
    chinese: "日消息量",
    unit: "",
  },
  cpu_percent: {
    query: undefined,
    above: 70,
    english: "CPU, average of 6 hours (most in 7 days)",
    chinese: "CPU 持续使用率",
    unit: "%",
  },
  outages: { query: undefined, above: 0, english: "outages in 14 days", chinese: "14 天内停机次数", unit: "" },
} as const satisfies Record<string, GrowthTrigger>;

interface GrowthTrigger {
  /** Key in `im:growth.queries`; undefined for what Prometheus knows by itself. */
  readonly query: string | undefined;
  /** Due when the measured value is above it. */
  readonly above: number;
  readonly english: string;
  readonly chinese: string;
  readonly unit: string;
}

export type GrowthTriggerName = keyof typeof growthTriggers;
export const growthTriggerNames = Object.keys(growthTriggers) as GrowthTriggerName[];

/** What was measured last. A trigger without a value was not measured. */
export type MeasuredGrowth = Readonly<Partial<Record<GrowthTriggerName, number>>>;

/** Kept by Prometheus, by the label `trigger`. */
export const growthTriggerMetric = "im_growth_trigger";

/** Prometheus' answer to a query for `growthTriggerMetric`. What is no such answer measures nothing. */
export function parseMeasuredGrowth(answer: string): MeasuredGrowth {
  let results: readonly {
    readonly metric?: { readonly trigger?: string };
    readonly value?: readonly [number, string];
  }[];
  try {
    results = JSON.parse(answer).data.result;
  } catch {
    return {};
  }
  if (!Array.isArray(results)) return {};
  const values = new Map(results.map(({ metric, value }) => [metric?.trigger, Number(value?.[1])]));
  return Object.fromEntries(
    growthTriggerNames.flatMap((name) => {
      const value = values.get(name);
      return value === undefined || !Number.isFinite(value) ? [] : [[name, value]];
    }),
  );
}

/** The triggers that are reached. */
export function reachedTriggers(measured: MeasuredGrowth): GrowthTriggerName[] {
  return growthTriggerNames.filter((name) => (measured[name] ?? 0) > growthTriggers[name].above);
}

/** A measured value as people read it, rounded: a share of a user or of an outage is nothing. */
export function formatMeasured(name: GrowthTriggerName, value: number): string {
  return `${Math.round(value * 10) / 10}${growthTriggers[name].unit}`;
}

/** The schema that is asked: the operator's, else a created suite's. Undefined: nobody knows how an adopted suite named it. */
export function growthDatabase({ growth, suite }: Configuration): string | undefined {
  return growth.database ?? (suite.mode === "create" ? suite.database : undefined);
}

/** Monthly totals of the three stages in CNY, with the operator's own prices. */
export function stageTotals(costs: Readonly<Record<string, number>>): Readonly<Record<1 | 2 | 3, number>> {
  return { 1: monthlyCost(1, costs).total, 2: monthlyCost(2, costs).total, 3: monthlyCost(3, costs).total };
}
