/** Rules about nodes and machines: silence, load, disks, clocks (M10, M11). */
import { VIEW } from '@weir/contracts/tables';
import { SILENT_SECONDS } from '../cluster/health.ts';
import { SPIKE_FLOOR_PER_MINUTE } from '../connections/panels.ts';
import type { AlertRule, RuleRange } from './rule.ts';

/** Share of a limit above which a rule fires. */
const FULL = 0.9;

/** Seconds each node of a role has not been heard of. */
export const silence = (role: 'edge' | 'origin' | 'agent') => (range: RuleRange) =>
  `SELECT time, cluster, node, silent_seconds AS value FROM ${VIEW.nodeSilence}(from = ${range.from}, to = ${range.to}, step = ${range.step}) WHERE role = '${role}' AND NOT quiet`;

const machine = (value: string) => (range: RuleRange) =>
  `SELECT time, cluster, host, ${value} AS value FROM ${VIEW.machineMinutes}(from = ${range.from}, to = ${range.to}) WHERE NOT quiet AND isNotNull(value)`;

const node =
  (value: string, also = '1') =>
  (range: RuleRange) =>
    `SELECT time, cluster, node, ${value} AS value FROM ${VIEW.nodeMinutes}(from = ${range.from}, to = ${range.to}) WHERE NOT quiet AND isNotNull(value) AND ${also}`;

/**
 * Messages each node dropped in the hour up to a minute. An hour, because the sample that tells of it comes last out of the
 * outbox that was full: after a long cut that is minutes later than it was taken.
 */
const dropped = ({ from, to }: RuleRange) =>
  `SELECT at AS time, cluster, node, sum(dropped) AS value FROM (SELECT cluster, node, dropped, arrayJoin(arrayMap(i -> minute + 60 * i, range(60))) AS at FROM (SELECT p.cluster AS cluster, p.node AS node, p.time AS minute, sum(p.sum) AS dropped FROM ${VIEW.metricPoints}(step = 60) AS p WHERE p.metric = 'weir.outbox.dropped' AND p.time >= ${from} - 3540 AND p.time < ${to} GROUP BY cluster, node, minute HAVING dropped > 0)) WHERE at >= ${from} AND at < ${to} GROUP BY at, cluster, node`;

const spikes = (range: RuleRange, condition: string, label: string) =>
  `SELECT time, cluster${label}, if(is_spike, opened, 0) AS value FROM ${VIEW.connectionSpikes}(from = ${range.from}, to = ${range.to}, floor = ${SPIKE_FLOOR_PER_MINUTE}) WHERE ${condition} AND NOT quiet`;

const common = { instant: false, whenEmpty: 'OK', whenFailing: 'Error' } as const;

/** The rules. */
export const NODE_RULES: readonly AlertRule[] = [
  {
    ...common,
    name: 'node-silent',
    title: 'Edge silent',
    group: 'urgent',
    severity: 'critical',
    area: 'media',
    labels: ['cluster', 'node'],
    rows: silence('edge'),
    instant: true,
    above: SILENT_SECONDS - 1,
    forMinutes: 0,
    summary: '{{ .Labels.node }} has sent nothing for {{ humanizeDuration .Values.A.Value }}',
    dashboard: 'cluster',
    panelId: 1,
  },
  {
    ...common,
    name: 'origin-lost',
    title: 'Origin lost',
    group: 'urgent',
    severity: 'critical',
    area: 'media',
    labels: ['cluster', 'node'],
    rows: silence('origin'),
    instant: true,
    above: SILENT_SECONDS - 1,
    forMinutes: 0,
    summary:
      'The origin {{ .Labels.node }} has sent nothing for {{ humanizeDuration .Values.A.Value }}; its streams move to the other origins',
    dashboard: 'failover',
    panelId: 21,
  },
  {
    ...common,
    name: 'connection-spike',
    title: 'Connection spike on a node',
    group: 'urgent',
    severity: 'critical',
    area: 'security',
    labels: ['cluster', 'node'],
    rows: (range) => spikes(range, "node != ''", ', node'),
    above: 0,
    forMinutes: 0,
    keepMinutes: 2,
    summary:
      '{{ .Labels.node }} took {{ humanize .Values.A.Value }} connections in the last minute, far above its usual',
    dashboard: 'connections',
    panelId: 2,
  },
  {
    ...common,
    name: 'connection-spike-cluster',
    title: 'Connection spike on the cluster',
    group: 'urgent',
    severity: 'critical',
    area: 'security',
    labels: ['cluster'],
    rows: (range) => spikes(range, "node = ''", ''),
    above: 0,
    forMinutes: 0,
    keepMinutes: 2,
    summary:
      'The cluster {{ .Labels.cluster }} took {{ humanize .Values.A.Value }} connections in the last minute, far above the usual',
    dashboard: 'connections',
    panelId: 1,
  },
  {
    ...common,
    name: 'connections-near-limit',
    title: 'Connections near the limit',
    group: 'capacity',
    severity: 'warning',
    area: 'capacity',
    labels: ['cluster', 'node'],
    rows: node('connections / connection_limit'),
    above: FULL,
    forMinutes: 1,
    summary: '{{ .Labels.node }} uses {{ humanizePercentage .Values.A.Value }} of its connection limit',
    dashboard: 'node',
    panelId: 21,
  },
  {
    ...common,
    name: 'cluster-near-limit',
    title: 'Cluster near its connection limit',
    group: 'capacity',
    severity: 'critical',
    area: 'capacity',
    labels: ['cluster'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, sum(connections) / sum(connection_limit) AS value FROM ${VIEW.nodeMinutes}(from = ${from}, to = ${to}) WHERE role = 'edge' AND NOT quiet AND connection_limit > 0 GROUP BY time, cluster`,
    above: FULL,
    forMinutes: 1,
    summary:
      'All edges of {{ .Labels.cluster }} together use {{ humanizePercentage .Values.A.Value }} of their connection limits',
    dashboard: 'cluster',
    panelId: 42,
  },
  {
    ...common,
    name: 'cpu-full',
    title: 'CPU full',
    group: 'capacity',
    severity: 'warning',
    area: 'capacity',
    labels: ['cluster', 'host'],
    rows: machine('cpu'),
    above: FULL,
    forMinutes: 1,
    summary: 'The CPU of {{ .Labels.host }} is used to {{ humanizePercentage .Values.A.Value }}',
    dashboard: 'node',
    panelId: 2,
  },
  {
    ...common,
    name: 'memory-full',
    title: 'Memory full',
    group: 'capacity',
    severity: 'warning',
    area: 'capacity',
    labels: ['cluster', 'host'],
    rows: machine('memory'),
    above: FULL,
    forMinutes: 1,
    summary: 'The memory of {{ .Labels.host }} is used to {{ humanizePercentage .Values.A.Value }}',
    dashboard: 'node',
    panelId: 3,
  },
  {
    ...common,
    name: 'card-full',
    title: 'Network card full',
    group: 'capacity',
    severity: 'critical',
    area: 'capacity',
    labels: ['cluster', 'host'],
    rows: machine('card'),
    above: FULL,
    forMinutes: 1,
    summary: 'A network card of {{ .Labels.host }} is used to {{ humanizePercentage .Values.A.Value }} of its speed',
    dashboard: 'node',
    panelId: 4,
  },
  {
    ...common,
    name: 'disk-full',
    title: 'Disk nearly full',
    group: 'capacity',
    severity: 'warning',
    area: 'capacity',
    labels: ['cluster', 'host'],
    rows: machine('disk'),
    above: FULL,
    forMinutes: 1,
    summary: 'A file system of {{ .Labels.host }} is {{ humanizePercentage .Values.A.Value }} full',
    dashboard: 'node',
    panelId: 6,
  },
  {
    ...common,
    name: 'clock-off',
    title: 'Clock off',
    group: 'pipeline',
    severity: 'warning',
    area: 'pipeline',
    labels: ['cluster', 'host'],
    rows: machine('abs(clock_offset)'),
    above: 2,
    forMinutes: 1,
    summary: 'The clock of {{ .Labels.host }} is {{ humanizeDuration .Values.A.Value }} away from the clock of NATS',
    dashboard: 'node',
    panelId: 8,
  },
  {
    ...common,
    name: 'event-loop-slow',
    title: 'Event loop slow',
    group: 'capacity',
    severity: 'warning',
    area: 'media',
    labels: ['cluster', 'node'],
    rows: node('loop_delay_seconds', "role IN ('edge', 'origin')"),
    above: 0.05,
    forMinutes: 1,
    summary: 'Frames on {{ .Labels.node }} wait {{ humanizeDuration .Values.A.Value }} for the event loop',
    dashboard: 'node',
    panelId: 23,
  },
  {
    ...common,
    name: 'slow-viewers',
    title: 'Many slow viewers',
    group: 'urgent',
    severity: 'warning',
    area: 'media',
    labels: ['cluster', 'node'],
    rows: node('if(closed_slow >= 5, closed_slow / (viewers + closed_slow), 0)', "role = 'edge'"),
    above: 0.05,
    forMinutes: 0,
    keepMinutes: 2,
    summary:
      '{{ .Labels.node }} put out {{ humanizePercentage .Values.A.Value }} of its viewers in one minute because they did not keep up',
    dashboard: 'streams',
    panelId: 24,
  },
  {
    ...common,
    name: 'outbox-filling',
    title: 'Outbox filling',
    group: 'pipeline',
    severity: 'warning',
    area: 'pipeline',
    labels: ['cluster', 'node'],
    rows: node('outbox_messages'),
    above: 120,
    forMinutes: 1,
    summary: '{{ .Labels.node }} holds {{ humanize .Values.A.Value }} messages that NATS has not taken',
    dashboard: 'pipeline',
    panelId: 20,
  },
  {
    ...common,
    name: 'telemetry-lost',
    title: 'Telemetry lost',
    group: 'pipeline',
    severity: 'critical',
    area: 'pipeline',
    labels: ['cluster', 'node'],
    rows: dropped,
    above: 0,
    forMinutes: 0,
    summary:
      '{{ .Labels.node }} had to drop {{ humanize .Values.A.Value }} telemetry messages in the last hour: they are lost for good',
    dashboard: 'pipeline',
    panelId: 21,
  },
];
