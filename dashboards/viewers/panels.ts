/** What viewers in browsers saw: how fast it began, how often it stopped, how far behind live, and what their edge did then. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { VIEWER_LIMIT } from '../alerts/viewer-rules.ts';
import { picked } from '../build/filters.ts';
import { inRange, levelExpressions } from '../build/levels.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

const QUANTILES = 'quantilesTDigestMerge(0.5, 0.95, 0.99)';
const who = (alias: string) =>
  `${picked(`${alias}.cluster`, 'cluster')} AND ${picked(`${alias}.node`, 'node')} AND ${picked(`${alias}.app`, 'app')} AND ${picked(`${alias}.stream`, 'stream')}`;

/** The level as for other panels, of the four that viewers have; minutes are kept for 90 days. */
const WITH = `WITH ${levelExpressions()},
  multiIf(age < 7689600 AND step < 3600, 60, step < 86400, 3600, step) AS viewer_step, toUInt32(greatest(bucket, viewer_step)) AS viewer_bucket,
  toStartOfInterval(toDateTime($__fromTime, 'UTC'), toIntervalSecond(viewer_bucket)) AS viewer_from`;
const POINTS = `${VIEW.viewerPoints}(step = viewer_step) AS v`;
const inTime = `v.time >= viewer_from AND v.time < range_to AND ${who('v')}`;

/** Figures of any group of rows. */
const figures = `uniqMerge(v.sessions) AS sessions, uniqMerge(v.stalled_sessions) / greatest(uniqMerge(v.sessions), 1) AS stalled_share,
  sum(v.stall_ms) / greatest(sum(v.stall_ms) + sum(v.watched_ms), 1) AS stall_ratio, if(sum(v.starts) = 0, 0, ${QUANTILES}(v.start_ms)[2] / 1000) AS start_p95,
  if(sum(v.delays) = 0, 0, ${QUANTILES}(v.delay_ms)[1] / 1000) AS delay_p50`;

const summary = `${WITH}
SELECT ${figures}, sum(v.watched_ms) / 3600000 AS hours FROM ${POINTS} WHERE ${inTime}`;

const series = (columns: string) => `${WITH}
SELECT toStartOfInterval(v.time, toIntervalSecond(viewer_bucket)) AS time, ${columns}
FROM ${POINTS}
WHERE ${inTime} AND (viewer_bucket > 60 OR v.time + viewer_bucket <= range_to)
GROUP BY time
ORDER BY time`;

const starts = series(
  `if(sum(v.starts) = 0, NULL, ${QUANTILES}(v.start_ms)[1] / 1000) AS Median, if(sum(v.starts) = 0, NULL, ${QUANTILES}(v.start_ms)[2] / 1000) AS \`95th percentile\``,
);
const delays = series(
  `if(sum(v.delays) = 0, NULL, ${QUANTILES}(v.delay_ms)[1] / 1000) AS Median, if(sum(v.delays) = 0, NULL, ${QUANTILES}(v.delay_ms)[2] / 1000) AS \`95th percentile\``,
);
const stalling = series(
  `sum(v.stall_ms) / greatest(sum(v.stall_ms) + sum(v.watched_ms), 1) AS \`Time stalled\`, uniqMerge(v.stalled_sessions) / greatest(uniqMerge(v.sessions), 1) AS \`Viewers with a stall\``,
);

const streams = `${WITH}
SELECT v.app AS app, v.stream AS stream, ${figures} FROM ${POINTS} WHERE ${inTime} GROUP BY app, stream ORDER BY sessions DESC LIMIT 200`;

/** What each edge and its machine report of the same time: the largest of each. */
const ofEdges = `SELECT p.cluster AS cluster, p.node AS node, toFloat64(maxIf(p.max, p.metric = 'live.send.queue')) AS queue, toFloat64(maxIf(p.max, p.metric = 'nodejs.eventloop.delay.p99')) AS loop
  FROM ${VIEW.metricPoints}(step = step) AS p WHERE p.metric IN ('live.send.queue', 'nodejs.eventloop.delay.p99') AND ${inRange('p.time')} GROUP BY cluster, node`;
const ofMachines = `SELECT cluster, machine_id, maxIf(v, metric = 'system.cpu.utilization') AS cpu, maxIf(v, metric = 'system.network.io') * 8 / step / maxIf(v, metric = 'system.network.speed') AS used, if(isFinite(used), used, NULL) AS card
  FROM (
    SELECT p.cluster AS cluster, p.machine_id AS machine_id, p.metric AS metric, p.time AS time, p.series_id AS series_id, if(metric = 'system.network.io', sum(p.sum), sum(p.sum) / sum(p.count)) AS v
    FROM ${VIEW.metricPoints}(step = step) AS p
    WHERE p.metric IN ('system.cpu.utilization', 'system.network.io', 'system.network.speed') AND ${inRange('p.time')}
      AND p.machine_id IN (SELECT machine_id FROM ${TABLE.nodes} WHERE role = 'edge')
      AND p.series_id IN (SELECT series_id FROM ${VIEW.series} WHERE metric IN ('system.cpu.utilization', 'system.network.io', 'system.network.speed') AND attributes['cpu.mode'] IN ('', 'used') AND attributes['network.io.direction'] IN ('', 'transmit'))
    GROUP BY cluster, machine_id, metric, time, series_id
  ) GROUP BY cluster, machine_id`;

/** Each edge's viewers, beside what the edge itself reports of the same time, and what that says of the cause. */
const edges = `${WITH}
SELECT e.node AS node, e.sessions AS sessions, e.stalled_share AS stalled_share, e.stall_ratio AS stall_ratio, e.start_p95 AS start_p95, e.delay_p50 AS delay_p50,
  multiIf(e.stall_ratio < 0.002 AND e.stalled_share < 0.02, '', m.card >= 0.9, 'card full', m.cpu >= 0.9, 'CPU full', s.loop >= 0.05, 'event loop slow', f.worst_gap >= 1, 'upstream moved', 'not on the edge') AS cause,
  s.queue AS queue, m.card AS card, m.cpu AS cpu, s.loop AS loop, f.switches AS switches, f.worst_gap AS worst_gap
FROM (SELECT v.cluster AS cluster, v.node AS node, ${figures} FROM ${POINTS} WHERE ${inTime} AND v.node != '' GROUP BY cluster, node) AS e
LEFT JOIN (${ofEdges}) AS s ON s.cluster = e.cluster AND s.node = e.node
LEFT JOIN ${TABLE.nodes} AS n ON n.cluster = e.cluster AND n.node = e.node
LEFT JOIN (${ofMachines}) AS m ON m.cluster = n.cluster AND m.machine_id = n.machine_id
LEFT JOIN (
  SELECT o.cluster AS cluster, o.node AS node, count() AS switches, max(o.gap_ms) / 1000 AS worst_gap FROM ${TABLE.failovers} AS o WHERE o.time >= $__fromTime AND o.time <= $__toTime GROUP BY cluster, node
) AS f ON f.cluster = e.cluster AND f.node = e.node
ORDER BY stall_ratio DESC, sessions DESC
LIMIT 200`;

/** By what the viewer brings: browser and network. Raw measurements, so only their 90 days. */
const viewers = `SELECT m.browser AS browser, m.context['client.subnet'] AS subnet, uniq(m.session_id) AS sessions, countIf(m.type = 'player.stall') AS stalls,
  sumIf(m.values['duration_ms'], m.type = 'player.stall') / greatest(sumIf(m.values['duration_ms'], m.type = 'player.stall') + sumIf(m.values['watched_ms'], m.type = 'player.heartbeat'), 1) AS stall_ratio,
  if(countIf(m.type = 'player.start') = 0, 0, quantileIf(0.95)(m.values['total_ms'], m.type = 'player.start') / 1000) AS start_p95
FROM ${TABLE.viewerMeasurements} AS m
WHERE m.time >= $__fromTime AND m.time <= $__toTime AND startsWith(m.type, 'player.') AND ${who('m')}
GROUP BY browser, subnet
ORDER BY sessions DESC
LIMIT 200`;

const each = `SELECT m.time AS time, m.node AS node, m.app AS app, m.stream AS stream, m.values['duration_ms'] / 1000 AS length, m.values['buffer_before_ms'] / 1000 AS buffer, m.context['cause'] AS cause, m.browser AS browser, m.session_id AS session
FROM ${TABLE.viewerMeasurements} AS m
WHERE m.type = 'player.stall' AND m.time >= $__fromTime AND m.time <= $__toTime AND ${who('m')}
ORDER BY time DESC
LIMIT 500`;

const node = { name: 'Edge', link: { title: 'Open node', dashboard: 'node', values: { node: 'Edge' } } } as const;
const stream = {
  name: 'Stream',
  link: { title: 'Open stream', dashboard: 'streams', values: { app: 'App', stream: 'Stream' } },
} as const;
const STALL_RATIO = { warn: 0.005, bad: VIEWER_LIMIT.stallRatio };
const START = { warn: 1, bad: VIEWER_LIMIT.startSeconds };
const DELAY = { warn: 3, bad: VIEWER_LIMIT.delaySeconds };
const look = {
  sessions: { name: 'Viewers', decimals: 0 },
  stalled_share: {
    name: 'With a stall',
    unit: 'percentunit',
    decimals: 1,
    thresholds: { bad: VIEWER_LIMIT.stalledShare },
    cell: 'color',
  },
  stall_ratio: { name: 'Time stalled', unit: 'percentunit', decimals: 2, thresholds: STALL_RATIO, cell: 'color' },
  start_p95: { name: 'Start, 95th', unit: 's', decimals: 2, thresholds: START, cell: 'color' },
  delay_p50: { name: 'Delay', unit: 's', decimals: 2, thresholds: DELAY, cell: 'color' },
} as const;
const NOBODY = 'No browser measured in this range';

export const SEEN: PanelGroup = {
  title: 'What do viewers see?',
  panels: [
    {
      id: 1,
      kind: 'stat',
      title: 'In this range',
      description:
        'Viewers in browsers whose player measured: how many had any stall, what share of the time stood still, how soon the first frame came, how far behind the edge they are.',
      queries: [{ refId: 'A', sql: summary }],
      width: 24,
      height: 4,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: { ...look, hours: { name: 'Hours watched', decimals: 1, color: 'blue' } },
    },
    {
      id: 2,
      kind: 'timeseries',
      title: 'Page to first frame',
      description:
        'From opening the page to the first frame on the screen. The parts are in the measurements of type player.start.',
      queries: [{ refId: 'A', sql: starts }],
      unit: 's',
      thresholds: START,
      width: 8,
      height: 8,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: { Median: { color: 'blue' }, '95th percentile': { color: 'orange' } },
    },
    {
      id: 3,
      kind: 'timeseries',
      title: 'Stalls',
      description:
        'Share of the time in which no new frame came although somebody watched, and share of viewers who had any of it.',
      queries: [{ refId: 'A', sql: stalling }],
      unit: 'percentunit',
      width: 8,
      height: 8,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: { 'Time stalled': { color: 'orange' }, 'Viewers with a stall': { color: 'blue' } },
    },
    {
      id: 4,
      kind: 'timeseries',
      title: 'Delay behind the edge',
      description: 'From the newest message the edge has to the frame on the screen.',
      queries: [{ refId: 'A', sql: delays }],
      unit: 's',
      thresholds: DELAY,
      width: 8,
      height: 8,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: { Median: { color: 'blue' }, '95th percentile': { color: 'orange' } },
    },
  ],
};

export const WHERE: PanelGroup = {
  title: 'Where, and why?',
  panels: [
    {
      id: 20,
      kind: 'table',
      title: 'Edges, worst first',
      description:
        "Each edge's viewers beside the edge's own account of the same time, the largest of each: a full card or a long send queue is its network, CPU and event loop its load, switches and gaps its upstream. None of them: look at the viewers' own networks and at single streams below.",
      queries: [{ refId: 'A', sql: edges }],
      width: 24,
      height: 9,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: {
        node,
        ...look,
        cause: { name: 'On the edge' },
        queue: { name: 'Send queue', unit: 'bytes' },
        card: { name: 'Card', unit: 'percentunit', decimals: 0, thresholds: { warn: 0.75, bad: 0.9 }, cell: 'color' },
        cpu: { name: 'CPU', unit: 'percentunit', decimals: 0, thresholds: { warn: 0.75, bad: 0.9 }, cell: 'color' },
        loop: { name: 'Event loop', unit: 's', thresholds: { warn: 0.02, bad: 0.05 }, cell: 'color' },
        switches: { name: 'Relay switches', decimals: 0 },
        worst_gap: { name: 'Worst gap', unit: 's', decimals: 2 },
      },
    },
    {
      id: 21,
      kind: 'table',
      title: 'Streams',
      description: 'The same figures per stream, over all edges: trouble on one stream only is its publisher’s.',
      queries: [{ refId: 'A', sql: streams }],
      width: 12,
      height: 9,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: { app: { name: 'App' }, stream, ...look },
    },
    {
      id: 22,
      kind: 'table',
      title: 'Browsers and networks',
      description:
        'Measurements by browser and by the sender’s /24 or /48: a network that stalls on every edge has trouble of its own.',
      queries: [{ refId: 'A', sql: viewers }],
      width: 12,
      height: 9,
      mayBeEmpty: true,
      noValue: NOBODY,
      fields: {
        browser: { name: 'Browser' },
        subnet: { name: 'Network' },
        sessions: look.sessions,
        stall_ratio: look.stall_ratio,
        start_p95: look.start_p95,
        stalls: { name: 'Stalls', decimals: 0 },
      },
    },
    {
      id: 23,
      kind: 'table',
      title: 'Each stall',
      description:
        'Times without a new frame, newest first. buffer: data came late; reconnect: the connection was lost; away: the publisher was.',
      queries: [{ refId: 'A', sql: each }],
      width: 24,
      height: 9,
      mayBeEmpty: true,
      noValue: 'Nobody stalled in this range',
      fields: {
        time: { name: 'Began', width: 170 },
        node,
        app: { name: 'App' },
        stream,
        length: { name: 'Length', unit: 's', decimals: 2 },
        buffer: { name: 'Buffer 1 s before', unit: 's', decimals: 2 },
        cause: { name: 'Cause' },
        browser: { name: 'Browser' },
        session: { name: 'Session' },
      },
    },
  ],
};
