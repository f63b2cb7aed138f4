/** Fail-over: what was switched, how long it took, whom it struck, and who is there to take over. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { bucketOf, inRange, levelExpressions } from '../build/levels.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { SILENCE_STEP, SILENT_SECONDS } from '../cluster/health.ts';

const picks = `${picked('f.cluster', 'cluster')} AND ${picked('f.node', 'node')} AND ${picked('f.app', 'app')} AND ${picked('f.stream', 'stream')}`;
const inTime = `f.time >= $__fromTime AND f.time <= $__toTime AND ${picks}`;

const summary = `SELECT count() AS switches, if(count() = 0, 0, quantileExact(0.95)(gap_ms) / 1000) AS p95_gap, max(gap_ms) / 1000 AS worst_gap, ifNull(max(f.media_gap_ms), 0) / 1000 AS worst_missing, sum(f.viewers) AS viewers, sum(f.viewers * gap_ms / 1000.) / 3600 AS lost_hours
FROM ${TABLE.failovers} AS f WHERE ${inTime}`;

/** Every bucket has a row, so that quiet times show as zero and not as nothing. */
const perBucket = (columns: string) => `WITH ${levelExpressions()}
SELECT time, ${columns}
FROM (
  SELECT range_from + bucket * number AS time, 0 AS switches, 0. AS gap, 0. AS missing, 0 AS viewers FROM numbers(toUInt64(greatest(1, dateDiff('second', range_from, range_to) / bucket)))
  UNION ALL
  SELECT ${bucketOf("toDateTime(f.time, 'UTC')")} AS time, 1 AS switches, gap_ms / 1000. AS gap, ifNull(f.media_gap_ms, 0) / 1000. AS missing, toInt64(f.viewers) AS viewers FROM ${TABLE.failovers} AS f WHERE f.time >= range_from AND f.time < range_to AND ${picks}
)
GROUP BY time
ORDER BY time`;

const each = `SELECT f.time AS noticed, f.app AS app, f.stream AS stream, f.node AS node, f.cause AS cause, f.from_node AS from, f.to_node AS to, f.gap_ms / 1000 AS gap, f.media_gap_ms / 1000 AS missing, f.viewers AS viewers
FROM ${TABLE.failovers} AS f
WHERE ${inTime}
ORDER BY noticed DESC
LIMIT 1000`;

const causes = `SELECT f.cause AS cause, count() AS switches, quantileExact(0.5)(f.gap_ms) / 1000 AS median_gap, quantileExact(0.95)(f.gap_ms) / 1000 AS p95_gap, sum(f.viewers) AS viewers
FROM ${TABLE.failovers} AS f
WHERE ${inTime}
GROUP BY cause
ORDER BY switches DESC`;

const origins = `SELECT s.node AS node, n.site AS site, multiIf(s.quiet, 'drained', s.silent_seconds >= ${SILENT_SECONDS}, 'silent', 'up') AS state, s.silent_seconds AS silent_for, l.streams AS streams, l.pulls AS pulls, n.version AS version
FROM ${VIEW.nodeSilence}(from = $__toTime - 60, to = $__toTime, step = ${SILENCE_STEP}) AS s
INNER JOIN ${TABLE.nodes} AS n ON n.cluster = s.cluster AND n.node = s.node
LEFT JOIN (
  SELECT cluster, node, sumIf(mean, metric = 'live.streams') AS streams, sumIf(mean, metric = 'live.relay.pulls') AS pulls
  FROM (SELECT p.cluster AS cluster, p.node AS node, p.metric AS metric, p.series_id AS series_id, argMax(p.sum / p.count, p.time) AS mean FROM ${VIEW.metricPoints}(step = ${SILENCE_STEP}) AS p
    WHERE p.metric IN ('live.streams', 'live.relay.pulls') AND p.time >= $__toTime - 180 AND p.time < $__toTime GROUP BY cluster, node, metric, series_id)
  GROUP BY cluster, node
) AS l ON l.cluster = s.cluster AND l.node = s.node
WHERE n.role = 'origin' AND ${picked('s.cluster', 'cluster')}
ORDER BY state, node
LIMIT 200`;

/** Origins heard per bucket: an origin that dies leaves a step. */
const originsUp = `WITH ${levelExpressions()}
SELECT ${bucketOf('p.time')} AS time, n.role AS role, uniqExact(p.node) AS nodes
FROM ${VIEW.metricPoints}(step = step) AS p
INNER JOIN (SELECT cluster, node, role FROM ${TABLE.nodes}) AS n ON n.cluster = p.cluster AND n.node = p.node
WHERE p.metric = 'process.uptime' AND n.role IN ('edge', 'origin') AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')}
GROUP BY time, role
ORDER BY time, role`;

const node = { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } } as const;

export const SWITCHES: PanelGroup = {
  title: 'What was switched?',
  panels: [
    {
      id: 1,
      kind: 'stat',
      title: 'In this range',
      description:
        "Streams whose upstream changed under their viewers, how long those had no new media by the clock, how much of the stream itself was lost, how many viewers were attached, and what it cost in viewer-hours. A gap of up to about a second is hidden by a player's buffer.",
      queries: [{ refId: 'A', sql: summary }],
      width: 24,
      height: 4,
      fields: {
        switches: { name: 'Switches', color: 'blue' },
        p95_gap: { name: '95th percentile gap', unit: 's', decimals: 2, thresholds: { warn: 1, bad: 2.5 } },
        worst_gap: { name: 'Worst gap', unit: 's', decimals: 2, thresholds: { warn: 1, bad: 2.5 } },
        worst_missing: { name: 'Most media missing', unit: 's', decimals: 2, thresholds: { warn: 0.5, bad: 2.5 } },
        viewers: { name: 'Viewers affected', color: 'blue' },
        lost_hours: { name: 'Viewer-hours lost', decimals: 3, color: 'blue' },
      },
    },
    {
      id: 2,
      kind: 'timeseries',
      title: 'Worst gap, by the clock and in the media',
      description:
        'Longest time viewers waited for new media at any switch of that time, and the most media that is missing for good: nothing where the node went on right after its last message. Zero when nothing was switched.',
      queries: [{ refId: 'A', sql: perBucket('max(gap) AS `Worst gap`, max(missing) AS `Media missing`') }],
      unit: 's',
      thresholds: { warn: 1, bad: 2.5 },
      asBars: true,
      width: 12,
      height: 8,
      points: 100,
      fields: { 'Worst gap': { color: 'orange' }, 'Media missing': { color: 'red' } },
    },
    {
      id: 3,
      kind: 'timeseries',
      title: 'Switches and viewers affected',
      description: 'Streams switched (left) and viewers attached to them (right), per point.',
      queries: [{ refId: 'A', sql: perBucket('sum(switches) AS Switches, sum(viewers) AS Viewers') }],
      asBars: true,
      width: 12,
      height: 8,
      points: 100,
      fields: { Switches: { color: 'blue' }, Viewers: { color: 'sky', rightAxis: true } },
    },
    {
      id: 4,
      kind: 'table',
      title: 'By cause',
      description:
        'disconnected: the connection ended (the process died). stalled: it was silent (the network was cut). unreachable, refused: the next upstream did not take the stream. moved, outdated: the stream is published elsewhere now. ended: its publisher left.',
      queries: [{ refId: 'A', sql: causes }],
      width: 8,
      height: 9,
      mayBeEmpty: true,
      noValue: 'Nothing was switched in this range',
      fields: {
        cause: { name: 'Cause' },
        switches: { name: 'Switches' },
        median_gap: { name: 'Median gap', unit: 's', decimals: 2 },
        p95_gap: { name: '95th percentile', unit: 's', decimals: 2, thresholds: { warn: 1, bad: 2.5 }, cell: 'color' },
        viewers: { name: 'Viewers' },
      },
    },
    {
      id: 5,
      kind: 'table',
      title: 'Each switch',
      description:
        'One row per stream and edge whose upstream changed. Gap: time without new media; media missing: what of the stream itself was lost, 0 where the node went on right after its last message, empty where nobody can know.',
      queries: [{ refId: 'A', sql: each }],
      width: 16,
      height: 9,
      mayBeEmpty: true,
      noValue: 'Nothing was switched in this range',
      fields: {
        noticed: { name: 'Noticed', width: 170 },
        app: { name: 'App' },
        stream: {
          name: 'Stream',
          link: { title: 'Open stream', dashboard: 'streams', values: { app: 'App', stream: 'Stream' } },
        },
        node,
        cause: { name: 'Cause' },
        from: { name: 'From' },
        to: { name: 'To' },
        gap: { name: 'Gap', unit: 's', decimals: 2, cell: 'color', thresholds: { warn: 1, bad: 2.5 } },
        missing: { name: 'Media missing', unit: 's', decimals: 2 },
        viewers: { name: 'Viewers' },
      },
    },
  ],
};

export const STANDBY: PanelGroup = {
  title: 'Who can take over?',
  panels: [
    {
      id: 20,
      kind: 'timeseries',
      title: 'Edges and origins that answer',
      description:
        'With half of the origins gone, edges are elected to be origins; with one left, the next death costs a gap on all streams.',
      queries: [{ refId: 'A', sql: originsUp }],
      legend: 'role',
      decimals: 0,
      width: 12,
      height: 8,
    },
    {
      id: 21,
      kind: 'table',
      title: 'Origins',
      description: 'Origins at the end of the range: streams each holds and pulls it runs.',
      queries: [{ refId: 'A', sql: origins }],
      noValue: "No origin: edges pull straight from the publisher's edge",
      mayBeEmpty: true,
      width: 12,
      height: 8,
      fields: {
        node,
        site: { name: 'Site', width: 70 },
        state: { name: 'State' },
        silent_for: { name: 'Silent for', unit: 's', thresholds: { bad: SILENT_SECONDS }, cell: 'color' },
        streams: { name: 'Streams', decimals: 0 },
        pulls: { name: 'Pulls', decimals: 0 },
        version: { name: 'Version' },
      },
    },
  ],
};
