/**
 * The SQL of several metrics over time in one pass, a column for each: lines of one panel, or figures that are divided by one
 * another. One query instead of several costs the planning of one, which is most of what a short query costs.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked, sqlText } from './filters.ts';
import { bucketOf, inRange, levelExpressions } from './levels.ts';
import { attributeCondition, FOLD, type MetricSeries, qualify, quoteName, reportedBy } from './metric-sql.ts';

/** One column. A series counts for the first line it fits. */
export type Line = Pick<MetricSeries, 'metric' | 'where' | 'fold' | 'across' | 'scale'> & { readonly as: string };

/** What holds for all lines. */
export type LinesOptions = Pick<MetricSeries, 'by' | 'ofRole'>;

/** Rows `time, labels…` and a column per line, NULL where it has no data; ordered by time. */
export function linesSql(lines: readonly Line[], { by = {}, ofRole }: LinesOptions = {}): string {
  const metrics = [...new Set(lines.map(({ metric }) => metric))];
  const names = `(${metrics.map(sqlText).join(', ')})`;
  const labels = Object.entries(by);
  const keys = labels.map(([alias]) => `, ${quoteName(alias)}`).join('');
  const select = labels.map(([alias, expression]) => `${qualify(expression)} AS ${quoteName(alias)}, `).join('');
  const numbers = lines.map((line, i) => `${lineCondition(line)}, ${i + 1}`).join(', ');
  const columns = lines.map(({ across, scale, as }, i) => {
    const factor = scale === undefined ? '' : ` * ${scale}`;
    return `${across}OrNullIf(folded, line = ${i + 1})${factor} AS ${quoteName(as)}`;
  });
  // Stretches of rows that hold none of the series are passed over; a join alone would read them.
  const narrowed = lines.some(({ where }) => where)
    ? ` AND p.series_id IN (SELECT series_id FROM ${TABLE.metricSeries} WHERE ${lines.map((line) => `(${lineCondition(line)})`).join(' OR ')})`
    : '';
  return `WITH ${levelExpressions()}
SELECT bucket_start AS time${keys}, ${columns.join(', ')}
FROM (
  SELECT ${bucketOf('p.time')} AS bucket_start, ${select}s.line AS line, p.series_id AS series_id, ${foldOf(lines)} AS folded
  FROM ${VIEW.metricPoints}(step = step) AS p
  INNER JOIN (SELECT series_id, attributes, multiIf(${numbers}, 0) AS line FROM ${VIEW.series} WHERE metric IN ${names} AND line > 0) AS s ON s.series_id = p.series_id
  WHERE p.metric IN ${names}${narrowed} AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')} AND ${reportedBy(metrics, ofRole)}
  GROUP BY bucket_start${keys}, line, series_id
)
GROUP BY time${keys}
ORDER BY time${keys}`;
}

function lineCondition({ metric, where }: { metric: MetricName; where?: MetricSeries['where'] }): string {
  const own = `metric = ${sqlText(metric)}`;
  return where ? `${own} AND ${attributeCondition(where)}` : own;
}

/** Rates, means and the like side by side. */
function foldOf(lines: readonly Line[]): string {
  const folds = [...new Set(lines.map(({ fold }) => fold))];
  const [first = 'mean', ...others] = folds;
  const cases = others.flatMap((fold) => {
    const of = lines.flatMap((line, i) => (line.fold === fold ? [i + 1] : []));
    return [`line IN (${of.join(', ')})`, FOLD[fold]];
  });
  return cases.length === 0 ? FOLD[first] : `multiIf(${[...cases, FOLD[first]].join(', ')})`;
}
