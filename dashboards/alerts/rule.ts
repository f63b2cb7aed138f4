/**
 * What an alert rule is before it becomes Grafana's provisioning file. A rule judges the rows of one SQL view by the minute;
 * Grafana asks for the newest minute, a test for a whole week, and both run the same SQL (alerts/evaluate.ts).
 */
import type { DashboardName } from '../build/panel-spec.ts';

/** Where in time a rule looks: SQL expressions for DateTime. */
export interface RuleRange {
  readonly from: string;
  readonly to: string;
  /** 5: raw samples, 60: one-minute rows, for rules that read either. */
  readonly step: 5 | 60;
}

/** One rule. */
export interface AlertRule {
  /** Stable id, also the name of its runbook: `node-silent` → runbooks/node-silent.md. */
  readonly name: string;
  readonly title: string;
  readonly group: RuleGroupName;
  readonly severity: 'critical' | 'warning';
  /** Whom it concerns, for routing. */
  readonly area: 'capacity' | 'media' | 'pipeline' | 'security';
  /** Label columns of a row, stable over time. */
  readonly labels: readonly string[];
  /**
   * SQL of rows `time, <labels>, value`. `time` is the start of the minute judged (`instant` false) or the moment judged.
   */
  readonly rows: (range: RuleRange) => string;
  /** True when rows are moments, not minutes. */
  readonly instant: boolean;
  /** Fires above this. */
  readonly above: number;
  /** How long it must hold, and how long it stays after the last time. */
  readonly forMinutes: number;
  readonly keepMinutes?: number;
  /** One sentence that names who and how much, as a Go template. */
  readonly summary: string;
  readonly dashboard: DashboardName;
  readonly panelId: number;
  /** No rows at all: fine for most, an alarm for the one that watches the pipeline itself. */
  readonly whenEmpty: 'OK' | 'Alerting';
  /** The query fails (ClickHouse away): an error that is shown, never "all is well". */
  readonly whenFailing: 'Error' | 'Alerting';
}

/** Groups are evaluated together, each with its own interval. */
export const RULE_GROUPS = {
  urgent: { title: 'Weir urgent', intervalSeconds: 30 },
  capacity: { title: 'Weir capacity', intervalSeconds: 60 },
  pipeline: { title: 'Weir pipeline', intervalSeconds: 30 },
} as const;

export type RuleGroupName = keyof typeof RULE_GROUPS;

/** Seconds of the range a rule hands to its query; only the newest minute is judged. */
export const RULE_WINDOW_SECONDS = 300;

/** The SQL Grafana runs: labels and one number, of the newest complete minute or of now. */
export function ruleSql(rule: AlertRule): string {
  const range: RuleRange = rule.instant
    ? { from: '$__toTime - 60', to: '$__toTime', step: 5 }
    : { from: 'toStartOfMinute($__toTime) - 60', to: 'toStartOfMinute($__toTime)', step: 60 };
  return `SELECT ${[...rule.labels, 'value'].join(', ')}\nFROM (\n${rule.rows(range)}\n)\nORDER BY value DESC\nLIMIT 1000`;
}

/** All minutes of a range in which the rule's condition holds: `time` (when it could be known), labels, `value`. */
export function ruleOverSql(rule: AlertRule, fromSeconds: number, toSeconds: number): string {
  const range: RuleRange = { from: `toDateTime(${fromSeconds})`, to: `toDateTime(${toSeconds})`, step: 60 };
  const known = rule.instant ? 'time' : 'time + 60';
  return `SELECT toUnixTimestamp(${known}) AS at, ${[...rule.labels, 'value'].join(', ')}\nFROM (\n${rule.rows(range)}\n)\nWHERE value > ${rule.above}\nORDER BY at`;
}
