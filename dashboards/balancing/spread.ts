/** Load balancing, second row: how directors spread viewers over the edges behind a virtual address. */
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { NO_AGENT } from './directors.ts';

const SERVER = "attributes['weir.ipvs.server']";
const NAMES = "'weir.ipvs.weight', 'weir.ipvs.connections', 'weir.ipvs.connections.opened'";

/** Newest minutes of each edge: weights as the master has them, connections as the director with most knows them. */
const servers = `SELECT service, server, weight, active, inactive, opened,
  weight / greatest(1, sum(weight) OVER (PARTITION BY service)) AS due, active / greatest(1, sum(active) OVER (PARTITION BY service)) AS has
FROM (
  SELECT service, server, max(w) AS weight, max(a) AS active, max(i) AS inactive, sum(o) AS opened
  FROM (
    SELECT p.node AS node, s.attributes['weir.ipvs.service'] AS service, s.${SERVER} AS server,
      ifNotFinite(avgIf(p.sum / p.count, p.metric = 'weir.ipvs.weight'), 0) AS w,
      ifNotFinite(avgIf(p.sum / p.count, s.attributes['weir.ipvs.connection.state'] = 'active'), 0) AS a,
      ifNotFinite(avgIf(p.sum / p.count, s.attributes['weir.ipvs.connection.state'] = 'inactive'), 0) AS i,
      sumIf(p.sum, p.metric = 'weir.ipvs.connections.opened') / 180 AS o
    FROM ${VIEW.metricPoints}(step = 60) AS p
    INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric IN (${NAMES})) AS s ON s.series_id = p.series_id
    WHERE p.metric IN (${NAMES}) AND p.time >= $__toTime - 180 AND p.time < $__toTime AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
    GROUP BY node, service, server
  )
  GROUP BY service, server
)
ORDER BY service, weight DESC, server
LIMIT 1000`;

const common = { mayBeEmpty: true, noValue: NO_AGENT, height: 8 } as const;

export const SPREAD: PanelGroup = {
  title: 'Are viewers spread as they should be?',
  panels: [
    {
      id: 20,
      ...common,
      kind: 'table',
      title: 'Edges behind the virtual addresses',
      description:
        'Edges at the end of the range: weight in force, established and ending connections, new ones a second, the share its weight is due and the share it has. A weight of 0: drained, full or failing its check.',
      queries: [{ refId: 'A', sql: servers }],
      width: 24,
      height: 9,
      fields: {
        service: { name: 'Virtual address' },
        server: { name: 'Edge' },
        weight: { name: 'Weight', decimals: 0, thresholds: { bad: 0.5, falling: true }, cell: 'color' },
        active: { name: 'Connections', decimals: 0, cell: 'gauge' },
        inactive: { name: 'Ending', decimals: 0 },
        opened: { name: 'New', unit: 'cps', decimals: 2 },
        due: { name: 'Due by weight', unit: 'percentunit', decimals: 1 },
        has: { name: 'Has', unit: 'percentunit', decimals: 1 },
      },
    },
    {
      id: 21,
      ...common,
      kind: 'timeseries',
      title: 'Edges that get connections',
      description:
        'Per director and virtual address: edges with a weight above 0. Falling to 0 means that new viewers are refused.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ipvs.servers',
            by: { service: "concat(node, ' ', attributes['weir.ipvs.service'])" },
            fold: 'mean',
            across: 'max',
            as: 'edges',
          }),
        },
      ],
      legend: 'service',
      decimals: 0,
      width: 12,
    },
    {
      id: 22,
      ...common,
      kind: 'timeseries',
      title: 'Weights',
      description:
        'Weight of each edge as the directors have it. It follows the measured load of the edge; 0 while it drains.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ipvs.weight',
            by: { edge: SERVER },
            fold: 'mean',
            across: 'max',
            as: 'weight',
            top: 16,
          }),
        },
      ],
      legend: 'edge',
      decimals: 0,
      width: 12,
    },
    {
      id: 23,
      ...common,
      kind: 'timeseries',
      title: 'New connections by edge',
      description: 'Connections a second the directors gave to each edge: in proportion to the weights.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ipvs.connections.opened',
            by: { edge: SERVER },
            fold: 'rate',
            across: 'sum',
            as: 'opened',
            top: 16,
          }),
        },
      ],
      legend: 'edge',
      unit: 'cps',
      width: 12,
    },
    {
      id: 24,
      ...common,
      kind: 'timeseries',
      title: 'What passes the directors',
      description:
        'Bits a second to the edges (requests, acknowledgements) and from them. From them must be nothing: in direct routing an edge replies to the viewer itself.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ipvs.io',
            where: { 'network.io.direction': 'receive' },
            fold: 'rate',
            across: 'sum',
            scale: 8,
            as: 'To the edges',
          }),
        },
        {
          refId: 'B',
          sql: metricSql({
            metric: 'weir.ipvs.io',
            where: { 'network.io.direction': 'transmit' },
            fold: 'rate',
            across: 'sum',
            scale: 8,
            as: 'From the edges',
          }),
        },
      ],
      unit: 'bps',
      width: 12,
      fields: { 'To the edges': { color: 'blue' }, 'From the edges': { color: 'red' } },
    },
  ],
};
