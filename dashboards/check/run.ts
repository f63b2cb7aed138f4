/**
 * Runs every query of every dashboard and alert rule against a store, the way Grafana would, and says what is wrong with an
 * answer: `weir dashboards check` for operators, and the tests.
 */
import { errorMessage } from '@weir/contracts/errors';
import { type AlertRule, RULE_WINDOW_SECONDS, ruleSql } from '../alerts/rule.ts';
import { ALERT_RULES } from '../alerts/rules.ts';
import { ALL_DASHBOARDS } from '../all.ts';
import { panelsOf, VARIABLE_SQL } from '../build/dashboards.ts';
import type { DashboardSpec, PanelSpec } from '../build/panel-spec.ts';
import { expandQuery, type QueryContext } from './expand.ts';

/** An answer of ClickHouse in its JSON format. */
export interface QueryAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly Record<string, unknown>[];
  readonly rowsRead: number;
  readonly elapsedMs: number;
}

/** Asks the store, with values for `{name:Type}`; rejects with ClickHouse's exception. */
export type Ask = (sql: string, parameters?: Readonly<Record<string, unknown>>) => Promise<QueryAnswer>;

/** One query that was run. */
export interface CheckedQuery {
  /** `cluster`, or `alert`, or `variable`. */
  readonly place: string;
  /** Panel, rule or variable. */
  readonly name: string;
  readonly refId: string;
  readonly answer: QueryAnswer | undefined;
  /** One sentence each; empty = good. */
  readonly problems: readonly string[];
}

/** What to run the queries for. */
export interface CheckOptions {
  readonly ask: Ask;
  readonly fromMs: number;
  readonly toMs: number;
  readonly variables?: QueryContext['variables'];
  /** Accept empty answers: an empty store, a range before the first sample. */
  readonly mayBeEmpty?: boolean;
  /** Queries that run at once, as a browser has six panels load; default 1, for times that mean something. */
  readonly atOnce?: number;
}

/** Rows a query may return at most. */
export const MOST_ROWS = 5_000;

/** All panels, annotations, variables and alert rules, in that order. */
export async function checkQueries(options: CheckOptions): Promise<CheckedQuery[]> {
  const checks = ALL_DASHBOARDS.flatMap((spec) => dashboardChecks(spec, options));
  for (const [name, sql] of Object.entries(VARIABLE_SQL)) {
    const query = { place: 'variable', name, refId: '', sql };
    checks.push(async () => [await runOne(query, options, 200, oneTextColumn)]);
  }
  for (const rule of ALERT_RULES) checks.push(async () => [await checkRule(rule, options)]);
  return (await runAll(checks, options.atOnce ?? 1)).flat();
}

/** The checks of a dashboard's panels and annotations, one for each, not begun. */
export function dashboardChecks(spec: DashboardSpec, options: CheckOptions): (() => Promise<CheckedQuery[]>)[] {
  const panels = panelsOf(spec).map((panel) => () => checkPanel(spec.name, panel, options));
  const annotations = spec.annotations.map((annotation) => async () => {
    const query = { place: spec.name, name: annotation.name, refId: 'annotation', sql: annotation.sql };
    return [await runOne(query, options, 200, () => [])];
  });
  return [...panels, ...annotations];
}

/** Runs all, `atOnce` at a time, begun in their order; the results in their order. */
export async function runAll<T>(tasks: readonly (() => Promise<T>)[], atOnce: number): Promise<T[]> {
  const results = new Array<T>(tasks.length);
  const left = tasks.entries();
  const work = async (): Promise<void> => {
    for (const [i, task] of left) results[i] = await task();
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

/** The queries of one panel. */
export async function checkPanel(place: string, panel: PanelSpec, options: CheckOptions): Promise<CheckedQuery[]> {
  const checked: CheckedQuery[] = [];
  for (const { refId, sql } of panel.queries) {
    const query = { place, name: panel.title, refId, sql };
    checked.push(await runOne(query, options, panel.points ?? 200, (answer) => panelProblems(panel, answer, options)));
  }
  return checked;
}

/** A rule as Grafana asks at the end of the range. */
export async function checkRule(rule: AlertRule, options: CheckOptions): Promise<CheckedQuery> {
  const window = { ...options, fromMs: options.toMs - RULE_WINDOW_SECONDS * 1_000 };
  const query = { place: 'alert', name: rule.name, refId: 'A', sql: ruleSql(rule) };
  return await runOne(query, window, 1_000, (answer) => ruleProblems(rule, answer));
}

interface NamedQuery {
  place: string;
  name: string;
  refId: string;
  sql: string;
}

async function runOne(
  query: NamedQuery,
  options: CheckOptions,
  maxDataPoints: number,
  judge: (answer: QueryAnswer) => string[],
): Promise<CheckedQuery> {
  const { place, name, refId } = query;
  const { fromMs, toMs, variables = {} } = options;
  try {
    const answer = await options.ask(expandQuery(query.sql, { fromMs, toMs, maxDataPoints, variables }));
    const strange = answer.columns.filter(({ type }) => !PLAIN.test(type));
    const opaque = strange.map((c) => `has ${c.name} of the type ${c.type}, which the plugin hands over as JSON text`);
    const many = answer.rows.length > MOST_ROWS ? [`returns ${answer.rows.length} rows, more than ${MOST_ROWS}`] : [];
    return { place, name, refId, answer, problems: [...opaque, ...many, ...judge(answer)] };
  } catch (error) {
    return { place, name, refId, answer: undefined, problems: [`fails: ${errorMessage(error).slice(0, 300)}`] };
  }
}

/**
 * Types the plugin turns into numbers, times and text; what it does not know (arrays, maps, SimpleAggregateFunction) becomes
 * JSON, which no panel draws.
 */
const PLAIN =
  /^(LowCardinality\()?(Nullable\()?(U?Int(8|16|32|64)|Float(32|64)|Decimal\b.*|String|FixedString.*|DateTime\b.*|DateTime64.*|Date(32)?|Bool|UUID|Enum.*)/;

const isNumber = (type: string): boolean => /^(Nullable\()?(U?Int|Float|Decimal)/.test(type);
const isTime = (type: string): boolean => /^DateTime/.test(type);
const isText = (type: string): boolean => /^(LowCardinality\()?(Nullable\()?String/.test(type);

function panelProblems(panel: PanelSpec, answer: QueryAnswer, options: CheckOptions): string[] {
  const problems: string[] = [];
  const { columns, rows } = answer;
  if (rows.length === 0 && !panel.mayBeEmpty && !options.mayBeEmpty) problems.push('is empty');
  if (panel.kind === 'timeseries' || panel.spark) {
    if (columns[0]?.name !== 'time' || !isTime(columns[0].type)) problems.push('does not begin with a time column');
    if (!columns.some(({ type }) => isNumber(type))) problems.push('has no number to draw');
    const strangers = columns.slice(1).filter(({ type }) => !isNumber(type) && !isText(type));
    if (strangers.length > 0)
      problems.push(`has columns Grafana cannot draw: ${strangers.map((c) => c.name).join(', ')}`);
    const times = rows.map((row) => String(row.time));
    if (times.some((time, i) => i > 0 && time < (times[i - 1] as string))) problems.push('is not in order of time');
  }
  if (panel.legend !== undefined && panel.queries.length === 1 && !columns.some(({ name }) => name === panel.legend)) {
    problems.push(`has no label ${panel.legend}`);
  }
  const names = new Set(columns.map(({ name }) => name));
  const unknown = Object.keys(panel.fields ?? {}).filter((name) => !names.has(name));
  if (panel.queries.length === 1 && unknown.length > 0) problems.push(`has no column ${unknown.join(', ')}`);
  return [...problems, ...implausible(panel, answer)];
}

/** Figures that their unit rules out: shares far above one, negative bytes, frame rates of thousands. */
function implausible(panel: PanelSpec, answer: QueryAnswer): string[] {
  return answer.columns
    .filter(({ type }) => isNumber(type))
    .flatMap(({ name }) => {
      const unit = panel.fields?.[name]?.unit ?? panel.unit;
      const [least, most] = PLAUSIBLE[unit ?? ''] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      const wrong = answer.rows.find(
        (row) => row[name] !== null && !(Number(row[name]) >= least && Number(row[name]) <= most),
      );
      return wrong === undefined ? [] : [`has ${name} = ${String(wrong[name])}, which cannot be in ${unit}`];
    });
}

const PLAUSIBLE: Readonly<Record<string, [number, number]>> = {
  percentunit: [-1.5, 1.5],
  bytes: [0, 1e15],
  bps: [0, 1e13],
  fps: [0, 1_000],
  cps: [0, 1e6],
  s: [-3_600, 86_400 * 366],
};

function oneTextColumn(answer: QueryAnswer): string[] {
  return answer.columns.length === 1 && isText(answer.columns[0]?.type ?? '') ? [] : ['is not one column of text'];
}

/** Grafana takes text columns as labels and the one number as the value. */
function ruleProblems(rule: AlertRule, answer: QueryAnswer): string[] {
  const numbers = answer.columns.filter(({ type }) => isNumber(type)).map(({ name }) => name);
  const texts = answer.columns.filter(({ type }) => isText(type)).map(({ name }) => name);
  const problems: string[] = [];
  if (numbers.join() !== 'value')
    problems.push(`must have one number called value, has ${numbers.join(', ') || 'none'}`);
  if (texts.join() !== rule.labels.join())
    problems.push(`must have the labels ${rule.labels.join(', ')}, has ${texts.join(', ')}`);
  if (answer.columns.length !== texts.length + numbers.length)
    problems.push('has columns that are neither text nor number');
  return problems;
}
