/** Load balancing, third row: what name servers find and answer, and whether the agents themselves are heard. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { SILENCE_STEP, SILENT_SECONDS } from '../cluster/health.ts';
import { NO_AGENT } from './directors.ts';

const addresses = `SELECT s.attributes['weir.dns.name'] AS name, s.attributes['weir.dns.address'] AS address, s.attributes['weir.dns.set'] AS answered, uniqExact(p.node) AS servers, sum(p.sum) / sum(p.count) AS up
FROM ${VIEW.metricPoints}(step = 60) AS p
INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric = 'weir.dns.address.up') AS s ON s.series_id = p.series_id
WHERE p.metric = 'weir.dns.address.up' AND p.time >= $__toTime - 180 AND p.time < $__toTime AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
GROUP BY name, address, answered
ORDER BY up, name, address
LIMIT 500`;

const agents = `SELECT s.node AS node, n.site AS site, multiIf(s.quiet, 'drained', s.silent_seconds >= ${SILENT_SECONDS}, 'silent', 'up') AS state, s.silent_seconds AS silent_for, n.version AS version
FROM ${VIEW.nodeSilence}(from = $__toTime - 60, to = $__toTime, step = ${SILENCE_STEP}) AS s
INNER JOIN ${TABLE.nodes} AS n ON n.cluster = s.cluster AND n.node = s.node
WHERE s.role = 'agent' AND ${picked('s.cluster', 'cluster')} AND ${picked('s.node', 'node')}
ORDER BY silent_for DESC, node
LIMIT 500`;

const common = { mayBeEmpty: true, noValue: NO_AGENT, width: 12, height: 7 } as const;

export const NAMES: PanelGroup = {
  title: 'What does DNS answer?',
  panels: [
    {
      id: 40,
      ...common,
      kind: 'table',
      title: 'Groups behind each name',
      description:
        'Virtual addresses of each name at the end of the range: whether the name servers’ own checks find them alive, and whether they are answered always or only as a backup.',
      queries: [{ refId: 'A', sql: addresses }],
      fields: {
        name: { name: 'Name' },
        address: { name: 'Address' },
        answered: { name: 'Set' },
        servers: { name: 'Name servers', decimals: 0 },
        up: {
          name: 'Alive',
          unit: 'percentunit',
          decimals: 0,
          thresholds: { bad: 0.5, warn: 0.95, falling: true },
          cell: 'color',
        },
      },
    },
    {
      id: 41,
      ...common,
      kind: 'timeseries',
      title: 'Addresses in the answer',
      description: 'Per name server and name: a step down is a whole group that left the answers.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.dns.answers',
            by: { server: "concat(node, ' ', attributes['weir.dns.name'])" },
            fold: 'mean',
            across: 'max',
            as: 'addresses',
          }),
        },
      ],
      legend: 'server',
      decimals: 0,
    },
    {
      id: 42,
      ...common,
      kind: 'timeseries',
      title: 'Time to answer, and questions without answer',
      description:
        'Asked by the agent on the machine itself, so no network is in it. Questions without answer: resolvers turn to the other name server, and wait.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({ metric: 'weir.dns.answer.time', fold: 'max', across: 'max', as: 'Slowest answer' }),
        },
        {
          refId: 'B',
          sql: metricSql({ metric: 'weir.dns.answer.failures', fold: 'increase', across: 'sum', as: 'Unanswered' }),
        },
      ],
      fields: {
        'Slowest answer': { color: 'blue', unit: 's' },
        Unanswered: { color: 'red', unit: 'short', rightAxis: true },
      },
    },
    {
      id: 43,
      ...common,
      kind: 'table',
      title: 'Agents',
      description: `Machines that report by \`weir agent\`, at the end of the range; silent: nothing heard for ${SILENT_SECONDS} s. Click a name for the machine.`,
      queries: [{ refId: 'A', sql: agents }],
      fields: {
        node: { name: 'Agent', link: { title: 'Open machine', dashboard: 'node', values: { node: 'Agent' } } },
        site: { name: 'Site', width: 80 },
        state: { name: 'State', width: 80 },
        silent_for: { name: 'Silent for', unit: 's', thresholds: { warn: 15, bad: SILENT_SECONDS }, cell: 'color' },
        version: { name: 'Version', width: 90 },
      },
    },
  ],
};
