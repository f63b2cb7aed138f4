/** Node, the media it serves: connections, event loop, queues, slow viewers, merge window, restarts. */
import { METRICS } from '@weir/contracts/metrics';
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { bucketOf, inRange, levelExpressions } from '../build/levels.ts';
import { linesSql } from '../build/lines-sql.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup, PanelSpec } from '../build/panel-spec.ts';

const byNode = { node: 'node' };

/** A restart shows as an uptime smaller than the one before. */
const restarts = `WITH ${levelExpressions()}
SELECT bucket_start AS time, countIf(uptime < before) AS Restarts
FROM (
  SELECT bucket_start, uptime, lagInFrame(uptime, 1, 0) OVER (PARTITION BY series_id ORDER BY bucket_start) AS before
  FROM (
    SELECT ${bucketOf('p.time')} AS bucket_start, p.series_id AS series_id, min(p.min) AS uptime
    FROM ${VIEW.metricPoints}(step = step) AS p
    WHERE p.metric = '${METRICS['process.uptime'].name}' AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
    GROUP BY bucket_start, series_id
  )
)
GROUP BY time
ORDER BY time`;

/** Open publishers and viewers over the limit, of the nodes that use most of it. */
const limitUse = (() => {
  const figures = linesSql(
    [
      { metric: 'live.connections', where: { role: ['publisher', 'viewer'] }, fold: 'mean', across: 'sum', as: 'open' },
      { metric: 'live.connections.limit', fold: 'mean', across: 'max', as: 'allowed' },
    ],
    { by: byNode },
  );
  return `SELECT time, node, used
FROM (SELECT time, node, open / allowed AS used, max(used) OVER (PARTITION BY node) AS peak FROM (${figures}) WHERE allowed > 0)
QUALIFY dense_rank() OVER (ORDER BY peak DESC, node) <= 12
ORDER BY time, node`;
})();

function lines(
  id: number,
  title: string,
  description: string,
  series: Parameters<typeof metricSql>[0],
  look: Partial<PanelSpec>,
): PanelSpec {
  const label = Object.keys(series.by ?? {})[0];
  return {
    id,
    kind: 'timeseries',
    title,
    description,
    queries: [{ refId: 'A', sql: metricSql({ ...series, ...(label === 'node' ? { top: 12 } : {}) }) }],
    ...(label === undefined ? {} : { legend: label }),
    width: 8,
    height: 8,
    ...look,
  };
}

/** Panels of the row. */
export const MEDIA: PanelGroup = {
  title: 'The node',
  panels: [
    lines(
      20,
      'Connections by role and protocol',
      'Open connections of the picked nodes. Relays are pulls between nodes, not viewers.',
      {
        metric: 'live.connections',
        by: { kind: "concat(attributes['role'], ' ', attributes['protocol'])" },
        fold: 'mean',
        across: 'sum',
        as: 'connections',
      },
      { stacked: true, decimals: 0 },
    ),
    {
      id: 21,
      kind: 'timeseries',
      title: 'Use of the connection limit',
      description:
        'Publishers and viewers as a share of the limit of each node, the twelve that use most of it. At the limit new clients are refused.',
      queries: [{ refId: 'A', sql: limitUse }],
      unit: 'percentunit',
      min: 0,
      thresholds: { bad: 0.9 },
      legend: 'node',
      width: 8,
      height: 8,
    },
    lines(
      22,
      'Refused by reason',
      'Connections that never got a role. "limit": the node is full; "bad-handshake" in numbers: somebody is scanning.',
      {
        metric: 'live.connections.refused',
        by: { reason: "attributes['reason']" },
        fold: 'rate',
        across: 'sum',
        as: 'refused',
      },
      { unit: 'cps' },
    ),
    {
      ...lines(
        33,
        'Pulls refused by reason',
        "Other nodes' pulls that these nodes refused, a second. claim: the asker could not prove that it is a member (another key, or a clock that is off); hops: a circle, or further from the publisher than relay.maxHops; stream-not-found: nobody publishes it here any more.",
        {
          metric: 'live.relay.refused',
          by: { reason: "attributes['reason']" },
          fold: 'rate',
          across: 'sum',
          as: 'refused',
        },
        { unit: 'cps' },
      ),
      mayBeEmpty: true,
      noValue: 'No pull was refused in this range',
    },
    lines(
      32,
      'What the node can still take',
      'The weight that load balancers are told: 100 is an idle node, 0 takes nothing more. It is what is left of its scarcest: connections, one core, bandwidth. The twelve lowest nodes. All low: add a machine; one low: see which of the three is used up.',
      { metric: 'live.node.weight', by: byNode, fold: 'mean', across: 'min', as: 'weight', topIs: 'smallest' },
      { min: 0, max: 100, decimals: 0, thresholds: { warn: 25, bad: 10, falling: true } },
    ),
    lines(
      34,
      'Nodes between here and the publisher',
      'Of the furthest stream of each node: 0 where all are published here, 1 straight from the publisher’s node, 2 over an origin. More means a detour: origins were lost. At relay.maxHops pulls are refused.',
      { metric: 'live.relay.hops', by: byNode, fold: 'max', across: 'max', as: 'hops' },
      { decimals: 0 },
    ),
    lines(
      23,
      'Event-loop delay (p99)',
      "Time a ready task waits, worst of each node's workers. Above 50 ms frames leave late: the process has too much to do.",
      { metric: 'nodejs.eventloop.delay.p99', by: byNode, fold: 'mean', across: 'max', as: 'delay' },
      { unit: 's', thresholds: { warn: 0.03, bad: 0.1 } },
    ),
    lines(
      24,
      'Send queue',
      'Bytes waiting for viewers and relays that the kernel has not taken. Grows when a card is full or many viewers are slow.',
      { metric: 'live.send.queue', by: byNode, fold: 'max', across: 'sum', as: 'bytes' },
      { unit: 'bytes' },
    ),
    lines(
      25,
      'Frames dropped for slow viewers',
      'Messages not sent because a viewer did not keep up, per second.',
      { metric: 'live.viewer.frames.dropped', by: byNode, fold: 'rate', across: 'sum', as: 'frames' },
      { unit: 'short' },
    ),
    lines(
      26,
      'Merge window',
      'How long messages are collected before one write to all viewers. Grows with load up to the configured bound; it is part of the delay viewers see.',
      { metric: 'live.merge.window', by: byNode, fold: 'mean', across: 'max', as: 'window' },
      { unit: 's' },
    ),
    lines(
      31,
      'Longest flush',
      'Longest time one merged write to all viewers of a stream held the event loop in the last ten seconds. Well below the merge window is fine; near it, the node has more viewers than its processor carries: take some away.',
      { metric: 'live.merge.flush', by: byNode, fold: 'max', across: 'max', as: 'flush' },
      { unit: 's', thresholds: { warn: 0.03, bad: 0.1 } },
    ),
    lines(
      27,
      'CPU of the process',
      'All workers of each node together; 1 is one core.',
      { metric: 'process.cpu.utilization', by: byNode, fold: 'mean', across: 'sum', as: 'cores' },
      { decimals: 2 },
    ),
    lines(
      28,
      'Memory of the process',
      'Resident memory of all workers of each node.',
      { metric: 'process.memory.usage', by: byNode, fold: 'mean', across: 'sum', as: 'bytes' },
      { unit: 'bytes' },
    ),
    lines(
      29,
      'Media in and out by role',
      'Bytes the nodes themselves received and handed to sockets, as bits per second.',
      {
        metric: 'live.io',
        by: {
          flow: "concat(attributes['role'], ' ', if(attributes['network.io.direction'] = 'transmit', 'out', 'in'))",
        },
        fold: 'rate',
        across: 'sum',
        scale: 8,
        as: 'bits',
      },
      { unit: 'bps' },
    ),
    {
      id: 30,
      kind: 'timeseries',
      title: 'Restarts',
      description:
        "Times a process began anew. One at a roll-out is fine; several in an hour are a crash loop: read the node's log.",
      queries: [{ refId: 'A', sql: restarts }],
      asBars: true,
      fields: { Restarts: { color: 'orange' } },
      decimals: 0,
      width: 8,
      height: 8,
    },
  ],
};
