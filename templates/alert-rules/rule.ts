/**
 * How urgent: `critical` wakes somebody, `warning` waits for the morning, `info` for the next plan; `none` is the watchdog, which
 * must never be silent.
 */
export type Severity = "critical" | "warning" | "info" | "none";

/** What the alert is about. With `server` it is what inhibition compares: a critical one silences the warnings of its service. */
export type AlertService =
  | "host"
  | "mysql"
  | "redis"
  | "minio"
  | "backend"
  | "admin"
  | "tls"
  | "containers"
  | "backup"
  | "growth"
  | "pair"
  | "votes"
  | "monitoring"
  | "watchdog";

/** One alert as Prometheus evaluates it. Texts are Chinese, as the roadmap's are; the runbooks are in both languages. */
export interface AlertRule {
  readonly name: string;
  readonly expr: string;
  /** How long the expression must hold, as Prometheus writes a duration. */
  readonly for: string;
  /** How long it still fires after the expression holds no more. Without: not at all. */
  readonly keepFiringFor?: string;
  readonly severity: Severity;
  readonly service: AlertService;
  readonly summary: string;
  /** Holds `$value`, so that the message says how bad it is. */
  readonly description: string;
}

/** A value that Prometheus keeps under a name of its own, because it is dear to compute or several rules ask for it. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AlertRuleGroup {
  readonly name: string;
  /** How often it is evaluated, as Prometheus writes a duration. Without: the global interval. */
  readonly interval?: string;
  /** Evaluated before the rules, in this order. */
  readonly records?: readonly RecordingRule[];
  readonly rules: readonly AlertRule[];
}

/** What is watched: a rule exists only when something measures it, or it would be silent for ever or fire for ever. */
export interface AlertRuleOptions {
  /** Alias of the server in the configuration: the label `server` of every target. */
  readonly server: string;
  readonly redis: boolean;
  readonly minio: boolean;
  readonly backend: boolean;
  readonly admin: boolean;
  /** The backend offers metrics of its own. */
  readonly backendMetrics: boolean;
  /** There are endpoints whose certificate is watched. */
  readonly tls: boolean;
  readonly healthCheckIntervalMinutes: number;
  /** Undefined when backups are not enabled. */
  readonly backup: { readonly binaryLogMinutes: number } | undefined;
  /** Undefined when nobody wants to hear when stage 2 is due. */
  readonly growth: GrowthRuleOptions | undefined;
}

export interface GrowthRuleOptions {
  /** Users and messages are counted; without it only the server's own load and outages are known. */
  readonly queries: boolean;
  /** What each stage costs a month, in CNY. */
  readonly monthlyTotals: Readonly<Record<1 | 2 | 3, number>>;
}
