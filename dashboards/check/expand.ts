/**
 * Does to a query what Grafana and its ClickHouse plugin do before ClickHouse sees it: variables in their formats, then the
 * plugin's macros, with Grafana's own rounding of the interval. Source: the plugin's documentation of macros and Grafana's
 * of variable formats. What it does not know it refuses, so that no query ships with something only Grafana might know.
 */
import { WeirError } from '@weir/contracts/errors';
import { ALL_VALUE } from '../build/filters.ts';

/** What a person looks at. */
export interface QueryContext {
  /** Time range, Unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Points of the panel at most (its maxDataPoints). */
  readonly maxDataPoints: number;
  /** Values picked by variable; a missing one means All. */
  readonly variables: Readonly<Record<string, readonly string[]>>;
}

/**
 * The SQL that reaches ClickHouse.
 * @throws WeirError `DASHBOARD_MACRO` for a macro, variable or format it does not know.
 */
export function expandQuery(rawSql: string, context: QueryContext): string {
  return expandMacros(expandVariables(rawSql, context), context);
}

function expandVariables(sql: string, context: QueryContext): string {
  return sql.replace(/\$\{(\w+)(?::([^}]*))?\}/g, (whole, name: string, format: string | undefined) => {
    const [kind, ...args] = (format ?? '').split(':');
    if (kind !== 'customqueryparam') throw unknown(`the format of ${whole}`, sql);
    const values = context.variables[name];
    if (values === undefined) return ALL_VALUE;
    return values.map((value) => `${args[0] ?? name}=${percentEncode(value)}`).join('&');
  });
}

/** Grafana's strict encoding: also `!'()*`. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function expandMacros(sql: string, context: QueryContext): string {
  const from = `toDateTime(${Math.floor(context.fromMs / 1000)})`;
  const to = `toDateTime(${Math.floor(context.toMs / 1000)})`;
  const intervalMs = roundedIntervalMs((context.toMs - context.fromMs) / context.maxDataPoints);
  const seconds = Math.max(Math.floor(intervalMs / 1000), 1);
  return sql.replace(/\$__(\w+)(\(([^()]*)\))?/g, (whole, name: string, _brackets, argument: string | undefined) => {
    switch (name) {
      case 'fromTime':
        return from + (argument === undefined ? '' : `(${argument})`);
      case 'toTime':
        return to + (argument === undefined ? '' : `(${argument})`);
      case 'interval_s':
        return String(seconds);
      case 'timeFilter':
        return `${argument} >= ${from} AND ${argument} <= ${to}`;
      case 'timeInterval':
        return `toStartOfInterval(toDateTime(${argument}), INTERVAL ${seconds} second)`;
      default:
        throw unknown(whole, sql);
    }
  });
}

function unknown(what: string, sql: string): WeirError {
  return new WeirError('DASHBOARD_MACRO', `The expander does not know ${what} in the query "${sql.slice(0, 80)}…".`);
}

/** Thresholds below which Grafana rounds an interval down to the second number, in ms. */
const ROUNDING: readonly [below: number, interval: number][] = [
  [15, 10],
  [35, 20],
  [75, 50],
  [150, 100],
  [350, 200],
  [750, 500],
  [1_500, 1_000],
  [3_500, 2_000],
  [7_500, 5_000],
  [12_500, 10_000],
  [17_500, 15_000],
  [25_000, 20_000],
  [45_000, 30_000],
  [90_000, 60_000],
  [210_000, 120_000],
  [450_000, 300_000],
  [750_000, 600_000],
  [1_050_000, 900_000],
  [1_500_000, 1_200_000],
  [2_700_000, 1_800_000],
  [5_400_000, 3_600_000],
  [9_000_000, 7_200_000],
  [16_200_000, 10_800_000],
  [32_400_000, 21_600_000],
  [86_400_000, 43_200_000],
  [604_800_000, 86_400_000],
  [1_814_400_000, 604_800_000],
  [3_628_800_000, 2_592_000_000],
];

/** Grafana's rounding of an interval to one that people read. */
export function roundedIntervalMs(intervalMs: number): number {
  return ROUNDING.find(([below]) => intervalMs < below)?.[1] ?? 31_536_000_000;
}
