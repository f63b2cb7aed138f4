/** Connections: how many come and go, whether that is usual, and who they are. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked, TYPED_ADDRESS } from '../build/filters.ts';
import { bucketOf, inRange, levelExpressions } from '../build/levels.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Connections a minute above the usual that no node is alarmed about, whatever the statistics say. */
export const SPIKE_FLOOR_PER_MINUTE = 60;

/** The range, but at most its last six hours: minutes and their baselines are dear. */
const SPIKE_RANGE =
  'from = greatest(toStartOfMinute($__fromTime), toStartOfMinute($__toTime) - 21600), to = toStartOfMinute($__toTime)';
const SPIKES = `${VIEW.connectionSpikes}(${SPIKE_RANGE}, floor = ${SPIKE_FLOOR_PER_MINUTE})`;

/** The cluster against its baseline; where nodes are picked, their sum against theirs would mislead, so the worst node counts. */
const baseline = `SELECT time, sum(opened) AS Opened, sum(median) AS Usual, sum(threshold) AS Alarm
FROM ${SPIKES}
WHERE node = '' AND ${picked('cluster', 'cluster')}
GROUP BY time
ORDER BY time`;

const worst = `SELECT node, max(score) AS worst, argMax(time, score) AS at, argMax(opened, score) AS opened_then, argMax(median, score) AS usual, argMax(threshold, score) AS alarm, countIf(is_spike) AS minutes
FROM ${SPIKES}
WHERE node != '' AND ${picked('cluster', 'cluster')} AND ${picked('node', 'node')}
GROUP BY node
ORDER BY minutes DESC, worst DESC
LIMIT 100`;

const of = (time: string) =>
  `${time} >= $__fromTime AND ${time} <= $__toTime AND ${picked('c.cluster', 'cluster')} AND ${picked('c.node', 'node')} AND ${picked('c.app', 'app')} AND ${picked('c.stream', 'stream')}`;

const durations = `WITH ${levelExpressions()}, greatest(bucket, 60) AS wide
SELECT toStartOfInterval(toDateTime(c.closed_at, 'UTC'), toIntervalSecond(wide)) AS time, quantile(0.5)(length) AS Median, quantile(0.95)(length) AS p95
FROM (SELECT closed_at, dateDiff('millisecond', opened_at, closed_at) / 1000 AS length, cluster, node, app, stream FROM ${TABLE.connectionEvents} WHERE version = 1 AND role = 'viewer' AND opened_at >= $__fromTime - 86400 AND opened_at <= $__toTime AND closed_at >= $__fromTime AND closed_at <= $__toTime) AS c
WHERE ${of('c.closed_at')}
GROUP BY time
ORDER BY time`;

/** The range, but at most its last day: every address is looked at. */
const ofDay = `c.opened_at >= $__toTime - least(86400, dateDiff('second', $__fromTime, $__toTime)) AND ${of('c.opened_at')}`;

/** Two passes: which are the largest, then what they did; details for every address would be dear. */
const top = (
  what: string,
  name: string,
) => `SELECT ${what} AS ${name}, uniq(c.connection_id) AS connections, uniq(c.client_address) AS addresses, countIf(c.version = 1) AS ended, round(avgIf(dateDiff('millisecond', c.opened_at, c.closed_at) / 1000, c.version = 1), 1) AS mean_length, topK(1)(c.reason)[1] AS most_often, uniq(c.node) AS nodes, sum(c.bytes_delivered) AS delivered
FROM ${TABLE.connectionEvents} AS c
WHERE ${ofDay} AND ${what} IN (SELECT ${what} FROM ${TABLE.connectionEvents} AS c WHERE ${ofDay} GROUP BY ${what} ORDER BY count() DESC LIMIT 50)
GROUP BY ${name}
ORDER BY connections DESC
LIMIT 50`;

/** /24 of an IPv4 address, /48 of an IPv6 one; a hashed or cut address stays as it is. */
const SUBNET = `multiIf(isIPv4String(c.client_address), concat(substringIndex(c.client_address, '.', 3), '.0/24'), isIPv6String(c.client_address), concat(IPv6NumToString(tupleElement(IPv6CIDRToRange(toIPv6OrDefault(c.client_address), 48), 1)), '/48'), c.client_address)`;

/** The address, the subnet as the tables write it, or the beginning of an address. */
const fromTyped = `(${TYPED_ADDRESS} = '' OR ${SUBNET} = ${TYPED_ADDRESS} OR startsWith(c.client_address, ${TYPED_ADDRESS}))`;

const single = `SELECT c.opened_at AS opened, if(c.version = 1, c.closed_at, NULL) AS closed, if(c.version = 1, dateDiff('millisecond', c.opened_at, c.closed_at) / 1000, NULL) AS lasted, c.role AS role, c.protocol AS protocol, c.node AS node, c.app AS app, c.stream AS stream, c.client_address AS address, c.user_agent AS client, if(c.version = 1, c.reason, 'open') AS ended, c.bytes_delivered AS delivered, c.bytes_queued - c.bytes_delivered AS undelivered, c.frames_dropped AS dropped, c.session_id AS session
FROM ${TABLE.connectionEvents} AS c
WHERE ${of('c.opened_at')} AND ${fromTyped} AND c.opened_at >= (SELECT min(newest) FROM (SELECT c.opened_at AS newest FROM ${TABLE.connectionEvents} AS c WHERE ${of('c.opened_at')} AND ${fromTyped} ORDER BY newest DESC LIMIT 1000))
ORDER BY c.opened_at DESC, c.version DESC
LIMIT 1 BY c.connection_id
LIMIT 500`;

const reasons = `WITH ${levelExpressions()}
SELECT ${bucketOf('p.time')} AS time, s.attributes['reason'] AS reason, sum(p.sum) AS closed
FROM ${VIEW.metricPoints}(step = step) AS p
INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric = 'live.connections.closed') AS s ON s.series_id = p.series_id
WHERE p.metric = 'live.connections.closed' AND ${inRange('p.time')} AND ${picked('p.cluster', 'cluster')} AND ${picked('p.node', 'node')}
GROUP BY time, reason
ORDER BY time, reason`;

const ofSource = (column: string) =>
  ({ title: 'Its single connections', dashboard: 'connections', values: { address: column } }) as const;

const sourceFields = {
  connections: { name: 'Connections', cell: 'gauge' },
  addresses: { name: 'Addresses' },
  ended: { name: 'Ended' },
  mean_length: { name: 'Mean length', unit: 's' },
  most_often: { name: 'Mostly ended by' },
  nodes: { name: 'Nodes' },
  delivered: { name: 'Delivered', unit: 'bytes' },
} as const;

export const SPIKE_PANELS: PanelGroup = {
  title: 'Is this usual?',
  panels: [
    {
      id: 1,
      kind: 'timeseries',
      title: 'Connections opened a minute against the baseline',
      description: `Publishers and viewers of the cluster. Usual: median of the last three hours and of the same time of day in the last week, whichever is larger. Alarm: usual + 6 deviations + ${SPIKE_FLOOR_PER_MINUTE}. At most the last six hours of the range. The same view feeds the alert rule.`,
      queries: [{ refId: 'A', sql: baseline }],
      fields: { Opened: { color: 'blue' }, Usual: { color: 'green' }, Alarm: { color: 'red', dashed: true } },
      points: 720,
      width: 14,
      height: 9,
    },
    {
      id: 2,
      kind: 'table',
      title: 'Nodes, the most unusual first',
      description:
        'The most unusual minute of each node in the last six hours of the range: deviations above the usual, and for how many minutes it was above the alarm.',
      queries: [{ refId: 'A', sql: worst }],
      width: 10,
      height: 9,
      fields: {
        node: { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } },
        worst: { name: 'Deviations', decimals: 1, cell: 'color', thresholds: { warn: 6, bad: 12 } },
        at: { name: 'At' },
        opened_then: { name: 'Opened', decimals: 0 },
        usual: { name: 'Usual', decimals: 0 },
        alarm: { name: 'Alarm', decimals: 0 },
        minutes: { name: 'Minutes above', thresholds: { bad: 1 }, cell: 'color' },
      },
    },
  ],
};

export const FLOW: PanelGroup = {
  title: 'Who comes, who goes, and why?',
  panels: [
    {
      id: 20,
      kind: 'timeseries',
      title: 'Opened by role and protocol',
      description: 'Connections a second that became publisher, viewer or relay.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.connections.opened',
            by: { kind: "concat(attributes['role'], ' ', attributes['protocol'])" },
            fold: 'rate',
            across: 'sum',
            as: 'opened',
          }),
        },
      ],
      unit: 'cps',
      legend: 'kind',
      width: 12,
      height: 8,
    },
    {
      id: 21,
      kind: 'timeseries',
      title: 'Closed by reason',
      description:
        'Connections that ended, per point. client-closed is normal; client-reset in numbers is an attack or a broken network; slow-viewer: we put them out.',
      queries: [{ refId: 'A', sql: reasons }],
      legend: 'reason',
      asBars: true,
      stacked: true,
      width: 12,
      height: 8,
    },
    {
      id: 22,
      kind: 'timeseries',
      title: 'Refused by reason',
      description: 'Connections a second that never got a role.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.connections.refused',
            by: { reason: "attributes['reason']" },
            fold: 'rate',
            across: 'sum',
            as: 'refused',
          }),
        },
      ],
      unit: 'cps',
      legend: 'reason',
      width: 12,
      height: 8,
    },
    {
      id: 23,
      kind: 'timeseries',
      title: 'How long viewers stayed',
      description:
        "Length of the viewers' connections that ended at each time. A median that falls suddenly: viewers are being cut off.",
      queries: [{ refId: 'A', sql: durations }],
      unit: 's',
      fields: { Median: { color: 'blue' }, p95: { color: 'orange', name: '95th percentile' } },
      mayBeEmpty: true,
      noValue: 'No viewer has left in this range',
      width: 12,
      height: 8,
    },
  ],
};

export const SOURCES: PanelGroup = {
  title: 'Where do they come from?',
  panels: [
    {
      id: 40,
      kind: 'table',
      title: 'Top subnets',
      description:
        'Subnets (/24, /48) by connections opened in the range (at most its last day). One far above the rest, with short connections: block it at the director. Click one for its single connections below.',
      queries: [{ refId: 'A', sql: top(SUBNET, 'subnet') }],
      width: 12,
      height: 9,
      fields: { subnet: { name: 'Subnet', link: ofSource('Subnet') }, ...sourceFields },
    },
    {
      id: 41,
      kind: 'table',
      title: 'Top addresses',
      description:
        'Addresses by connections opened in the range (at most its last day). Click one for its single connections below.',
      queries: [{ refId: 'A', sql: top('c.client_address', 'address') }],
      width: 12,
      height: 9,
      fields: { address: { name: 'Address', link: ofSource('Address') }, ...sourceFields, addresses: { hidden: true } },
    },
    {
      id: 42,
      kind: 'table',
      title: 'Single connections',
      description:
        'The newest 500 that were opened in the range, of the address or subnet typed above if any, with what they got and why they ended. "Undelivered" was handed to the socket but never taken by the network.',
      queries: [{ refId: 'A', sql: single }],
      width: 24,
      height: 12,
      fields: {
        opened: { name: 'Opened' },
        closed: { name: 'Closed' },
        lasted: { name: 'Lasted', unit: 's' },
        role: { name: 'Role', width: 80 },
        protocol: { name: 'Protocol', width: 80 },
        node: { name: 'Node', link: { title: 'Open node', dashboard: 'node', values: { node: 'Node' } } },
        app: { name: 'App' },
        stream: {
          name: 'Stream',
          link: { title: 'Open stream', dashboard: 'streams', values: { app: 'App', stream: 'Stream' } },
        },
        address: { name: 'Address', link: ofSource('Address') },
        client: { name: 'Client' },
        ended: { name: 'Ended' },
        delivered: { name: 'Delivered', unit: 'bytes' },
        undelivered: { name: 'Undelivered', unit: 'bytes' },
        dropped: { name: 'Frames dropped' },
        session: { name: 'Session' },
      },
    },
  ],
};
