/** Names of everything in ClickHouse that more than one part uses. The definitions are infra/clickhouse/migrations. */

export const TABLE = {
  metricSamples: 'metric_samples',
  metricSeries: 'metric_series',
  metric1m: 'metric_1m',
  metric5m: 'metric_5m',
  metric10m: 'metric_10m',
  metric1h: 'metric_1h',
  metric1d: 'metric_1d',
  metric1w: 'metric_1w',
  connections: 'connections',
  machines: 'machines',
  nodes: 'nodes',
  viewerMeasurements: 'viewer_measurements',
  viewerEvents: 'viewer_events',
  failovers: 'failovers',
  logs: 'logs',
} as const;

export type TableName = (typeof TABLE)[keyof typeof TABLE];

/** Views with friendly columns. */
export const VIEW = {
  nodeLoad: 'node_load',
  machineLoad: 'machine_load',
  clusterLoad: 'cluster_load',
  streamViewers: 'stream_viewers',
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
