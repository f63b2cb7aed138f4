/**
 * Walks an OTLP ExportMetricsServiceRequest in place and tells a visitor what it meets, without an object per sample:
 * the heads and points handed over are the walker's own and are overwritten by the next ones.
 * Field numbers: opentelemetry-proto 1.x, metrics.proto. Before it: bytes of one message; after it: rows for ClickHouse.
 */
import {
  newExponentialPoint,
  newHistogramPoint,
  readExponentialField,
  readHistogramField,
  resetHistogramPoint,
} from './histogram.ts';
import type { HistogramPoint, MetricHead, MetricKind, MetricsVisitor, NumberPoint } from './metric-points.ts';
import { newPointBase, readAttributeField, readTimeField, resetPointBase, saysNoValue } from './point-fields.ts';
import { newSummaryPoint, readSummaryField } from './summary.ts';
import { WIRE, WireReader } from './wire.ts';

/** AggregationTemporality of sums and histograms. */
export const TEMPORALITY = { unspecified: 0, delta: 1, cumulative: 2 } as const;

const NUMBER_ATTRIBUTES = 7;
const HISTOGRAM_ATTRIBUTES = 9;
const EXPONENTIAL_ATTRIBUTES = 1;
const KINDS: Record<number, MetricKind> = {
  5: 'gauge',
  7: 'sum',
  9: 'histogram',
  10: 'exponential-histogram',
  11: 'summary',
};
const NOTHING = Buffer.alloc(0);

/** Field number of the attributes of a point of `kind`. */
export function attributesField(kind: MetricKind): number {
  if (kind === 'histogram') return HISTOGRAM_ATTRIBUTES;
  return kind === 'exponential-histogram' ? EXPONENTIAL_ATTRIBUTES : NUMBER_ATTRIBUTES;
}

/**
 * Walks `bytes`.
 * @throws OtlpError when they are broken; the visitor may have been told of what stood before.
 */
export function walkMetrics(bytes: Uint8Array, visitor: MetricsVisitor): void {
  new MetricsWalker(bytes, visitor).walk();
}

class MetricsWalker {
  readonly #reader: WireReader;
  readonly #visitor: MetricsVisitor;
  readonly #head: MetricHead = { name: '', unit: '', kind: 'none', temporality: 0, isMonotonic: false, points: 0 };
  readonly #number: NumberPoint;
  readonly #histogram: HistogramPoint;

  constructor(bytes: Uint8Array, visitor: MetricsVisitor) {
    this.#reader = new WireReader(bytes);
    this.#visitor = visitor;
    this.#number = { ...newPointBase(this.#reader.bytes), value: 0 };
    this.#histogram = newHistogramPoint(this.#reader.bytes);
  }

  walk(): void {
    const reader = this.#reader;
    const end = reader.length;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field === 1) this.#resourceMetrics(this.#enter(end));
      else reader.skip(end);
    }
  }

  /** Resource first, wherever it stands, then the scopes. */
  #resourceMetrics(end: number): void {
    const reader = this.#reader;
    const start = reader.pos;
    let resource: Buffer = NOTHING;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field !== 1) reader.skip(end);
      else {
        const resourceEnd = this.#enter(end);
        resource = reader.bytes.subarray(reader.pos, resourceEnd);
        reader.pos = resourceEnd;
      }
    }
    if (!this.#visitor.resource(resource)) return;
    reader.pos = start;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field === 2) this.#scopeMetrics(this.#enter(end));
      else reader.skip(end);
    }
  }

  #scopeMetrics(end: number): void {
    const reader = this.#reader;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field === 2) this.#metric(this.#enter(end));
      else reader.skip(end);
    }
  }

  #metric(end: number): void {
    const reader = this.#reader;
    const head = this.#head;
    head.name = '';
    head.unit = '';
    head.kind = 'none';
    let dataStart = end;
    let dataEnd = end;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      const kind = KINDS[field];
      if (kind !== undefined) {
        head.kind = kind;
        dataEnd = this.#enter(end);
        dataStart = reader.pos;
        reader.pos = dataEnd;
      } else if (field === 1) head.name = this.#text(end);
      else if (field === 3) head.unit = this.#text(end);
      else reader.skip(end);
    }
    reader.pos = dataStart;
    this.#scanData(dataEnd);
    if (this.#visitor.metric(head)) {
      reader.pos = dataStart;
      this.#points(dataEnd);
    }
    reader.pos = end;
  }

  /** Temporality and monotonicity stand behind the points, so they are looked up before. */
  #scanData(end: number): void {
    const reader = this.#reader;
    const head = this.#head;
    head.temporality = TEMPORALITY.unspecified;
    head.isMonotonic = false;
    head.points = 0;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field === 2 && reader.wireType === WIRE.varint) head.temporality = reader.varint(end);
      else if (field === 3 && reader.wireType === WIRE.varint) head.isMonotonic = reader.varint(end) !== 0;
      else {
        if (field === 1) head.points++;
        reader.skip(end);
      }
    }
  }

  #points(end: number): void {
    const reader = this.#reader;
    const { kind } = this.#head;
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field !== 1) reader.skip(end);
      else if (kind === 'gauge' || kind === 'sum') this.#numberPoint(this.#enter(end));
      else if (kind === 'histogram') this.#histogramPoint(this.#enter(end));
      else if (kind === 'exponential-histogram' && this.#visitor.exponential) this.#exponentialPoint(this.#enter(end));
      else if (kind === 'summary' && this.#visitor.summary) this.#summaryPoint(this.#enter(end));
      else reader.skip(end);
    }
  }

  #numberPoint(end: number): void {
    const reader = this.#reader;
    const point = this.#number;
    resetPointBase(point, reader.bytes);
    point.isEmpty = true;
    let flags = 0;
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === NUMBER_ATTRIBUTES) readAttributeField(reader, tagStart, end, point);
      else if (readTimeField(reader, field, end, point)) continue;
      else if (field === 4 && reader.wireType === WIRE.fixed64) {
        point.value = reader.double(end);
        point.isEmpty = false;
      } else if (field === 6 && reader.wireType === WIRE.fixed64) {
        point.value = reader.sint64(end);
        point.isEmpty = false;
      } else if (field === 8 && reader.wireType === WIRE.varint) flags = reader.varint(end);
      else reader.skip(end);
    }
    if (saysNoValue(flags)) point.isEmpty = true;
    this.#visitor.number(point);
  }

  #histogramPoint(end: number): void {
    const reader = this.#reader;
    const point = this.#histogram;
    resetHistogramPoint(point, reader.bytes);
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === HISTOGRAM_ATTRIBUTES) readAttributeField(reader, tagStart, end, point);
      else readHistogramField(reader, field, end, point);
    }
    this.#visitor.histogram(point);
  }

  #exponentialPoint(end: number): void {
    const reader = this.#reader;
    const point = newExponentialPoint(reader.bytes);
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === EXPONENTIAL_ATTRIBUTES) readAttributeField(reader, tagStart, end, point);
      else readExponentialField(reader, field, end, point);
    }
    this.#visitor.exponential?.(point);
  }

  #summaryPoint(end: number): void {
    const reader = this.#reader;
    const point = newSummaryPoint(reader.bytes);
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === NUMBER_ATTRIBUTES) readAttributeField(reader, tagStart, end, point);
      else readSummaryField(reader, field, end, point);
    }
    this.#visitor.summary?.(point);
  }

  #text(end: number): string {
    this.#reader.expect(WIRE.bytes);
    return this.#reader.text(end);
  }

  #enter(end: number): number {
    this.#reader.expect(WIRE.bytes);
    return this.#reader.bytesEnd(end);
  }
}
