/** Streams: who watches what and where, what comes in, and the path it takes through the cluster. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { SILENCE_STEP } from '../cluster/health.ts';

const NAMES = "concat(attributes['app'], '/', attributes['stream'])";
const inMinutes = `${picked('cluster', 'cluster')} AND ${picked('app', 'app')} AND ${picked('stream', 'stream')}`;
const ofConnection = `${picked('c.cluster', 'cluster')} AND ${picked('c.node', 'node')} AND ${picked('c.app', 'app')} AND ${picked('c.stream', 'stream')}`;

/** Open publishers: the newest connection of each stream, if it has not ended. */
const publishers = `SELECT cluster, app, stream, argMax(node, opened_at) AS publisher_node, max(opened_at) AS since, argMax(version, (opened_at, version)) = 0 AS is_open
  FROM ${TABLE.connectionEvents} WHERE role = 'publisher' AND opened_at > $__toTime - 2592000 AND opened_at <= $__toTime GROUP BY cluster, app, stream`;

const streamTable = `SELECT s.app AS app, s.stream AS stream, s.viewers AS viewers, s.edges AS edges, s.bitrate AS bitrate, s.fps AS fps, p.publisher_node AS publisher, if(p.is_open, dateDiff('second', p.since, $__toTime), NULL) AS published_for
FROM (
  SELECT cluster, app, stream, argMax(viewers, time) AS viewers, argMax(nodes, time) AS edges, argMax(bitrate_bits, time) AS bitrate, argMax(video_frames / greatest(nodes, 1), time) / 60 AS fps
  FROM ${VIEW.streamMinutes}(from = $__toTime - 180, to = $__toTime) WHERE time < $__toTime - 60 AND ${inMinutes} GROUP BY cluster, app, stream
) AS s
LEFT JOIN (${publishers}) AS p ON p.cluster = s.cluster AND p.app = s.app AND p.stream = s.stream
ORDER BY viewers DESC
LIMIT 1000`;

/** Each node a stream is on, in the order media flows. */
const path = `SELECT s.app AS app, s.stream AS stream, s.node AS node, multiIf(p.is_open, '1 publisher is here', n.role = 'origin', '2 origin relays it', '3 edge pulls it') AS part, s.viewers AS viewers, s.bitrate AS bitrate, n.site AS site
FROM (
  SELECT cluster, node, app, stream, sumIf(mean, metric = 'live.stream.viewers') AS viewers, maxIf(mean, metric = 'live.stream.bitrate') AS bitrate
  FROM (
    SELECT m.cluster AS cluster, m.node AS node, m.metric AS metric, d.attributes['app'] AS app, d.attributes['stream'] AS stream, m.series_id AS series_id, argMax(m.sum / m.count, m.time) AS mean
    FROM ${VIEW.metricPoints}(step = ${SILENCE_STEP}) AS m
    INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric IN ('live.stream.viewers', 'live.stream.bitrate') AND ${picked("attributes['app']", 'app')} AND ${picked("attributes['stream']", 'stream')}) AS d ON d.series_id = m.series_id
    WHERE m.metric IN ('live.stream.viewers', 'live.stream.bitrate') AND m.time >= $__toTime - 180 AND m.time < $__toTime AND ${picked('m.cluster', 'cluster')} AND ${picked('m.node', 'node')}
    GROUP BY cluster, node, metric, app, stream, series_id
  ) GROUP BY cluster, node, app, stream
) AS s
LEFT JOIN (SELECT *, publisher_node AS node FROM (${publishers})) AS p ON p.cluster = s.cluster AND p.app = s.app AND p.stream = s.stream AND p.node = s.node
LEFT JOIN ${TABLE.nodes} AS n ON n.cluster = s.cluster AND n.node = s.node
ORDER BY sum(s.viewers) OVER (PARTITION BY s.cluster, s.app, s.stream) DESC, app, stream, part, viewers DESC
LIMIT 2000`;

const changes = `SELECT c.opened_at AS time, c.app AS app, c.stream AS stream, c.node AS node, c.client_address AS address, c.protocol AS protocol, if(c.version = 0, 'publishing', c.reason) AS ended, if(c.version = 1, dateDiff('millisecond', c.opened_at, c.closed_at) / 1000, NULL) AS lasted, c.bytes_in AS received
FROM ${TABLE.connectionEvents} AS c
WHERE c.role = 'publisher' AND c.opened_at >= $__toTime - greatest(dateDiff('second', $__fromTime, $__toTime), 172800) AND c.opened_at <= $__toTime AND ${ofConnection}
ORDER BY time DESC, c.version DESC
LIMIT 1 BY c.connection_id
LIMIT 500`;

const slow = `SELECT c.app AS app, c.stream AS stream, c.node AS node, countIf(c.reason = 'slow-viewer') AS put_out, count() AS ended, put_out / ended AS share, sumIf(c.frames_dropped, c.reason = 'slow-viewer') AS frames, sum(c.bytes_delivered) / sum(c.bytes_queued) AS delivered
FROM ${TABLE.connectionEvents} AS c
WHERE c.role = 'viewer' AND c.version = 1 AND c.closed_at >= $__fromTime AND c.closed_at <= $__toTime AND c.opened_at >= $__fromTime - 86400 AND ${ofConnection}
GROUP BY app, stream, node
ORDER BY put_out DESC, ended DESC
LIMIT 200`;

const link = { title: 'Only this stream', dashboard: 'streams', values: { app: 'App', stream: 'Stream' } } as const;
const appAndStream = { app: { name: 'App', width: 110 }, stream: { name: 'Stream', link } } as const;
const node = { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } } as const;

export const WATCHING: PanelGroup = {
  title: 'Who watches what?',
  panels: [
    {
      id: 1,
      kind: 'table',
      title: 'Streams',
      description:
        'All streams at the end of the range, viewers of the whole cluster. Viewers without a publisher: the publisher is away and viewers wait.',
      queries: [{ refId: 'A', sql: streamTable }],
      width: 24,
      height: 9,
      fields: {
        ...appAndStream,
        viewers: { name: 'Viewers', decimals: 0, cell: 'gauge' },
        edges: { name: 'Edges', decimals: 0 },
        bitrate: { name: 'Bitrate in', unit: 'bps' },
        fps: { name: 'Frames/s in', decimals: 1, thresholds: { bad: 1, warn: 10, falling: true }, cell: 'color' },
        publisher: { name: 'Published on' },
        published_for: { name: 'For', unit: 's' },
      },
    },
    {
      id: 2,
      kind: 'timeseries',
      title: 'Viewers of the ten largest streams',
      description: 'Viewers on all edges together, relays not counted.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.stream.viewers',
            by: { stream: NAMES },
            byStream: true,
            fold: 'mean',
            across: 'sum',
            as: 'viewers',
            top: 10,
          }),
        },
      ],
      legend: 'stream',
      width: 12,
      height: 9,
    },
    {
      id: 3,
      kind: 'timeseries',
      title: 'Viewers of the picked streams by edge',
      description:
        'The twelve edges with most viewers of the picked streams. Pick one stream above to see where its viewers are.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.stream.viewers',
            by: { node: 'node' },
            byStream: true,
            fold: 'mean',
            across: 'sum',
            as: 'viewers',
            top: 12,
          }),
        },
      ],
      legend: 'node',
      links: [{ title: 'Open node', dashboard: 'node', values: { node: 'node' } }],
      width: 12,
      height: 9,
    },
  ],
};

export const INCOMING: PanelGroup = {
  title: 'What comes in?',
  panels: [
    {
      id: 20,
      kind: 'timeseries',
      title: 'Bitrate in',
      description:
        'Highest incoming bitrate of each stream over the nodes it is on, the ten largest. Falling to zero with viewers attached: the publisher is away.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.stream.bitrate',
            by: { stream: NAMES },
            byStream: true,
            fold: 'mean',
            across: 'max',
            as: 'bitrate',
            top: 10,
          }),
        },
      ],
      unit: 'bps',
      legend: 'stream',
      width: 12,
      height: 8,
    },
    {
      id: 21,
      kind: 'timeseries',
      title: 'Frame rate in',
      description:
        "Video frames per second of each stream, highest over the nodes it is on. A slow fall: the publisher's uplink or encoder is too weak.",
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.stream.frames',
            where: { media: 'video' },
            by: { stream: NAMES },
            byStream: true,
            fold: 'rate',
            across: 'max',
            as: 'frames',
            top: 10,
          }),
        },
      ],
      unit: 'fps',
      legend: 'stream',
      width: 12,
      height: 8,
    },
    {
      id: 22,
      kind: 'table',
      title: 'Path through the cluster',
      description:
        'Every node each picked stream is on at the end of the range, in the order media flows: publisher, origin, edges. The most watched streams first.',
      queries: [{ refId: 'A', sql: path }],
      width: 12,
      height: 9,
      fields: {
        ...appAndStream,
        node,
        part: { name: 'Part' },
        viewers: { name: 'Viewers', decimals: 0 },
        bitrate: { name: 'Bitrate', unit: 'bps' },
        site: { name: 'Site', width: 70 },
      },
    },
    {
      id: 25,
      kind: 'timeseries',
      title: 'Nodes between publisher and edge',
      description:
        'Hops of the furthest stream of each node, the twelve furthest nodes: 1 pulls straight from the publisher’s node, 2 over an origin. A step up: origins were lost or a detour was taken; each hop adds some delay, and at relay.maxHops a pull is refused.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.relay.hops',
            by: { node: 'node' },
            fold: 'max',
            across: 'max',
            as: 'hops',
            top: 12,
          }),
        },
      ],
      decimals: 0,
      legend: 'node',
      links: [{ title: 'Open node', dashboard: 'node', values: { node: 'node' } }],
      width: 12,
      height: 9,
    },
    {
      id: 23,
      kind: 'table',
      title: 'Publisher changes',
      description:
        'Publishers of the picked streams that came in the range (at least the last two days). Many short ones in a row: an encoder that keeps losing its connection.',
      queries: [{ refId: 'A', sql: changes }],
      width: 12,
      height: 9,
      fields: {
        time: { name: 'Came', width: 160 },
        ...appAndStream,
        node,
        address: { name: 'Address' },
        protocol: { name: 'Protocol', width: 80 },
        ended: { name: 'Ended' },
        lasted: { name: 'Lasted', unit: 's' },
        received: { name: 'Received', unit: 'bytes' },
      },
    },
    {
      id: 24,
      kind: 'table',
      title: 'Slow viewers by stream and edge',
      description:
        'Viewers that left in the range, how many of them were put out because they did not keep up, and the share of queued bytes that reached the network. One edge: its card or CPU; one stream: its bitrate is too high for its viewers.',
      queries: [{ refId: 'A', sql: slow }],
      width: 12,
      height: 9,
      fields: {
        ...appAndStream,
        node,
        put_out: { name: 'Put out' },
        ended: { name: 'Left' },
        share: {
          name: 'Share',
          unit: 'percentunit',
          decimals: 1,
          cell: 'color',
          thresholds: { warn: 0.02, bad: 0.05 },
        },
        frames: { name: 'Frames dropped' },
        delivered: { name: 'Delivered', unit: 'percentunit', decimals: 1 },
      },
    },
  ],
};
