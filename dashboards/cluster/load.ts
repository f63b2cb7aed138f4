/** Cluster, second row: how the load went over the range. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { cardBits } from '../build/card-lines.ts';
import { picked } from '../build/filters.ts';
import { bucketOf, inRange, levelExpressions } from '../build/levels.ts';
import { linesSql } from '../build/lines-sql.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { DUE } from './health.ts';

const ofClients = { role: ['publisher', 'viewer'] };

/** Nodes heard in each bucket and nodes that were due: members then, whether ever heard of or not. */
const answered = `WITH ${levelExpressions()},
  (SELECT groupArray((toDateTime(since), toDateTime(least(until, toDateTime64('2100-01-01 00:00:00', 3, 'UTC')))))
   FROM (${DUE}) WHERE ${picked('cluster', 'cluster')} AND ${picked('node', 'node')}) AS known
SELECT ${bucketOf('p.time')} AS time, uniqExact(p.cluster, p.node) AS Answering, toUInt64(arrayCount(x -> x.1 < any(${bucketOf('p.time')}) + bucket AND x.2 > any(${bucketOf('p.time')}), known)) AS Expected
FROM ${VIEW.metricPoints}(step = step) AS p
WHERE p.metric = 'process.uptime' AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
  AND p.node IN (SELECT node FROM ${TABLE.nodes} WHERE role IN ('edge', 'origin'))
GROUP BY time
ORDER BY time`;

/** Panels of the row. */
export const LOAD: PanelGroup = {
  title: 'How much is going on?',
  panels: [
    {
      id: 20,
      kind: 'timeseries',
      title: 'Viewers by site',
      description:
        'Viewers of all streams, relays not counted. A step down at one site is a lost edge or link; a step down everywhere is a lost publisher.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.connections',
            where: { role: 'viewer' },
            by: { site: 'site' },
            fold: 'mean',
            across: 'sum',
            as: 'viewers',
          }),
        },
      ],
      legend: 'site',
      stacked: true,
      width: 12,
      height: 8,
    },
    {
      id: 21,
      kind: 'timeseries',
      title: 'Traffic against what the cards carry',
      description:
        'Sum over all network cards, each machine once. Outgoing bandwidth is the first limit of a streaming cluster: a card is full at 90 %.',
      queries: [
        {
          refId: 'A',
          sql: linesSql([
            cardBits('transmit', 'Out'),
            cardBits('receive', 'In'),
            { metric: 'system.network.speed', fold: 'mean', across: 'sum', scale: 0.9, as: '90 % of all cards' },
          ]),
        },
      ],
      unit: 'bps',
      fields: { Out: { color: 'blue' }, In: { color: 'sky' }, '90 % of all cards': { color: 'red', dashed: true } },
      width: 12,
      height: 8,
    },
    {
      id: 22,
      kind: 'timeseries',
      title: 'CPU of the machines',
      description:
        'Mean over machines and the busiest one. A wide gap between the two means that load is spread badly: check the weights.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.cpu.utilization',
            where: { 'cpu.mode': 'used' },
            fold: 'mean',
            across: 'avg',
            as: 'Mean',
            also: { fold: 'max', across: 'max', as: 'Busiest' },
          }),
        },
      ],
      unit: 'percentunit',
      min: 0,
      max: 1,
      thresholds: { bad: 0.9 },
      fields: { Mean: { color: 'blue' }, Busiest: { color: 'orange' } },
      width: 8,
      height: 7,
    },
    {
      id: 23,
      kind: 'timeseries',
      title: 'Memory of the machines',
      description: 'Memory that can not be reclaimed, as a share: mean over machines and the fullest one.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.memory.utilization',
            where: { 'system.memory.state': 'used' },
            fold: 'mean',
            across: 'avg',
            as: 'Mean',
            also: { fold: 'max', across: 'max', as: 'Fullest' },
          }),
        },
      ],
      unit: 'percentunit',
      min: 0,
      max: 1,
      thresholds: { bad: 0.9 },
      fields: { Mean: { color: 'blue' }, Fullest: { color: 'orange' } },
      width: 8,
      height: 7,
    },
    {
      id: 24,
      kind: 'timeseries',
      title: 'Nodes that answered',
      description:
        'Edges and origins that sent samples, and how many were due: all that had been heard of by then and were not retired.',
      queries: [{ refId: 'A', sql: answered }],
      fields: { Answering: { color: 'blue' }, Expected: { color: 'grey', dashed: true } },
      decimals: 0,
      width: 8,
      height: 7,
    },
    {
      id: 25,
      kind: 'timeseries',
      title: 'Connections opened and closed',
      description:
        'Publishers and viewers per second. Opened far above closed and far above usual: look at the Connections dashboard for where they come from.',
      queries: [
        {
          refId: 'A',
          sql: linesSql([
            { metric: 'live.connections.opened', where: ofClients, fold: 'rate', across: 'sum', as: 'Opened' },
            { metric: 'live.connections.closed', where: ofClients, fold: 'rate', across: 'sum', as: 'Closed' },
            { metric: 'live.connections.refused', fold: 'rate', across: 'sum', as: 'Refused' },
          ]),
        },
      ],
      unit: 'cps',
      fields: { Opened: { color: 'blue' }, Closed: { color: 'sky' }, Refused: { color: 'red' } },
      width: 12,
      height: 8,
    },
    {
      id: 26,
      kind: 'timeseries',
      title: 'Edges with most viewers',
      description: 'The ten edges that had most viewers at some time of the range. Click a line for the edge.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.connections',
            where: { role: 'viewer' },
            by: { node: 'node' },
            fold: 'mean',
            across: 'sum',
            as: 'viewers',
            top: 10,
          }),
        },
      ],
      legend: 'node',
      links: [{ title: 'Open node', dashboard: 'node', values: { node: 'node' } }],
      width: 12,
      height: 8,
    },
  ],
};
