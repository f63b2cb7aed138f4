/**
 * Fail-over, second row: what the cluster did. Nodes that came and went, edges elected origin, names of streams that got or
 * lost a publisher, each with its cause: counts from the rollups, single events as long as their tables keep them.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { bucketOf, inRange, levelExpressions } from '../build/levels.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Kinds of changes that have a colour of their own: what happened and why. */
const MOST_KINDS = 12;

/** Changes per bucket by kind. Every kind that occurs has a row in every bucket: quiet ones are zero, and bars keep their width. */
const perBucket = (metric: MetricName, what: 'event' | 'change'): string => `WITH ${levelExpressions()}
SELECT time, kind, changes FROM (
  SELECT time, kind, changes, sum(changes) OVER (PARTITION BY kind) AS total FROM (
    SELECT ${bucketOf('p.time')} AS time, concat(s.attributes['${what}'], ': ', s.attributes['cause']) AS kind, sum(p.sum) AS changes
    FROM ${VIEW.metricPoints}(step = step) AS p
    INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric = '${metric}') AS s ON s.series_id = p.series_id
    WHERE p.metric = '${metric}' AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
    GROUP BY time, kind
    ORDER BY kind, time WITH FILL FROM range_from TO range_to STEP bucket
  )
)
QUALIFY dense_rank() OVER (ORDER BY total DESC, kind) <= ${MOST_KINDS}
ORDER BY time, kind`;

const inRangeOf = (alias: string): string =>
  `${alias}.time >= $__fromTime AND ${alias}.time <= $__toTime AND ${picked(`${alias}.cluster`, 'cluster')} AND ${picked(`${alias}.node`, 'node')}`;

const streams = `SELECT c.time AS time, c.app AS app, c.stream AS stream, c.change AS change, c.cause AS cause, c.from_node AS from, c.to_node AS to
FROM ${TABLE.streamChanges} AS c
WHERE ${inRangeOf('c')} AND ${picked('c.app', 'app')} AND ${picked('c.stream', 'stream')}
ORDER BY time DESC
LIMIT 500`;

const nodes = `SELECT time, what, node, cause, text FROM (
  SELECT e.time AS time, e.event AS what, e.node AS node, toString(e.cause) AS cause, concat('seen by ', e.seen_by) AS text FROM ${TABLE.clusterEvents} AS e WHERE ${inRangeOf('e')}
  UNION ALL
  SELECT m.time AS time, m.mark AS what, m.node AS node, '' AS cause, m.reason AS text FROM ${TABLE.nodeMarks} AS m WHERE ${inRangeOf('m')}
  UNION ALL
  SELECT a.time AS time, concat(a.action, ', by hand') AS what, a.node AS node, toString(a.outcome) AS cause, concat(a.actor, if(a.detail = '', '', concat(': ', a.detail))) AS text
  FROM ${TABLE.adminActions} AS a WHERE a.action IN ('drain', 'serve', 'reload') AND ${inRangeOf('a')}
)
ORDER BY time DESC
LIMIT 500`;

const bars = { kind: 'timeseries', asBars: true, stacked: true, points: 100, decimals: 0, legend: 'kind' } as const;
const node = { link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } } as const;
const time = { name: 'Time', width: 165 } as const;

export const CHANGES: PanelGroup = {
  title: 'What did the cluster do?',
  panels: [
    {
      ...bars,
      id: 30,
      title: 'Nodes that came and went, origins elected',
      description:
        'By what happened and why. gone: connection-lost and silent are deaths, left is a planned end. elected: too few origins were left, so edges serve as origins until relieved. The same node over and over: its network or a crash loop.',
      queries: [{ refId: 'A', sql: perBucket('live.cluster.changes', 'event') }],
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: 'Nobody came or went in this range',
    },
    {
      ...bars,
      id: 31,
      title: 'Publishers that came and went',
      description:
        'By what became of the name in the directory and why. lost: another node has it now and the publisher here was closed (two encoders of one name). nats-away: taken without asking, settled once NATS was back. ended by anything but client-closed, in numbers: look at the reason.',
      queries: [{ refId: 'A', sql: perBucket('live.stream.changes', 'change') }],
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: 'No publisher came or went in this range',
    },
    {
      id: 22,
      kind: 'table',
      title: 'Nodes: directory, elections, drains',
      description:
        'What happened to nodes in the range, what they said of themselves, and what was done to them by hand, newest first.',
      queries: [{ refId: 'A', sql: nodes }],
      width: 12,
      height: 9,
      mayBeEmpty: true,
      noValue: 'Nothing happened to any node in this range',
      fields: {
        time,
        what: { name: 'Event', width: 110 },
        node: { name: 'Node', width: 100, ...node },
        cause: { name: 'Cause', width: 130 },
        text: { name: 'What it said' },
      },
    },
    {
      id: 32,
      kind: 'table',
      title: 'Streams: who has the publisher',
      description:
        'Each change of the directory, newest first: which node got the name of a stream, from whom, why, and how it ended. A name that went from one node to another took its viewers along; the switches above say how long they waited.',
      queries: [{ refId: 'A', sql: streams }],
      width: 12,
      height: 9,
      mayBeEmpty: true,
      noValue: 'No publisher came or went in this range',
      fields: {
        time,
        app: { name: 'App', width: 80 },
        stream: {
          name: 'Stream',
          link: { title: 'Open stream', dashboard: 'streams', values: { app: 'App', stream: 'Stream' } },
        },
        change: { name: 'Change', width: 90 },
        cause: { name: 'Cause', width: 120 },
        from: { name: 'From', width: 90 },
        to: { name: 'To', width: 90 },
      },
    },
  ],
};
