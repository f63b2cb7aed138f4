/**
 * Cluster, third row (M11): add or take away machines? Each limit is judged by the highest ten minutes of every day of the
 * week before the end of the range; the trend is a straight line through the daily peaks.
 */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { cardBits } from '../build/card-lines.ts';
import { picked } from '../build/filters.ts';
import { linesSql } from '../build/lines-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Share of a limit that may be used at the peak. */
const ALLOWED = 0.9;

/**
 * Ten minutes of the whole cluster: the three limits as shares, viewers, machines. Only edges carry viewers. Each is a quotient
 * of sums over samples, so that rows need not be put together by series first.
 */
const slots = `SELECT p.time AS time, p.cluster AS cluster, uniqExactIf(p.machine_id, p.metric = 'system.cpu.utilization') AS machines,
    sumIf(p.sum, p.metric = 'system.cpu.utilization') / sumIf(p.count, p.metric = 'system.cpu.utilization') AS cpu,
    sumIf(p.sum, p.metric = 'system.network.io') * 8 / 600 / (sumIf(p.sum, p.metric = 'system.network.speed') / sumIf(p.count, p.metric = 'system.network.speed') * uniqExactIf(p.series_id, p.metric = 'system.network.speed')) AS bandwidth,
    sumIf(p.sum, p.metric = 'live.connections') / sumIf(p.sum, p.metric = 'live.connections.limit') AS connections,
    sumIf(p.sum, p.metric = 'live.connections') / sumIf(p.count, p.metric = 'live.connections') * uniqExactIf(p.series_id, p.metric = 'live.connections') AS viewers
  FROM ${VIEW.metricPoints}(step = 600) AS p
  WHERE p.metric IN ('system.cpu.utilization', 'system.network.io', 'system.network.speed', 'live.connections', 'live.connections.limit')
    AND p.series_id IN (
      SELECT series_id FROM ${TABLE.metricSeries}
      WHERE metric IN ('system.network.speed', 'live.connections.limit') OR (metric = 'system.cpu.utilization' AND attributes['cpu.mode'] = 'used')
        OR (metric = 'system.network.io' AND attributes['network.io.direction'] = 'transmit') OR (metric = 'live.connections' AND attributes['role'] IN ('viewer', 'publisher')))
    AND p.time >= $__toTime - 604800 AND p.time < $__toTime AND ${picked('p.cluster', 'cluster')}
    AND p.machine_id IN (SELECT machine_id FROM ${TABLE.nodes} WHERE role = 'edge')
  GROUP BY time, cluster`;

const days = `SELECT cluster, what, intDiv(toUInt32($__toTime) - toUInt32(time), 86400) AS days_ago, max(used) AS peak, argMax(viewers, used) AS viewers, argMax(machines, used) AS machines
  FROM (SELECT cluster, time, viewers, machines, x.1 AS what, x.2 AS used FROM (${slots}) ARRAY JOIN [('CPU', cpu), ('Bandwidth', bandwidth), ('Connections', connections)] AS x)
  WHERE isFinite(used)
  GROUP BY cluster, what, days_ago`;

const limits = `SELECT cluster, what, max(peak) AS peak_used, ${ALLOWED} - peak_used AS headroom,
  nullIf(argMax(viewers, peak), 0) * (${ALLOWED} / peak_used - 1) AS more_viewers,
  if(count() < 2, 0, simpleLinearRegression(-toFloat64(days_ago), toFloat64(peak)).1) AS change_per_day,
  if(change_per_day > 0.0005, greatest(0, headroom) / change_per_day, NULL) AS days_left,
  toInt64(any(machines)) - toInt64(ceil(any(machines) * peak_used / ${ALLOWED})) AS machines_spare
FROM (${days})
GROUP BY cluster, what`;

const table = `SELECT what, peak_used, headroom, more_viewers, change_per_day, days_left, machines_spare FROM (${limits}) ORDER BY peak_used DESC`;

const verdict = `SELECT concat(what, if(isNull(left), ' (no growth)', concat(' in ', toString(toUInt32(left)), ' days'))) AS \`First limit reached\`,
  toString(spare) AS \`Edges to spare at the peak\`
FROM (SELECT argMin(what, if(isNull(days_left), 1e6 - peak_used, days_left)) AS what, argMin(days_left, if(isNull(days_left), 1e6 - peak_used, days_left)) AS left, min(machines_spare) AS spare FROM (${limits}))
WHERE what != ''`;

const use = (() => {
  const lines = linesSql(
    [
      cardBits('transmit', 'sent'),
      { metric: 'system.network.speed', fold: 'mean', across: 'sum', as: 'speed' },
      { metric: 'live.connections', where: { role: ['viewer', 'publisher'] }, fold: 'mean', across: 'sum', as: 'open' },
      { metric: 'live.connections.limit', fold: 'mean', across: 'sum', as: 'allowed' },
      { metric: 'system.cpu.utilization', where: { 'cpu.mode': 'used' }, fold: 'mean', across: 'avg', as: 'cpu' },
    ],
    { ofRole: 'edge' },
  );
  return `SELECT time, sent / speed AS Bandwidth, open / allowed AS Connections, cpu AS CPU FROM (${lines}) ORDER BY time`;
})();

/** Panels of the row. */
export const CAPACITY: PanelGroup = {
  title: 'Add or take away machines?',
  panels: [
    {
      id: 40,
      kind: 'stat',
      title: 'Verdict',
      description: `The limit that is reached first if the daily peaks of the last seven days go on as they did, and how many edges could be taken away so that no limit is used above ${ALLOWED * 100} % at the peak. A negative number is how many to add.`,
      queries: [{ refId: 'A', sql: verdict }],
      width: 8,
      height: 5,
    },
    {
      id: 41,
      kind: 'table',
      title: 'Headroom of the edges, by limit',
      description:
        'Highest ten minutes of the last seven days for each limit; how many viewers more it would carry, by what those there were cost; change of the daily peak; days until it is at 90 %; machines that could go (negative: that are missing).',
      queries: [{ refId: 'A', sql: table }],
      width: 16,
      height: 5,
      fields: {
        what: { name: 'Limit', width: 120 },
        peak_used: {
          name: 'Used at the peak',
          unit: 'percentunit',
          decimals: 0,
          cell: 'gauge',
          thresholds: { warn: 0.75, bad: 0.9 },
        },
        headroom: {
          name: 'Headroom to 90 %',
          unit: 'percentunit',
          decimals: 0,
          thresholds: { bad: 0, warn: 0.15, falling: true },
          cell: 'color',
        },
        more_viewers: { name: 'Viewers more', decimals: 0, unit: 'short' },
        change_per_day: { name: 'Change a day', unit: 'percentunit', decimals: 1 },
        days_left: {
          name: 'Days to 90 %',
          decimals: 0,
          thresholds: { bad: 7, warn: 30, falling: true },
          cell: 'color',
        },
        machines_spare: { name: 'Machines to spare', decimals: 0 },
      },
    },
    {
      id: 42,
      kind: 'timeseries',
      title: 'Use of each limit of the edges',
      description:
        'Bandwidth: sent bits against the speed of all cards. Connections: publishers and viewers against the sum of the limits. CPU: mean over machines.',
      queries: [{ refId: 'A', sql: use }],
      unit: 'percentunit',
      min: 0,
      thresholds: { bad: 0.9 },
      fields: { Bandwidth: { color: 'blue' }, Connections: { color: 'orange' }, CPU: { color: 'green' } },
      width: 24,
      height: 8,
    },
  ],
};
