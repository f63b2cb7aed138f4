/** Rules about directors and name servers: who holds a virtual address, whether anybody is served, what DNS answers. */
import { VIEW } from '@weir/contracts/tables';
import { SILENT_SECONDS } from '../cluster/health.ts';
import { silence } from './node-rules.ts';
import type { AlertRule, RuleRange } from './rule.ts';

const group = (value: string) => (range: RuleRange) =>
  `SELECT time, cluster, vrrp_group, ${value} AS value FROM ${VIEW.vrrpMinutes}(from = ${range.from}, to = ${range.to}) WHERE directors > 0`;

/** Takeovers of the last ten minutes, which need nine minutes of history. */
const takeovers = (range: RuleRange) =>
  `SELECT time, cluster, vrrp_group, ten AS value FROM (SELECT time, cluster, vrrp_group, sum(takeovers) OVER (PARTITION BY cluster, vrrp_group ORDER BY toUInt32(time) RANGE BETWEEN 540 PRECEDING AND CURRENT ROW) AS ten FROM ${VIEW.vrrpMinutes}(from = ${range.from} - 540, to = ${range.to})) WHERE time >= ${range.from}`;

const common = {
  instant: false,
  whenEmpty: 'OK',
  whenFailing: 'Error',
  group: 'urgent',
  area: 'media',
  forMinutes: 0,
  keepMinutes: 2,
  dashboard: 'balancing',
} as const;

/** The rules. */
export const BALANCING_RULES: readonly AlertRule[] = [
  {
    ...common,
    name: 'vrrp-split',
    title: 'Two directors are master',
    severity: 'critical',
    labels: ['cluster', 'vrrp_group'],
    rows: group('holders'),
    above: 1.4,
    summary:
      '{{ humanize .Values.A.Value }} directors of the group {{ .Labels.vrrp_group }} hold its virtual address at once',
    panelId: 2,
  },
  {
    ...common,
    name: 'vrrp-no-master',
    title: 'Nobody holds the virtual address',
    severity: 'critical',
    labels: ['cluster', 'vrrp_group'],
    rows: group('greatest(0, 1 - holders)'),
    above: 0.5,
    summary:
      'For {{ humanizePercentage .Values.A.Value }} of the last minute no director of the group {{ .Labels.vrrp_group }} held its virtual address',
    panelId: 2,
  },
  {
    ...common,
    name: 'director-missing',
    title: 'A director is missing',
    severity: 'warning',
    labels: ['cluster', 'vrrp_group'],
    rows: group('directors - masters - backups'),
    above: 0.5,
    summary:
      '{{ humanize .Values.A.Value }} directors of the group {{ .Labels.vrrp_group }} are neither master nor backup: the next failure ends its service',
    panelId: 1,
  },
  {
    ...common,
    name: 'vrrp-flapping',
    title: 'The virtual address moves to and fro',
    severity: 'warning',
    labels: ['cluster', 'vrrp_group'],
    rows: takeovers,
    above: 3,
    summary:
      'A director of the group {{ .Labels.vrrp_group }} became master {{ humanize .Values.A.Value }} times in ten minutes',
    panelId: 3,
  },
  {
    ...common,
    name: 'balancer-empty',
    title: 'A director has no edge to serve',
    severity: 'critical',
    labels: ['cluster', 'node', 'service'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, node, service, toFloat64(servers_max = 0) AS value FROM ${VIEW.ipvsMinutes}(from = ${from}, to = ${to})`,
    above: 0,
    summary:
      '{{ .Labels.node }} gives no edge any weight for {{ .Labels.service }} ({{ humanize .Values.A.Value }}): new viewers are refused',
    panelId: 21,
  },
  {
    ...common,
    name: 'dns-group-down',
    title: 'DNS finds a whole group dead',
    severity: 'critical',
    labels: ['cluster', 'name', 'address'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, name, address, avg(1 - up) AS value FROM ${VIEW.dnsMinutes}(from = ${from}, to = ${to}) WHERE isNotNull(up) GROUP BY time, cluster, name, address`,
    above: 0.5,
    summary:
      '{{ humanizePercentage .Values.A.Value }} of the name servers’ checks find {{ .Labels.address }} dead: {{ .Labels.name }} is answered without it',
    panelId: 40,
  },
  {
    ...common,
    name: 'dns-failing',
    title: 'A name server does not answer',
    severity: 'critical',
    labels: ['cluster', 'node', 'name'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, node, name, sum(failures) AS value FROM ${VIEW.dnsMinutes}(from = ${from}, to = ${to}) GROUP BY time, cluster, node, name`,
    above: 2,
    summary:
      '{{ .Labels.node }} left {{ humanize .Values.A.Value }} questions for {{ .Labels.name }} unanswered in the last minute',
    panelId: 42,
  },
  {
    ...common,
    name: 'agent-silent',
    title: 'Director or name server silent',
    severity: 'critical',
    labels: ['cluster', 'node'],
    rows: silence('agent'),
    instant: true,
    above: SILENT_SECONDS - 1,
    summary: 'The agent of {{ .Labels.node }} has sent nothing for {{ humanizeDuration .Values.A.Value }}',
    panelId: 43,
  },
];
