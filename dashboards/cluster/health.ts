/** Cluster, first row: is everybody there, how much is going on, and who is not well. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { cardBits } from '../build/card-lines.ts';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Raw samples where the range ends now, else minutes: raw ones may be gone. */
export const SILENCE_STEP = 'if($__toTime > now() - 3600, 5, 60)';

/** Seconds without a sample after which a node counts as silent: nine missed samples. */
export const SILENT_SECONDS = 45;

const STATE = `multiIf(s.quiet, 'drained', s.silent_seconds >= ${SILENT_SECONDS}, 'silent', 'up')`;

const SILENCE = `${VIEW.nodeSilence}(from = $__toTime - 60, to = $__toTime, step = ${SILENCE_STEP})`;

/** When each edge and origin belonged to the cluster (M5), as `cluster_load` counts them: also those nobody ever heard of, whose role is not known. */
export const DUE = `SELECT m.cluster AS cluster, m.node AS node, m.since AS since, m.until AS until, n.node = '' AS unheard
  FROM ${VIEW.nodeMemberships} AS m LEFT JOIN ${TABLE.nodes} AS n ON n.cluster = m.cluster AND n.node = m.node
  WHERE n.node = '' OR n.role IN ('edge', 'origin')`;

/** Those of the end of the range. */
const DUE_NOW = `SELECT cluster, node, unheard FROM (${DUE}) WHERE since < $__toTime AND until > $__toTime AND ${picked('cluster', 'cluster')}`;

const nodesUp = `SELECT countIf(state = 'up') AS up, (SELECT count() FROM (${DUE_NOW})) AS expected, countIf(state IN ('silent', 'never heard')) AS silent, countIf(state = 'drained') AS drained
FROM (
  SELECT ${STATE} AS state FROM ${SILENCE} AS s WHERE s.role IN ('edge', 'origin') AND ${picked('cluster', 'cluster')}
  UNION ALL SELECT 'never heard' AS state FROM (${DUE_NOW}) WHERE unheard
)`;

/** Which figure of the table a series is, '' for none. */
const FIGURE = `multiIf(metric = 'live.connections', attributes['role'], metric = 'live.connections.limit', 'limit', metric = 'system.filesystem.utilization', 'disk',
      metric = 'system.cpu.utilization' AND attributes['cpu.mode'] = 'used', 'cpu', metric = 'system.memory.utilization' AND attributes['system.memory.state'] = 'used', 'memory',
      metric = 'system.network.io', 'traffic', metric = 'system.network.speed', 'speed', metric = 'live.node.weight', 'weight', '')`;
const METRICS = `('live.connections', 'live.connections.limit', 'system.filesystem.utilization', 'system.cpu.utilization', 'system.memory.utilization', 'system.network.io', 'system.network.speed', 'live.node.weight')`;

/** The last two whole minutes, from samples where they are there: a row per node, and one per machine and card without a node's name. One pass over the minutes. */
const lately = `SELECT cluster, machine_id, node, sumIf(v, figure = 'viewer') AS viewers, sumIf(v, figure = 'publisher') AS publishers, maxOrNullIf(v, figure = 'limit') AS connection_limit, minOrNullIf(v, figure = 'weight') AS weight,
    maxOrNullIf(v, figure = 'cpu') AS cpu, maxOrNullIf(v, figure = 'memory') AS memory, maxOrNullIf(v, figure = 'disk') AS disk, maxOrNullIf(v, figure = 'traffic') * 8 / nullIf(maxIf(v, figure = 'speed'), 0) AS card
  FROM (
    SELECT p.cluster AS cluster, p.machine_id AS machine_id, p.node AS node, s.figure AS figure, s.card_name AS card_name, p.series_id AS series_id, if(figure = 'traffic', sum(p.sum) / ${SILENCE_STEP} / uniqExact(p.time), sum(p.sum) / sum(p.count)) AS v
    FROM ${VIEW.metricPoints}(step = ${SILENCE_STEP}) AS p
    INNER JOIN (SELECT series_id, attributes['network.interface.name'] AS card_name, ${FIGURE} AS figure FROM ${VIEW.series} WHERE metric IN ${METRICS} AND figure NOT IN ('', 'relay')) AS s ON s.series_id = p.series_id
    WHERE p.metric IN ${METRICS} AND p.series_id IN (SELECT series_id FROM ${TABLE.metricSeries} WHERE metric IN ${METRICS} AND ${FIGURE} NOT IN ('', 'relay'))
      AND p.time >= toStartOfMinute($__toTime) - 120 AND p.time < toStartOfMinute($__toTime) AND ${picked('p.cluster', 'cluster')}
    GROUP BY cluster, machine_id, node, figure, card_name, series_id
  )
  GROUP BY cluster, machine_id, node, card_name`;

const nodeTable = `SELECT s.node AS node, any(s.role) AS role, any(n.site) AS site, any(s.state) AS state, any(s.silent_for) AS silent_for,
  sumIf(l.viewers, l.node = s.node) AS viewers, sumIf(l.publishers, l.node = s.node) AS publishers, (viewers + publishers) / maxIf(l.connection_limit, l.node = s.node) AS limit_used, minIf(l.weight, l.node = s.node) AS weight,
  max(l.cpu) AS cpu, max(l.memory) AS memory, max(l.card) AS card, max(l.disk) AS disk, any(n.version) AS version
FROM (
  SELECT s.cluster AS cluster, s.node AS node, s.role AS role, s.machine_id AS machine_id, ${STATE} AS state, toNullable(s.silent_seconds) AS silent_for FROM ${SILENCE} AS s WHERE s.role IN ('edge', 'origin')
  UNION ALL SELECT cluster, node, '' AS role, concat('of ', node) AS machine_id, 'never heard' AS state, NULL AS silent_for FROM (${DUE_NOW}) WHERE unheard
) AS s
LEFT JOIN ${TABLE.nodes} AS n ON n.cluster = s.cluster AND n.node = s.node
LEFT JOIN (${lately}) AS l ON l.cluster = s.cluster AND l.machine_id = s.machine_id
WHERE ${picked('s.cluster', 'cluster')} AND ${picked('s.node', 'node')}
GROUP BY s.cluster, s.node
ORDER BY state IN ('silent', 'never heard') DESC, card DESC
LIMIT 1000`;

const share = { unit: 'percentunit', decimals: 0, cell: 'gauge' } as const;

/** Panels of the row. */
export const HEALTH: PanelGroup = {
  title: 'Is everybody there?',
  panels: [
    {
      id: 1,
      kind: 'stat',
      title: 'Nodes',
      description: `Edges and origins by state at the end of the range. Expected: declared or heard of, and not retired. Silent: expected, but no sample for ${SILENT_SECONDS} s, or never one. Drained: draining or retired, silence is fine. Find the silent ones in the table below.`,
      queries: [{ refId: 'A', sql: nodesUp }],
      width: 6,
      height: 4,
      fields: {
        up: { name: 'Up', color: 'green' },
        expected: { name: 'Expected', color: 'grey' },
        silent: { name: 'Silent', thresholds: { bad: 1 } },
        drained: { name: 'Drained', color: 'grey' },
      },
    },
    {
      id: 2,
      kind: 'stat',
      spark: true,
      title: 'Viewers',
      description: 'Viewers of all streams on all edges; relay connections between nodes do not count.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.connections',
            where: { role: 'viewer' },
            fold: 'mean',
            across: 'sum',
            as: 'Viewers',
          }),
        },
      ],
      decimals: 0,
      unit: 'short',
      width: 4,
      height: 4,
    },
    {
      id: 3,
      kind: 'stat',
      spark: true,
      title: 'Published streams',
      description: 'Streams whose publisher is connected to one of the edges.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.streams',
            where: { source: 'publisher' },
            fold: 'mean',
            across: 'sum',
            as: 'Streams',
          }),
        },
      ],
      decimals: 0,
      width: 4,
      height: 4,
    },
    {
      id: 4,
      kind: 'stat',
      spark: true,
      title: 'Traffic out',
      description: 'Bits per second sent by all network cards, each machine counted once.',
      queries: [
        {
          refId: 'A',
          sql: metricSql(cardBits('transmit', 'Out')),
        },
      ],
      unit: 'bps',
      width: 5,
      height: 4,
    },
    {
      id: 5,
      kind: 'stat',
      spark: true,
      title: 'Busiest machine: CPU',
      description:
        'CPU of the busiest machine. Above 90 % for minutes, viewers there begin to stutter: drain it or add a machine.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.cpu.utilization',
            where: { 'cpu.mode': 'used' },
            fold: 'mean',
            across: 'max',
            as: 'CPU',
          }),
        },
      ],
      unit: 'percentunit',
      decimals: 0,
      thresholds: { warn: 0.75, bad: 0.9 },
      width: 5,
      height: 4,
    },
    {
      id: 6,
      kind: 'table',
      title: 'Nodes, the unwell first',
      description:
        'One row per edge and origin at the end of the range; machine figures are those of the machine it runs on. Can still take: the weight load balancers are told, 0 (nothing) to 100 (idle). Click a name for its dashboard.',
      queries: [{ refId: 'A', sql: nodeTable }],
      width: 18,
      height: 10,
      fields: {
        node: { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } },
        role: { name: 'Role', width: 80 },
        site: { name: 'Site', width: 80 },
        state: { name: 'State', width: 100 },
        silent_for: { name: 'Silent for', unit: 's', thresholds: { warn: 15, bad: SILENT_SECONDS }, cell: 'color' },
        viewers: { name: 'Viewers', decimals: 0 },
        publishers: { name: 'Publishers', decimals: 0 },
        limit_used: { name: 'Of its limit', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
        cpu: { name: 'CPU', ...share, thresholds: { warn: 0.75, bad: 0.9 } },
        memory: { name: 'Memory', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
        card: { name: 'Busiest card', ...share, thresholds: { warn: 0.75, bad: 0.9 } },
        disk: { name: 'Fullest disk', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
        weight: {
          name: 'Can still take',
          decimals: 0,
          thresholds: { bad: 10, warn: 25, falling: true },
          cell: 'color',
        },
        version: { name: 'Version', width: 80 },
      },
    },
    {
      id: 7,
      kind: 'alertlist',
      title: 'Alarms',
      description:
        'Alert rules of Weir that fire, are about to, or could not be evaluated, the gravest first; an alarm opens its rule, with the summary and the runbook. Empty is good news.',
      queries: [],
      mayBeEmpty: true,
      noValue: 'No alarm',
      width: 6,
      height: 10,
    },
  ],
};
