/**
 * Walks an OTLP ExportMetricsServiceRequest in place and tells a visitor what it meets, without an object per sample:
 * the heads and points handed over are the walker's own and are overwritten by the next ones.
 * Field numbers: opentelemetry-proto 1.x, metrics.proto. Before it: bytes of one message; after it: rows for ClickHouse.
 */
import type {
  ExponentialBuckets,
  ExponentialPoint,
  HistogramPoint,
  MetricHead,
  MetricKind,
  MetricsVisitor,
  NumberPoint,
  PointBase,
} from './metric-points.ts';
import { newSummaryPoint, readSummaryField } from './summary.ts';
import { OtlpError, WIRE, WireReader } from './wire.ts';

export type {
  ExponentialBuckets,
  ExponentialPoint,
  HistogramPoint,
  MetricHead,
  MetricKind,
  MetricsVisitor,
  NumberPoint,
  PointBase,
  SummaryPoint,
} from './metric-points.ts';

/** AggregationTemporality of sums and histograms. */
export const TEMPORALITY = { unspecified: 0, delta: 1, cumulative: 2 } as const;

const NUMBER_ATTRIBUTES = 7;
const HISTOGRAM_ATTRIBUTES = 9;
const EXPONENTIAL_ATTRIBUTES = 1;
/** Buckets of one point at most; more is a broken or hostile sender. */
const MAX_BUCKETS = 10_000;
const NO_RECORDED_VALUE = 1;
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
    const times = { timeLow: 0, timeHigh: 0, startLow: 0, startHigh: 0 };
    const base = { source: this.#reader.bytes, start: 0, end: 0, ...times, isEmpty: false };
    this.#number = { ...base, value: 0 };
    this.#histogram = { ...base, count: 0, sum: 0, min: 0, max: 0, bounds: [], counts: [] };
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
    reset(point, reader.bytes);
    point.isEmpty = true;
    let flags = 0;
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === NUMBER_ATTRIBUTES) this.#attribute(point, tagStart, end);
      else if (field === 3 && reader.wireType === WIRE.fixed64) {
        reader.fixed64(end);
        point.timeLow = reader.low;
        point.timeHigh = reader.high;
      } else if (field === 2 && reader.wireType === WIRE.fixed64) {
        reader.fixed64(end);
        point.startLow = reader.low;
        point.startHigh = reader.high;
      } else if (field === 4 && reader.wireType === WIRE.fixed64) {
        point.value = reader.double(end);
        point.isEmpty = false;
      } else if (field === 6 && reader.wireType === WIRE.fixed64) {
        point.value = reader.sint64(end);
        point.isEmpty = false;
      } else if (field === 8 && reader.wireType === WIRE.varint) flags = reader.varint(end);
      else reader.skip(end);
    }
    if (flags % 2 === NO_RECORDED_VALUE) point.isEmpty = true;
    this.#visitor.number(point);
  }

  #histogramPoint(end: number): void {
    const reader = this.#reader;
    const point = this.#histogram;
    reset(point, reader.bytes);
    point.isEmpty = false;
    point.count = 0;
    point.sum = 0;
    point.min = Number.NaN;
    point.max = Number.NaN;
    point.bounds = [];
    point.counts = [];
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === HISTOGRAM_ATTRIBUTES) this.#attribute(point, tagStart, end);
      else this.#histogramField(point, field, end);
    }
    this.#visitor.histogram(point);
  }

  #histogramField(point: HistogramPoint, field: number, end: number): void {
    const reader = this.#reader;
    if (reader.wireType === WIRE.fixed64) {
      switch (field) {
        case 2:
          reader.fixed64(end);
          point.startLow = reader.low;
          point.startHigh = reader.high;
          return;
        case 3:
          reader.fixed64(end);
          point.timeLow = reader.low;
          point.timeHigh = reader.high;
          return;
        case 4:
          point.count = reader.uint64(end);
          return;
        case 5:
          point.sum = reader.double(end);
          return;
        case 6:
          point.counts.push(reader.uint64(end));
          return;
        case 7:
          point.bounds.push(reader.double(end));
          return;
        case 11:
          point.min = reader.double(end);
          return;
        case 12:
          point.max = reader.double(end);
          return;
      }
    }
    if (field === 6 && reader.wireType === WIRE.bytes) {
      for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; )
        point.counts.push(reader.uint64(packedEnd));
    } else if (field === 7 && reader.wireType === WIRE.bytes) {
      for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; )
        point.bounds.push(reader.double(packedEnd));
    } else if (field === 10 && reader.wireType === WIRE.varint) {
      if (reader.varint(end) % 2 === NO_RECORDED_VALUE) point.isEmpty = true;
    } else reader.skip(end);
  }

  #exponentialPoint(end: number): void {
    const reader = this.#reader;
    const point: ExponentialPoint = {
      ...{ source: reader.bytes, start: 0, end: 0, timeLow: 0, timeHigh: 0, startLow: 0, startHigh: 0, isEmpty: false },
      ...{ count: 0, sum: 0, min: Number.NaN, max: Number.NaN, scale: 0, zeroCount: 0, zeroThreshold: 0 },
      positive: { offset: 0, counts: [] },
      negative: { offset: 0, counts: [] },
    };
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === EXPONENTIAL_ATTRIBUTES) this.#attribute(point, tagStart, end);
      else this.#exponentialField(point, field, end);
    }
    this.#visitor.exponential?.(point);
  }

  #exponentialField(point: ExponentialPoint, field: number, end: number): void {
    const reader = this.#reader;
    if (reader.wireType === WIRE.varint && field === 6) point.scale = zigzag(reader.varint(end));
    else if (reader.wireType === WIRE.varint && field === 10) {
      if (reader.varint(end) % 2 === NO_RECORDED_VALUE) point.isEmpty = true;
    } else if (reader.wireType === WIRE.bytes && field === 8) point.positive = this.#buckets(this.#enter(end));
    else if (reader.wireType === WIRE.bytes && field === 9) point.negative = this.#buckets(this.#enter(end));
    else if (reader.wireType !== WIRE.fixed64) reader.skip(end);
    else if (field === 2) {
      reader.fixed64(end);
      point.startLow = reader.low;
      point.startHigh = reader.high;
    } else if (field === 3) {
      reader.fixed64(end);
      point.timeLow = reader.low;
      point.timeHigh = reader.high;
    } else if (field === 4) point.count = reader.uint64(end);
    else if (field === 5) point.sum = reader.double(end);
    else if (field === 7) point.zeroCount = reader.uint64(end);
    else if (field === 12) point.min = reader.double(end);
    else if (field === 13) point.max = reader.double(end);
    else if (field === 14) point.zeroThreshold = reader.double(end);
    else reader.skip(end);
  }

  #summaryPoint(end: number): void {
    const reader = this.#reader;
    const point = newSummaryPoint(reader.bytes);
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const field = reader.field(end);
      if (field === NUMBER_ATTRIBUTES) this.#attribute(point, tagStart, end);
      else readSummaryField(reader, field, end, point);
    }
    this.#visitor.summary?.(point);
  }

  /** @throws OtlpError when there are more than {@link MAX_BUCKETS}. */
  #buckets(end: number): ExponentialBuckets {
    const reader = this.#reader;
    const buckets: ExponentialBuckets = { offset: 0, counts: [] };
    const add = (count: number) => {
      if (buckets.counts.length >= MAX_BUCKETS)
        throw new OtlpError(`The OTLP payload has an exponential histogram of more than ${MAX_BUCKETS} buckets.`);
      buckets.counts.push(count);
    };
    for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
      if (field === 1 && reader.wireType === WIRE.varint) buckets.offset = zigzag(reader.varint(end));
      else if (field === 2 && reader.wireType === WIRE.varint) add(reader.varint(end));
      else if (field === 2 && reader.wireType === WIRE.bytes) {
        for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; ) add(reader.varint(packedEnd));
      } else reader.skip(end);
    }
    return buckets;
  }

  /** Adds one KeyValue, whose tag began at `tagStart`, to the raw attributes of `point`. */
  #attribute(point: PointBase, tagStart: number, end: number): void {
    const reader = this.#reader;
    reader.expect(WIRE.bytes);
    reader.pos = reader.bytesEnd(end);
    if (point.end === point.start) {
      point.start = tagStart;
      point.end = reader.pos;
    } else if (point.source === reader.bytes && point.end === tagStart) point.end = reader.pos;
    else {
      // apart from the ones before: rare, and allowed by the format
      const before = point.source.subarray(point.start, point.end);
      point.source = Buffer.concat([before, reader.bytes.subarray(tagStart, reader.pos)]);
      point.start = 0;
      point.end = point.source.length;
    }
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

function reset(point: PointBase, source: Uint8Array): void {
  point.source = source;
  point.start = 0;
  point.end = 0;
  point.timeLow = 0;
  point.timeHigh = 0;
  point.startLow = 0;
  point.startHigh = 0;
}

/** A sint32 out of its varint. */
function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
