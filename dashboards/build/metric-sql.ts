/**
 * The SQL of one metric over time, from the right rollup level, filtered by the dashboard's variables: first each series
 * is folded per bucket, then the series are put together.
 */
import { METRICS, type MetricName } from '@weir/contracts/metrics';
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked, sqlText } from './filters.ts';
import { BUCKET_SECONDS, bucketOf, inRange, levelExpressions } from './levels.ts';

/** Attribute condition: one value or any of several. */
export type AttributeFilter = Readonly<Record<string, string | readonly string[]>>;

/** What to draw of a metric. */
export interface MetricSeries {
  readonly metric: MetricName;
  readonly where?: AttributeFilter;
  /** Labels of a line by alias: `node`, `machine_id`, `site` or an attribute as `attributes['…']`. */
  readonly by?: Readonly<Record<string, string>>;
  /** How the rows of one series in one bucket become one value; a counter's `rate` is per second. */
  readonly fold: 'mean' | 'max' | 'rate' | 'increase';
  /** How the series of one line are put together. */
  readonly across: 'sum' | 'avg' | 'max' | 'min';
  /** Factor on the result, e.g. 8 for bits. */
  readonly scale?: number;
  /** Name of the value column: the line's name where there are no labels. */
  readonly as?: string;
  /** A second value from the same rows, e.g. the largest beside the mean. */
  readonly also?: { readonly fold: MetricSeries['fold']; readonly across: MetricSeries['across']; readonly as: string };
  /** Only the lines with the largest values, or with the smallest where those are the news. */
  readonly top?: number;
  readonly topIs?: 'largest' | 'smallest';
  /** Only nodes of one role, and their machines: edges carry the viewers, agents run beside directors and name servers. */
  readonly ofRole?: 'edge' | 'agent';
  /** Filter by app and stream too. */
  readonly byStream?: boolean;
  /** Filter by app too, where the series have no stream. */
  readonly byApp?: boolean;
}

/** How the rows of one series and bucket become one value, over `bucket_start` and rows `p`. */
export const FOLD = {
  mean: 'sum(p.sum) / sum(p.count)',
  max: 'max(p.max)',
  rate: `sum(p.sum) / ${BUCKET_SECONDS.replace('bucket_start', 'any(bucket_start)')}`,
  increase: 'sum(p.sum)',
} as const;

/** Label expression: host name of the machine a series is of, its id where no name is known. */
export const HOST = `coalesce(nullIf((SELECT mapFromArrays(groupArray(machine_id), groupArray(host_name)) FROM (SELECT machine_id, any(host_name) AS host_name FROM ${TABLE.machines} GROUP BY machine_id))[toString(p.machine_id)], ''), p.machine_id)`;

/** Conditions on series attributes as SQL. */
export function attributeCondition(where: AttributeFilter, column = 'attributes'): string {
  return Object.entries(where)
    .map(([key, value]) => {
      const values = typeof value === 'string' ? [value] : value;
      return `${column}[${sqlText(key)}] IN (${values.map(sqlText).join(', ')})`;
    })
    .join(' AND ');
}

/** Rows `time, labels…, value`, ordered by time. */
export function metricSql(series: MetricSeries): string {
  const labels = Object.entries(series.by ?? {});
  const value = quoteName(series.as ?? 'value');
  const inner = foldedSql(series);
  const scale = series.scale === undefined ? '' : ` * ${series.scale}`;
  const names = labels.map(([alias]) => `${quoteName(alias)}, `).join('');
  const group = labels.map(([alias]) => `, ${quoteName(alias)}`).join('');
  const also = series.also ? `, ${series.also.across}(also)${scale} AS ${quoteName(series.also.as)}` : '';
  const select = `SELECT bucket_start AS time, ${names}${series.across}(folded)${scale} AS ${value}${also}
FROM (
${inner}
)
GROUP BY time${group}
ORDER BY time${group}`;
  if (series.top === undefined || labels.length === 0) return `WITH ${levelExpressions()}\n${select}`;
  const key = labels.map(([alias]) => quoteName(alias)).join(', ');
  const [extreme, direction] = series.topIs === 'smallest' ? ['min', 'ASC'] : ['max', 'DESC'];
  return `WITH ${levelExpressions()}
SELECT time, ${names}${value}
FROM (
  SELECT *, ${extreme}(${value}) OVER (PARTITION BY ${key}) AS peak
  FROM (${select})
)
QUALIFY dense_rank() OVER (ORDER BY peak ${direction}, ${key}) <= ${series.top}
ORDER BY time, ${key}`;
}

/** One row per series and bucket: `bucket_start`, labels, `folded`. */
function foldedSql(series: MetricSeries): string {
  const labels = Object.entries(series.by ?? {});
  const conditions = [
    `metric = ${sqlText(series.metric)}`,
    series.where ? attributeCondition(series.where) : '',
    series.byStream || series.byApp ? picked("attributes['app']", 'app') : '',
    series.byStream ? picked("attributes['stream']", 'stream') : '',
  ].filter((condition) => condition !== '');
  const wanted = conditions.join(' AND ');
  // What only narrows needs no join: the engine passes over stretches of rows that hold none of the series.
  const isJoined = labels.some(([, expression]) => expression.includes('attributes['));
  const join = isJoined
    ? `\n  INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE ${wanted}) AS s ON s.series_id = p.series_id`
    : '';
  const narrowed =
    !isJoined && conditions.length > 1
      ? ` AND p.series_id IN (SELECT series_id FROM ${TABLE.metricSeries} WHERE ${wanted})`
      : '';
  const select = labels.map(([alias, expression]) => `${qualify(expression)} AS ${quoteName(alias)}, `).join('');
  const group = labels.map(([alias]) => `, ${quoteName(alias)}`).join('');
  const also = series.also ? `, ${FOLD[series.also.fold]} AS also` : '';
  return `  SELECT ${bucketOf('p.time')} AS bucket_start, ${select}p.series_id AS series_id, ${FOLD[series.fold]} AS folded${also}
  FROM ${VIEW.metricPoints}(step = step) AS p${join}
  WHERE p.metric = ${sqlText(series.metric)}${narrowed} AND ${inRange('p.time')}
    AND ${picked('p.cluster', 'cluster')} AND ${reportedBy([series.metric], series.ofRole)}
  GROUP BY bucket_start${group}, series_id`;
}

/** Rows of the picked nodes, and of the machines they run on where a metric is of those: such rows name no node. */
export function reportedBy(metrics: readonly MetricName[], ofRole?: MetricSeries['ofRole']): string {
  const role = ofRole ? `role = ${sqlText(ofRole)}` : '1';
  const machine = `p.machine_id IN (SELECT machine_id FROM ${TABLE.nodes} WHERE ${role} AND ${picked('cluster', 'cluster')} AND ${picked('node', 'node')})`;
  const scopes = new Set(metrics.map((metric) => METRICS[metric].scope));
  if (!scopes.has('machine')) return ofRole ? machine : picked('p.node', 'node');
  return scopes.size === 1 ? machine : `(p.node = '' OR ${picked('p.node', 'node')}) AND ${machine}`;
}

/** A label's expression over rows `p` and series `s`. */
export function qualify(expression: string): string {
  return /^[a-z_]+$/.test(expression)
    ? `p.${expression}`
    : expression.replaceAll(/(?<!\.)attributes\[/g, 's.attributes[');
}

/** A quoted SQL identifier. */
export function quoteName(name: string): string {
  return /^[a-z_]+$/.test(name) ? name : `\`${name}\``;
}
