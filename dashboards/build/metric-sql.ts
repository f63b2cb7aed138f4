/**
 * The SQL of one metric over time, from the right rollup level, filtered by the dashboard's variables: first each series
 * is folded per bucket, then the series are put together.
 */
import { METRICS, type MetricName } from '@weir/contracts/metrics';
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked, pickedMachine, sqlText } from './filters.ts';
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
  /** Only the lines with the largest values. */
  readonly top?: number;
  /** Only nodes of one role, and their machines: edges carry the viewers, agents run beside directors and name servers. */
  readonly ofRole?: 'edge' | 'agent';
  /** Filter by app and stream too. */
  readonly byStream?: boolean;
}

const FOLD = {
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
  return `WITH ${levelExpressions()}
SELECT time, ${names}${value}
FROM (
  SELECT *, max(${value}) OVER (PARTITION BY ${key}) AS peak
  FROM (${select})
)
QUALIFY dense_rank() OVER (ORDER BY peak DESC, ${key}) <= ${series.top}
ORDER BY time, ${key}`;
}

/** One row per series and bucket: `bucket_start`, labels, `folded`. */
function foldedSql(series: MetricSeries): string {
  const definition = METRICS[series.metric];
  const labels = Object.entries(series.by ?? {});
  const needsAttributes =
    series.where !== undefined ||
    series.byStream ||
    labels.some(([, expression]) => expression.includes('attributes['));
  const conditions = [
    `metric = ${sqlText(series.metric)}`,
    series.where ? attributeCondition(series.where) : '',
    series.byStream ? picked("attributes['app']", 'app') : '',
    series.byStream ? picked("attributes['stream']", 'stream') : '',
  ].filter((condition) => condition !== '');
  const join = needsAttributes
    ? `\n  INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE ${conditions.join(' AND ')}) AS s ON s.series_id = p.series_id`
    : '';
  const select = labels.map(([alias, expression]) => `${qualify(expression)} AS ${quoteName(alias)}, `).join('');
  const group = labels.map(([alias]) => `, ${quoteName(alias)}`).join('');
  const also = series.also ? `, ${FOLD[series.also.fold]} AS also` : '';
  const who = definition.scope === 'machine' ? pickedMachine('p.machine_id') : picked('p.node', 'node');
  const role = series.ofRole
    ? ` AND p.machine_id IN (SELECT machine_id FROM ${TABLE.nodes} WHERE role = ${sqlText(series.ofRole)})`
    : '';
  return `  SELECT ${bucketOf('p.time')} AS bucket_start, ${select}p.series_id AS series_id, ${FOLD[series.fold]} AS folded${also}
  FROM ${VIEW.metricPoints}(step = step) AS p${join}
  WHERE p.metric = ${sqlText(series.metric)} AND ${inRange('p.time')}
    AND ${picked('p.cluster', 'cluster')} AND ${who}${role}
  GROUP BY bucket_start${group}, series_id`;
}

function qualify(expression: string): string {
  return /^[a-z_]+$/.test(expression)
    ? `p.${expression}`
    : expression.replaceAll(/(?<!\.)attributes\[/g, 's.attributes[');
}

/** A quoted SQL identifier. */
export function quoteName(name: string): string {
  return /^[a-z_]+$/.test(name) ? name : `\`${name}\``;
}
