/** Cluster, first row: is everybody there, how much is going on, and who is not well. */
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Raw samples where the range ends now, else minutes: raw ones may be gone. */
export const SILENCE_STEP = 'if($__toTime > now() - 3600, 5, 60)';

/** Seconds without a sample after which a node counts as silent: nine missed samples. */
export const SILENT_SECONDS = 45;

const STATE = `multiIf(s.quiet, 'drained', s.silent_seconds >= ${SILENT_SECONDS}, 'silent', 'up')`;

const SILENCE = `${VIEW.nodeSilence}(from = $__toTime - 60, to = $__toTime, step = ${SILENCE_STEP})`;

const nodesUp = `SELECT countIf(state = 'up') AS up, countIf(state = 'silent') AS silent, countIf(state = 'drained') AS drained
FROM (SELECT ${STATE} AS state FROM ${SILENCE} AS s WHERE s.role IN ('edge', 'origin') AND ${picked('cluster', 'cluster')})`;

const nodeTable = `SELECT s.node AS node, s.role AS role, n.site AS site, ${STATE} AS state, s.silent_seconds AS silent_for,
  l.viewers AS viewers, l.connections - l.viewers AS publishers, l.connections / l.connection_limit AS limit_used, m.cpu AS cpu, m.memory AS memory, m.card AS card, m.disk AS disk, n.version AS version
FROM ${SILENCE} AS s
INNER JOIN nodes AS n ON n.cluster = s.cluster AND n.node = s.node
LEFT JOIN (
  SELECT cluster, node, argMax(viewers, time) AS viewers, argMax(connections, time) AS connections, argMax(connection_limit, time) AS connection_limit
  FROM ${VIEW.nodeMinutes}(from = $__toTime - 180, to = $__toTime) GROUP BY cluster, node
) AS l ON l.cluster = s.cluster AND l.node = s.node
LEFT JOIN (
  SELECT cluster, machine_id, argMax(cpu, time) AS cpu, argMax(memory, time) AS memory, argMax(card, time) AS card, argMax(disk, time) AS disk
  FROM ${VIEW.machineMinutes}(from = $__toTime - 180, to = $__toTime) GROUP BY cluster, machine_id
) AS m ON m.cluster = s.cluster AND m.machine_id = s.machine_id
WHERE s.role IN ('edge', 'origin') AND ${picked('s.cluster', 'cluster')} AND ${picked('s.node', 'node')}
ORDER BY state = 'silent' DESC, card DESC
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
      description: `Edges and origins by state at the end of the range. Silent: expected, but no sample for ${SILENT_SECONDS} s. Drained: draining or retired, silence is fine. Find the silent ones in the table below.`,
      queries: [{ refId: 'A', sql: nodesUp }],
      width: 6,
      height: 4,
      fields: {
        up: { name: 'Up', color: 'green' },
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
          sql: metricSql({
            metric: 'system.network.io',
            where: { 'network.io.direction': 'transmit' },
            fold: 'rate',
            across: 'sum',
            scale: 8,
            as: 'Out',
          }),
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
        'One row per edge and origin at the end of the range; machine figures are those of the machine it runs on. Click a name for its dashboard.',
      queries: [{ refId: 'A', sql: nodeTable }],
      width: 18,
      height: 10,
      fields: {
        node: { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } },
        role: { name: 'Role', width: 80 },
        site: { name: 'Site', width: 80 },
        state: { name: 'State', width: 80 },
        silent_for: { name: 'Silent for', unit: 's', thresholds: { warn: 15, bad: SILENT_SECONDS }, cell: 'color' },
        viewers: { name: 'Viewers', decimals: 0 },
        publishers: { name: 'Publishers', decimals: 0 },
        limit_used: { name: 'Of its limit', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
        cpu: { name: 'CPU', ...share, thresholds: { warn: 0.75, bad: 0.9 } },
        memory: { name: 'Memory', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
        card: { name: 'Busiest card', ...share, thresholds: { warn: 0.75, bad: 0.9 } },
        disk: { name: 'Fullest disk', ...share, thresholds: { warn: 0.8, bad: 0.9 } },
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
