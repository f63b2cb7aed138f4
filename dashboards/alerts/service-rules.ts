/** Rules about streams, fail-overs and the pipeline that all other rules stand on. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import type { AlertRule } from './rule.ts';

const common = { instant: false, whenEmpty: 'OK', whenFailing: 'Error' } as const;

/** The rules. */
export const SERVICE_RULES: readonly AlertRule[] = [
  {
    ...common,
    name: 'stream-orphaned',
    title: 'Viewers without publisher',
    group: 'urgent',
    severity: 'critical',
    area: 'media',
    labels: ['cluster', 'app', 'stream'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, app, stream, if(frames = 0, viewers, 0) AS value FROM ${VIEW.streamMinutes}(from = ${from}, to = ${to}) WHERE viewers >= 1`,
    above: 0,
    forMinutes: 0,
    summary:
      '{{ humanize .Values.A.Value }} viewers of {{ .Labels.app }}/{{ .Labels.stream }} get nothing: its publisher is away',
    dashboard: 'streams',
    panelId: 1,
  },
  {
    ...common,
    name: 'publisher-flapping',
    title: 'Publisher comes and goes',
    group: 'urgent',
    severity: 'warning',
    area: 'media',
    labels: ['cluster', 'app', 'stream'],
    rows: ({ from, to }) =>
      `SELECT time, cluster, app, stream, publishes AS value FROM ${VIEW.publisherFlaps}(from = ${from}, to = ${to})`,
    instant: true,
    above: 2,
    forMinutes: 0,
    keepMinutes: 5,
    summary: '{{ .Labels.app }}/{{ .Labels.stream }} was published {{ humanize .Values.A.Value }} times in ten minutes',
    dashboard: 'streams',
    panelId: 23,
  },
  {
    ...common,
    name: 'failover-slow',
    title: 'Fail-over took long',
    group: 'urgent',
    severity: 'warning',
    area: 'media',
    labels: ['cluster', 'cause'],
    rows: ({ from, to }) =>
      `SELECT toStartOfMinute(toDateTime(time, 'UTC')) AS time, cluster, cause, max(gap_ms) / 1000 AS value FROM ${TABLE.failovers} AS f WHERE f.time >= ${from} AND f.time < ${to} GROUP BY time, cluster, cause`,
    above: 2.5,
    forMinutes: 0,
    keepMinutes: 5,
    summary: 'Viewers waited {{ humanizeDuration .Values.A.Value }} while streams moved ({{ .Labels.cause }})',
    dashboard: 'failover',
    panelId: 2,
  },
  {
    ...common,
    name: 'measuring-blind',
    title: 'Measuring is blind',
    group: 'pipeline',
    severity: 'critical',
    area: 'pipeline',
    labels: ['cluster'],
    rows: ({ from, to, step }) =>
      `SELECT time, cluster, stale_seconds AS value FROM ${VIEW.pipelineMinutes}(from = ${from}, to = ${to}, step = ${step})`,
    instant: true,
    above: 59,
    forMinutes: 0,
    summary:
      'Nothing new of the cluster {{ .Labels.cluster }} has reached ClickHouse for {{ humanizeDuration .Values.A.Value }}: no other rule can see anything',
    dashboard: 'pipeline',
    panelId: 1,
    whenEmpty: 'Alerting',
    whenFailing: 'Alerting',
  },
  {
    ...common,
    name: 'ingest-lag',
    title: 'Ingest falls behind',
    group: 'pipeline',
    severity: 'warning',
    area: 'pipeline',
    labels: ['cluster'],
    rows: ({ from, to, step }) =>
      `SELECT time, cluster, greatest(ifNull(delay_seconds, 0), lag_messages / 200) AS value FROM ${VIEW.pipelineMinutes}(from = ${from}, to = ${to}, step = ${step})`,
    instant: true,
    above: 60,
    forMinutes: 0,
    keepMinutes: 2,
    summary:
      'Figures of the cluster {{ .Labels.cluster }} reach ClickHouse {{ humanizeDuration .Values.A.Value }} late',
    dashboard: 'pipeline',
    panelId: 5,
  },
  {
    ...common,
    name: 'dead-letters',
    title: 'Dead letters',
    group: 'pipeline',
    severity: 'warning',
    area: 'pipeline',
    labels: ['cluster'],
    rows: ({ from, to, step }) =>
      `SELECT time, cluster, dead_letters AS value FROM ${VIEW.pipelineMinutes}(from = ${from}, to = ${to}, step = ${step})`,
    instant: true,
    above: 0,
    forMinutes: 0,
    keepMinutes: 10,
    summary:
      '{{ humanize .Values.A.Value }} telemetry messages could not be used in the last minute and were put aside',
    dashboard: 'pipeline',
    panelId: 3,
  },
];
