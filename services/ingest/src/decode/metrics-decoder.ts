/**
 * Turns OTLP metrics into rows: gauges, sums and summaries into `metric_samples`, histograms of both kinds into `histogram_samples`
 * (cumulative ones of others than our nodes become deltas first),
 * and a row of `metric_series` for each series this copy has not described for an hour. What it can't use it skips and
 * counts by reason. All of it depends on the message alone, never on the clock.
 */
import { readAttributes } from '@weir/contracts/otlp/attributes';
import type {
  ExponentialPoint,
  HistogramPoint,
  MetricHead,
  MetricsVisitor,
  NumberPoint,
  PointBase,
  SummaryPoint,
} from '@weir/contracts/otlp/metric-points';
import { attributesField, TEMPORALITY } from '@weir/contracts/otlp/metrics';
import { nanosToMillis, WireReader } from '@weir/contracts/otlp/wire';
import { WireWriter } from '@weir/contracts/otlp/wire-writer';
import { TABLE } from '@weir/contracts/tables';
import type { CumulativeState } from './cumulative.ts';
import type { DecodeCounts, SkipReason } from './decode-counts.ts';
import { explicitBuckets } from './exponential.ts';
import { textAttributes } from './identity.ts';
import { type HistogramFigures, histogramRow, seriesRow } from './metric-rows.ts';
import {
  type MetricEntry,
  metricOf,
  type ResourceCache,
  type ResourceEntry,
  type SeriesKind,
} from './resource-cache.ts';
import { type JsonRows, jsonTime } from './rows.ts';
import type { SampleColumns } from './sample-columns.ts';
import { seriesId, seriesIdText } from './series-id.ts';
import type { TimeWindow } from './time-window.ts';

/** A series is described again after so long. */
const DESCRIBE_EVERY_MS = 3_600_000;
const MAX_NAME_LENGTH = 255;
const MAX_SERIES_ATTRIBUTES = 64;
const MAX_ATTRIBUTE_LENGTH = 1_024;

/** Why a point has no series. */
const REFUSED = { [-1]: 'attributes', [-2]: 'cardinality' } as const;
type Refused = keyof typeof REFUSED;

/** Where the rows go. */
export interface MetricsTarget {
  readonly samples: SampleColumns;
  readonly rows: JsonRows;
  readonly counts: DecodeCounts;
}

/** Decodes one message after the other; {@link MetricsDecoder.start} says whose it is. */
export class MetricsDecoder implements MetricsVisitor {
  readonly #target: MetricsTarget;
  readonly #cache: ResourceCache;
  readonly #onResource: (bytes: Buffer) => ResourceEntry;
  #sums: CumulativeState | undefined;
  #isCumulative = false;
  #window: TimeWindow | undefined;
  #resource: ResourceEntry | undefined;
  #metric: MetricEntry | undefined;
  #summaryHead: MetricHead = { name: '', unit: '', kind: 'none', temporality: 0, isMonotonic: false, points: 0 };
  #attributesField = 0;
  #storedText: string | undefined;
  #timeLow = -1;
  #timeHigh = -1;
  #timeMs = 0;

  /** @param onResource gives the entry of a resource, or throws what makes the whole message unusable. */
  constructor(target: MetricsTarget, cache: ResourceCache, onResource: (bytes: Buffer) => ResourceEntry) {
    this.#target = target;
    this.#cache = cache;
    this.#onResource = onResource;
  }

  /** Begins a message. @param sums makes deltas of cumulative points; without it they are skipped. */
  start(window: TimeWindow, sums?: CumulativeState): void {
    this.#window = window;
    this.#storedText = undefined;
    this.#sums = sums;
    sums?.begin(window.storedAtMs);
    this.#timeLow = -1;
  }

  resource(bytes: Buffer): boolean {
    this.#resource = this.#onResource(bytes);
    return true;
  }

  metric(head: MetricHead): boolean {
    const kind = this.#kindOf(head);
    if (kind === undefined) return false;
    this.#metric = metricOf(this.#resource as ResourceEntry, head, kind);
    // the walker's own is overwritten
    if (head.kind === 'summary') this.#summaryHead = { ...head };
    this.#attributesField = attributesField(head.kind);
    this.#target.samples.begin(this.#metric.owner);
    return true;
  }

  number(point: NumberPoint): void {
    const skipped = this.#addNumber(point);
    if (skipped !== undefined) this.#target.counts.skip(skipped, 1);
  }

  histogram(point: HistogramPoint): void {
    const skipped = this.#addHistogram(point);
    if (skipped !== undefined) this.#target.counts.skip(skipped, 1);
  }

  exponential(point: ExponentialPoint): void {
    const skipped = this.#addExponential(point);
    if (skipped !== undefined) this.#target.counts.skip(skipped, 1);
  }

  /** As Prometheus has it: `name.count` and `name.sum` are counters, each quantile is a gauge `name` with its number. */
  summary(point: SummaryPoint): void {
    const head = this.#summaryHead;
    const gauge = this.#metric as MetricEntry;
    const add = (
      metric: MetricEntry,
      isCumulative: boolean,
      value: number,
      source: Pick<PointBase, 'source' | 'start' | 'end'>,
    ) => {
      this.#metric = metric;
      this.#isCumulative = isCumulative;
      this.#target.samples.begin(metric.owner);
      this.number({ ...point, ...source, value });
    };
    const resource = this.#resource as ResourceEntry;
    const counter = (name: string, unit: string) => metricOf(resource, { ...head, name, unit }, 'counter');
    add(counter(`${head.name}.count`, '1'), true, point.count, point);
    add(counter(`${head.name}.sum`, head.unit), true, point.sum, point);
    for (const [quantile, value] of point.quantiles) add(gauge, false, value, withQuantile(point, quantile));
    this.#metric = gauge;
  }

  #addNumber(point: NumberPoint): SkipReason | undefined {
    if (point.isEmpty) return 'empty';
    if (!Number.isFinite(point.value)) return 'not-finite';
    const timeMs = this.#time(point);
    if (timeMs < 0) return 'time';
    const index = this.#series(point);
    if (index < 0) return REFUSED[index as Refused];
    const { series } = this.#resource as ResourceEntry;
    let { value } = point;
    if (this.#isCumulative) {
      const delta = (this.#sums as CumulativeState).number(this.#idText(index), point);
      if (typeof delta === 'string') return delta;
      value = delta;
    }
    this.#target.samples.add(timeMs, series.low(index), series.high(index), value);
    return undefined;
  }

  #addHistogram(point: HistogramPoint): SkipReason | undefined {
    if (point.isEmpty) return 'empty';
    if (!Number.isFinite(point.sum) || !point.bounds.every(Number.isFinite)) return 'not-finite';
    const timeMs = this.#time(point);
    if (timeMs < 0) return 'time';
    const index = this.#series(point);
    if (index < 0) return REFUSED[index as Refused];
    const id = this.#idText(index);
    const delta = this.#isCumulative ? (this.#sums as CumulativeState).histogram(id, point) : point;
    if (typeof delta === 'string') return delta;
    this.#histogramRow(id, timeMs, delta);
    return undefined;
  }

  #addExponential(point: ExponentialPoint): SkipReason | undefined {
    if (point.isEmpty) return 'empty';
    const { scale, sum, zeroThreshold } = point;
    // scales beyond these are not in use (-10 to 20): their bounds are all the same number, or none
    if (!Number.isFinite(sum) || !(zeroThreshold >= 0 && zeroThreshold < 1e300) || Math.abs(scale) > 32)
      return 'not-finite';
    const timeMs = this.#time(point);
    if (timeMs < 0) return 'time';
    const index = this.#series(point);
    if (index < 0) return REFUSED[index as Refused];
    const id = this.#idText(index);
    const delta = this.#isCumulative ? (this.#sums as CumulativeState).exponential(id, point) : point;
    if (typeof delta === 'string') return delta;
    this.#histogramRow(id, timeMs, { ...delta, ...explicitBuckets(delta) });
    return undefined;
  }

  #idText(index: number): string {
    const { series } = this.#resource as ResourceEntry;
    return seriesIdText({ low: series.low(index), high: series.high(index) });
  }

  #histogramRow(id: string, timeMs: number, point: HistogramFigures): void {
    const { owner } = this.#metric as MetricEntry;
    this.#target.rows.add(TABLE.histogramSamples, histogramRow(owner, id, timeMs, point));
  }

  #kindOf(head: MetricHead): SeriesKind | undefined {
    const { counts } = this.#target;
    if (head.name === '' || head.name.length > MAX_NAME_LENGTH || head.unit.length > MAX_NAME_LENGTH) {
      counts.skip('name', head.points);
      return undefined;
    }
    this.#isCumulative = false;
    if (head.kind === 'gauge') return 'gauge';
    const isDelta = head.temporality === TEMPORALITY.delta;
    const isCumulative = head.temporality === TEMPORALITY.cumulative;
    // a level: stored as it is; and what it changed by: adds up like a counter, but may be negative
    if (head.kind === 'sum' && !head.isMonotonic && (isDelta || isCumulative))
      return isDelta ? 'change' : 'up-down-counter';
    // a summary counts since the sender's start
    this.#isCumulative = (isCumulative || head.kind === 'summary') && this.#sums !== undefined;
    if (isDelta || this.#isCumulative) {
      if (head.kind === 'sum') return 'counter';
      if (head.kind === 'summary') return 'gauge';
      if (head.kind === 'histogram' || head.kind === 'exponential-histogram') return 'histogram';
    }
    counts.skip(head.kind === 'none' ? 'unsupported' : 'temporality', head.points);
    return undefined;
  }

  /** Unix ms of the point, or -1 when outside of the window. Points of a message mostly share their time. */
  #time(point: PointBase): number {
    if (point.timeLow !== this.#timeLow || point.timeHigh !== this.#timeHigh) {
      this.#timeLow = point.timeLow;
      this.#timeHigh = point.timeHigh;
      const timeMs = nanosToMillis(point.timeLow, point.timeHigh);
      this.#timeMs = this.#window?.holds(timeMs) ? timeMs : -1;
      if (this.#timeMs >= 0) this.#window?.saw(timeMs);
    }
    return this.#timeMs;
  }

  /** Index of the point's series in the resource, described when due; else a number of {@link REFUSED}. */
  #series(point: PointBase): number {
    const { series } = this.#resource as ResourceEntry;
    const metric = this.#metric as MetricEntry;
    let index = series.find(metric.number, point.source, point.start, point.end);
    const storedAtMs = (this.#window as TimeWindow).storedAtMs;
    if (index >= 0 && storedAtMs - series.announcedAtMs(index) < DESCRIBE_EVERY_MS) return index;
    if (!this.#cache.admit((this.#resource as ResourceEntry).facts.identity.node, storedAtMs)) return -2;
    const attributes = this.#attributes(point);
    if (attributes === undefined) return -1;
    if (index < 0) {
      const id = seriesId(metric.owner, metric.owner.metric, attributes);
      index = series.add(metric.number, point.source, point.start, point.end, id.low, id.high);
    }
    series.announce(index, storedAtMs);
    const id = seriesIdText({ low: series.low(index), high: series.high(index) });
    this.#target.rows.add(TABLE.metricSeries, seriesRow(metric, id, attributes, this.#storedAt()));
    return index;
  }

  /** When JetStream stored the message, as JSON: the same for all series it describes. */
  #storedAt(): string {
    this.#storedText ??= jsonTime((this.#window as TimeWindow).storedAtMs);
    return this.#storedText;
  }

  #attributes(point: PointBase): Record<string, string> | undefined {
    const reader = new WireReader(point.source.subarray(point.start, point.end));
    const attributes = readAttributes(reader, reader.length, this.#attributesField);
    if (attributes.size > MAX_SERIES_ATTRIBUTES) return undefined;
    const text = textAttributes(attributes);
    for (const name in text) {
      if (name.length > MAX_NAME_LENGTH || (text[name] as string).length > MAX_ATTRIBUTE_LENGTH) return undefined;
    }
    return text;
  }
}

/** The raw attributes of a summary's point and one more, `quantile`. */
function withQuantile(point: SummaryPoint, quantile: number): Pick<PointBase, 'source' | 'start' | 'end'> {
  const value = new WireWriter().text(1, String(quantile)).finish();
  const source = new WireWriter()
    .raw(point.source.subarray(point.start, point.end))
    .bytes(attributesField('summary'), new WireWriter().text(1, 'quantile').bytes(2, value).finish())
    .finish();
  return { source, start: 0, end: source.length };
}
