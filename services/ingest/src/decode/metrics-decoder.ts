/**
 * Turns OTLP metrics into rows: gauges and delta sums into `metric_samples`, delta histograms into `histogram_samples`,
 * and a row of `metric_series` for each series this copy has not described for an hour. What it can't use it skips and
 * counts by reason. All of it depends on the message alone, never on the clock.
 */
import { readAttributes } from '@weir/contracts/otlp/attributes';
import {
  attributesField,
  type HistogramPoint,
  type MetricHead,
  type MetricsVisitor,
  type NumberPoint,
  type PointBase,
  TEMPORALITY,
} from '@weir/contracts/otlp/metrics';
import { nanosToMillis, WireReader } from '@weir/contracts/otlp/wire';
import { TABLE } from '@weir/contracts/tables';
import type { DecodeCounts, SkipReason } from './decode-counts.ts';
import { textAttributes } from './identity.ts';
import { type MetricEntry, metricOf, type ResourceEntry, type SeriesKind } from './resource-cache.ts';
import { type JsonRows, jsonFloat, jsonTime } from './rows.ts';
import type { SampleColumns } from './sample-columns.ts';
import { seriesId, seriesIdText } from './series-id.ts';
import type { TimeWindow } from './time-window.ts';

/** A series is described again after so long. */
const DESCRIBE_EVERY_MS = 3_600_000;
const MAX_NAME_LENGTH = 255;
const MAX_SERIES_ATTRIBUTES = 64;
const MAX_ATTRIBUTE_LENGTH = 1_024;

/** Where the rows go. */
export interface MetricsTarget {
  readonly samples: SampleColumns;
  readonly rows: JsonRows;
  readonly counts: DecodeCounts;
}

/** Decodes one message after the other; {@link MetricsDecoder.start} says whose it is. */
export class MetricsDecoder implements MetricsVisitor {
  readonly #target: MetricsTarget;
  readonly #onResource: (bytes: Buffer) => ResourceEntry;
  #window: TimeWindow | undefined;
  #resource: ResourceEntry | undefined;
  #metric: MetricEntry | undefined;
  #attributesField = 0;
  #timeLow = -1;
  #timeHigh = -1;
  #timeMs = 0;

  /** @param onResource gives the entry of a resource, or throws what makes the whole message unusable. */
  constructor(target: MetricsTarget, onResource: (bytes: Buffer) => ResourceEntry) {
    this.#target = target;
    this.#onResource = onResource;
  }

  /** Begins a message. */
  start(window: TimeWindow): void {
    this.#window = window;
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

  #addNumber(point: NumberPoint): SkipReason | undefined {
    if (point.isEmpty) return 'empty';
    if (!Number.isFinite(point.value)) return 'not-finite';
    const timeMs = this.#time(point);
    if (timeMs < 0) return 'time';
    const index = this.#series(point);
    if (index < 0) return 'attributes';
    const { series } = this.#resource as ResourceEntry;
    this.#target.samples.add(timeMs, series.low(index), series.high(index), point.value);
    return undefined;
  }

  #addHistogram(point: HistogramPoint): SkipReason | undefined {
    if (point.isEmpty) return 'empty';
    if (!Number.isFinite(point.sum) || !point.bounds.every(Number.isFinite)) return 'not-finite';
    const timeMs = this.#time(point);
    if (timeMs < 0) return 'time';
    const index = this.#series(point);
    if (index < 0) return 'attributes';
    const { series } = this.#resource as ResourceEntry;
    const owner = ownerFields((this.#metric as MetricEntry).owner);
    const id = seriesIdText({ low: series.low(index), high: series.high(index) });
    this.#target.rows.add(
      TABLE.histogramSamples,
      `{"time":${jsonTime(timeMs)},${owner},"series_id":${id},"count":${exact(point.count)},"sum":${point.sum},` +
        `"min":${jsonFloat(point.min)},"max":${jsonFloat(point.max)},` +
        `"bounds":[${point.bounds.join()}],"counts":[${point.counts.map(exact).join()}]}`,
    );
    return undefined;
  }

  #kindOf(head: MetricHead): SeriesKind | undefined {
    const { counts } = this.#target;
    if (head.name === '' || head.name.length > MAX_NAME_LENGTH || head.unit.length > MAX_NAME_LENGTH) {
      counts.skip('name', head.points);
      return undefined;
    }
    if (head.kind === 'gauge') return 'gauge';
    const isDelta = head.temporality === TEMPORALITY.delta;
    if (head.kind === 'sum' && head.isMonotonic && isDelta) return 'counter';
    if (head.kind === 'sum' && !head.isMonotonic && !isDelta) return 'up-down-counter';
    if (head.kind === 'histogram' && isDelta) return 'histogram';
    counts.skip(head.kind === 'sum' || head.kind === 'histogram' ? 'temporality' : 'unsupported', head.points);
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

  /** Index of the point's series in the resource, described when due; -1 when its attributes are out of bounds. */
  #series(point: PointBase): number {
    const { series } = this.#resource as ResourceEntry;
    const metric = this.#metric as MetricEntry;
    let index = series.find(metric.number, point.source, point.start, point.end);
    const storedAtMs = (this.#window as TimeWindow).storedAtMs;
    if (index >= 0 && storedAtMs - series.announcedAtMs(index) < DESCRIBE_EVERY_MS) return index;
    const attributes = this.#attributes(point);
    if (attributes === undefined) return -1;
    if (index < 0) {
      const id = seriesId(metric.owner, metric.owner.metric, attributes);
      index = series.add(metric.number, point.source, point.start, point.end, id.low, id.high);
    }
    series.announce(index, storedAtMs);
    const id = seriesIdText({ low: series.low(index), high: series.high(index) });
    this.#target.rows.add(
      TABLE.metricSeries,
      `{"series_id":${id},${ownerFields(metric.owner)},"kind":"${metric.kind}","unit":${JSON.stringify(metric.unit)},` +
        `"attributes":${JSON.stringify(attributes)},"last_seen":${jsonTime(storedAtMs)}}`,
    );
    return index;
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

/** A count as far as a number holds it: beyond 2^53 its decimal text could exceed a UInt64. */
function exact(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER);
}

function ownerFields(owner: {
  cluster: string;
  site: string;
  machineId: string;
  node: string;
  metric: string;
}): string {
  return (
    `"cluster":${JSON.stringify(owner.cluster)},"site":${JSON.stringify(owner.site)},` +
    `"machine_id":${JSON.stringify(owner.machineId)},"node":${JSON.stringify(owner.node)},` +
    `"metric":${JSON.stringify(owner.metric)}`
  );
}
