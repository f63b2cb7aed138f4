/** Names of everything in ClickHouse that more than one part uses. The definitions are infra/clickhouse/migrations. */

export const TABLE = {
  metricSamples: 'metric_samples',
  metricSeries: 'metric_series',
  histogramSamples: 'histogram_samples',
  metric1m: 'metric_1m',
  metric5m: 'metric_5m',
  metric10m: 'metric_10m',
  metric1h: 'metric_1h',
  metric1d: 'metric_1d',
  metric1w: 'metric_1w',
  connections: 'connections',
  connectionEvents: 'connection_events',
  machines: 'machines',
  machineReports: 'machine_reports',
  nodes: 'nodes',
  nodeReports: 'node_reports',
  /** Senders by OTLP over HTTP, which are no nodes of Weir. */
  otlpSenders: 'otlp_senders',
  /** Histograms, rolled up. */
  histogram1m: 'histogram_1m',
  histogram10m: 'histogram_10m',
  histogram1h: 'histogram_1h',
  histogram1d: 'histogram_1d',
  viewerMeasurements: 'viewer_measurements',
  viewerEvents: 'viewer_events',
  viewerSpans: 'viewer_spans',
  viewer1m: 'viewer_1m',
  viewer1h: 'viewer_1h',
  viewer1d: 'viewer_1d',
  viewer1w: 'viewer_1w',
  failovers: 'failovers',
  logs: 'logs',
  nodeMarks: 'node_marks',
  adminActions: 'admin_actions',
  clusterEvents: 'cluster_events',
  streamChanges: 'stream_changes',
  directorChanges: 'director_changes',
} as const;

export type TableName = (typeof TABLE)[keyof typeof TABLE];

/** Views with friendly columns. */
export const VIEW = {
  nodeLoad: 'node_load',
  machineLoad: 'machine_load',
  clusterLoad: 'cluster_load',
  streamViewers: 'stream_viewers',
  /** Raw samples or one rollup level: `metric_points(step = 60)`. */
  metricPoints: 'metric_points',
  /** What each series is, once. */
  series: 'series',
  nodeMarkIntervals: 'node_mark_intervals',
  /** Which nodes belonged to a cluster from when until when. */
  nodeMemberships: 'node_memberships',
  /** Minute by minute, each takes `(from = …, to = …)`. */
  machineMinutes: 'machine_minutes',
  nodeMinutes: 'node_minutes',
  streamMinutes: 'stream_minutes',
  publisherFlaps: 'publisher_flaps',
  /** What each app used, `(from, to, step)`, step = one of the rollups' in seconds. */
  appUsage: 'app_usage',
  /** `(from, to, step)`, step 5 or 60. */
  nodeSilence: 'node_silence',
  pipelineMinutes: 'pipeline_minutes',
  /** `(from, to, floor)`, floor in connections per minute. */
  connectionSpikes: 'connection_spikes',
  /** What browsers measured, one level: `viewer_points(step = 60 | 3600 | 86400 | 604800)`. */
  viewerPoints: 'viewer_points',
  /** `(from, to, minutes)`: the last minutes before the end of each minute, per edge and per stream. */
  viewerWindows: 'viewer_windows',
  /** Directors, virtual services and name servers, each `(from, to)`. */
  vrrpMinutes: 'vrrp_minutes',
  ipvsMinutes: 'ipvs_minutes',
  dnsMinutes: 'dns_minutes',
} as const;

/** Rollup levels from fine to coarse, each filled from the one before it. */
export const ROLLUPS = [
  { level: '1m', table: TABLE.metric1m, seconds: 60 },
  { level: '5m', table: TABLE.metric5m, seconds: 300 },
  { level: '10m', table: TABLE.metric10m, seconds: 600 },
  { level: '1h', table: TABLE.metric1h, seconds: 3_600 },
  { level: '1d', table: TABLE.metric1d, seconds: 86_400 },
  { level: '1w', table: TABLE.metric1w, seconds: 604_800 },
] as const;

/** Database of all tables unless configured otherwise. */
export const DATABASE = 'weir';

/** In each answer of the embedded store, with the version of its engine: it behaves as ClickHouse, and mends what a server can't. */
export const STORE_HEADER = 'X-Weir-Store';
