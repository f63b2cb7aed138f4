/** Load balancing, first row: which director of each group holds the virtual address, and is there another to take over? */
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { HOST, metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** What every panel says where no agent runs on a director. */
export const NO_AGENT = 'No `weir agent` on directors or name servers';

const groups = `SELECT g.vrrp_group AS vrrp_group, arrayStringConcat(arraySort(argMax(g.holding, g.time)), ', ') AS held_by, argMax(g.holders, g.time) AS holders, argMax(g.backups, g.time) AS backups, argMax(g.directors - g.masters - g.backups, g.time) AS missing, sum(g.takeovers) AS takeovers
FROM ${VIEW.vrrpMinutes}(from = greatest($__fromTime, $__toTime - 86400), to = $__toTime) AS g
WHERE ${picked('g.cluster', 'cluster')} AND g.directors > 0
GROUP BY vrrp_group
ORDER BY missing DESC, vrrp_group
LIMIT 200`;

const GROUP_NODE = "concat(attributes['weir.vrrp.group'], ' ', node)";

export const DIRECTORS: PanelGroup = {
  title: 'Who holds the virtual addresses?',
  panels: [
    {
      id: 1,
      kind: 'table',
      title: 'Groups of directors',
      description:
        'Each group at the end of the range (looking back at most a day): who holds its address, directors that hold it (one is right), backups ready, directors missing, and how often the address moved in the range.',
      queries: [{ refId: 'A', sql: groups }],
      width: 12,
      height: 6,
      mayBeEmpty: true,
      noValue: NO_AGENT,
      fields: {
        vrrp_group: { name: 'Group' },
        held_by: { name: 'Address held by' },
        holders: { name: 'Holders', decimals: 1, thresholds: { warn: 1.05, bad: 1.4 }, cell: 'color' },
        backups: { name: 'Backups', decimals: 0, thresholds: { bad: 0.5, falling: true }, cell: 'color' },
        missing: { name: 'Missing', decimals: 0, thresholds: { bad: 0.5 }, cell: 'color' },
        takeovers: { name: 'Takeovers', decimals: 0 },
      },
    },
    {
      id: 2,
      kind: 'timeseries',
      title: 'Directors that hold the address',
      description:
        'One line per director: 1 while it holds the address of its group. Two at 1: both are master and clients reach whichever answers first. None: nobody is reached.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.vrrp.address.held',
            by: { director: GROUP_NODE },
            fold: 'mean',
            across: 'max',
            as: 'holds',
          }),
        },
      ],
      legend: 'director',
      decimals: 0,
      width: 12,
      height: 6,
      mayBeEmpty: true,
      noValue: NO_AGENT,
    },
    {
      id: 3,
      kind: 'timeseries',
      title: 'Takeovers',
      description:
        'Times a director became master, per point. One is a fail-over or maintenance; many in a row: adverts get lost, or a check of keepalived flaps.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.vrrp.changes',
            where: { 'weir.vrrp.state': 'master' },
            by: { director: GROUP_NODE },
            fold: 'increase',
            across: 'sum',
            as: 'takeovers',
          }),
        },
      ],
      legend: 'director',
      asBars: true,
      decimals: 0,
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: NO_AGENT,
    },
    {
      id: 4,
      kind: 'timeseries',
      title: 'CPU of directors and name servers',
      description:
        'CPU of the machines agents run on. In direct routing a director does next to nothing: replies do not pass it.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.cpu.utilization',
            where: { 'cpu.mode': 'used' },
            ofRole: 'agent',
            by: { host: HOST },
            fold: 'mean',
            across: 'max',
            as: 'cpu',
          }),
        },
      ],
      legend: 'host',
      unit: 'percentunit',
      min: 0,
      thresholds: { warn: 0.5, bad: 0.9 },
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: NO_AGENT,
    },
  ],
};
