/**
 * What the walker of OTLP metrics tells of: metrics and their points, as the format has them (opentelemetry-proto 1.x).
 * Before it: metrics.ts, which reads them; after it: whoever visits.
 */

export type MetricKind = 'gauge' | 'sum' | 'histogram' | 'exponential-histogram' | 'summary' | 'none';

/** What is known of a metric before its points. */
export interface MetricHead {
  name: string;
  /** UCUM. */
  unit: string;
  kind: MetricKind;
  /** One of `TEMPORALITY` in metrics.ts. */
  temporality: number;
  isMonotonic: boolean;
  /** Points that follow. */
  points: number;
}

/** What all points share. */
export interface PointBase {
  /** Raw KeyValue fields, with their tags, in `source` from `start` to `end`: what a cache is asked with. */
  source: Uint8Array;
  start: number;
  end: number;
  /** Time in nanoseconds as two unsigned halves, see `nanosToMillis`. */
  timeLow: number;
  timeHigh: number;
  /** Since when the sender counts, likewise; 0 when it does not say. Meant for sums and histograms. */
  startLow: number;
  startHigh: number;
  /** The sender says that it has no value (flag 1), or sent none. */
  isEmpty: boolean;
}

/** A point of a gauge or a sum. */
export interface NumberPoint extends PointBase {
  value: number;
}

/** A point of a histogram with explicit bounds. `min` and `max` are NaN when the sender does not keep them. */
export interface HistogramPoint extends PointBase {
  count: number;
  sum: number;
  min: number;
  max: number;
  bounds: number[];
  counts: number[];
}

/** Buckets of one sign of an exponential histogram: bucket `i` of `counts` has the index `offset + i`. */
export interface ExponentialBuckets {
  offset: number;
  counts: number[];
}

/** A point of an exponential histogram: its bucket `i` reaches from base^i to base^(i+1), base = 2^(2^-scale). */
export interface ExponentialPoint extends PointBase {
  count: number;
  sum: number;
  min: number;
  max: number;
  scale: number;
  zeroCount: number;
  zeroThreshold: number;
  positive: ExponentialBuckets;
  negative: ExponentialBuckets;
}

/** A point of a summary: what was counted since the sender's start, and quantiles of what came lately. */
export interface SummaryPoint extends PointBase {
  count: number;
  sum: number;
  /** Quantile (0..1) and its value. */
  quantiles: [quantile: number, value: number][];
}

/** Told in the order of the bytes; what it is handed is valid only during the call. */
export interface MetricsVisitor {
  /** A resource, as the raw bytes of its message; false passes over all its metrics. */
  resource(bytes: Buffer): boolean;
  /** A metric of that resource; false passes over its points. */
  metric(head: MetricHead): boolean;
  number(point: NumberPoint): void;
  histogram(point: HistogramPoint): void;
  /** Without it such points are passed over. */
  exponential?(point: ExponentialPoint): void;
  /** Likewise. */
  summary?(point: SummaryPoint): void;
}
