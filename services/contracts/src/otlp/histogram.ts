/**
 * The fields of a HistogramDataPoint and of an ExponentialHistogramDataPoint (opentelemetry-proto 1.x, metrics.proto).
 * Before it: the walker in metrics.ts, which reads the attributes; after it: rows of histograms.
 */
import type { ExponentialBuckets, ExponentialPoint, HistogramPoint } from './metric-points.ts';
import { newPointBase, readFlags, readTimeField, resetPointBase } from './point-fields.ts';
import { OtlpError, WIRE, type WireReader } from './wire.ts';

/** Buckets of one exponential point at most; more is a broken or hostile sender. */
const MAX_BUCKETS = 10_000;

/** An empty point whose attributes lie in `source`. */
export function newHistogramPoint(source: Uint8Array): HistogramPoint {
  return { ...newPointBase(source), count: 0, sum: 0, min: Number.NaN, max: Number.NaN, bounds: [], counts: [] };
}

/** Makes a point that is used again like a new one, with arrays of its own. */
export function resetHistogramPoint(point: HistogramPoint, source: Uint8Array): void {
  resetPointBase(point, source);
  point.isEmpty = false;
  point.count = 0;
  point.sum = 0;
  point.min = Number.NaN;
  point.max = Number.NaN;
  point.bounds = [];
  point.counts = [];
}

/** Reads one field that is no attribute into `point`. @throws OtlpError when it is broken */
export function readHistogramField(reader: WireReader, field: number, end: number, point: HistogramPoint): void {
  if (readTimeField(reader, field, end, point)) return;
  const { wireType } = reader;
  if (wireType === WIRE.fixed64 && field === 4) point.count = reader.uint64(end);
  else if (wireType === WIRE.fixed64 && field === 5) point.sum = reader.double(end);
  else if (wireType === WIRE.fixed64 && field === 6) point.counts.push(reader.uint64(end));
  else if (wireType === WIRE.fixed64 && field === 7) point.bounds.push(reader.double(end));
  else if (wireType === WIRE.fixed64 && field === 11) point.min = reader.double(end);
  else if (wireType === WIRE.fixed64 && field === 12) point.max = reader.double(end);
  else if (wireType === WIRE.varint && field === 10) readFlags(reader, end, point);
  else if (wireType === WIRE.bytes && field === 6) {
    for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; ) point.counts.push(reader.uint64(packedEnd));
  } else if (wireType === WIRE.bytes && field === 7) {
    for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; ) point.bounds.push(reader.double(packedEnd));
  } else reader.skip(end);
}

/** An empty point whose attributes lie in `source`. */
export function newExponentialPoint(source: Uint8Array): ExponentialPoint {
  return {
    ...newPointBase(source),
    ...{ count: 0, sum: 0, min: Number.NaN, max: Number.NaN, scale: 0, zeroCount: 0, zeroThreshold: 0 },
    positive: { offset: 0, counts: [] },
    negative: { offset: 0, counts: [] },
  };
}

/** Reads one field that is no attribute into `point`. @throws OtlpError when it is broken or has too many buckets */
export function readExponentialField(reader: WireReader, field: number, end: number, point: ExponentialPoint): void {
  if (readTimeField(reader, field, end, point)) return;
  const { wireType } = reader;
  if (wireType === WIRE.fixed64 && field === 4) point.count = reader.uint64(end);
  else if (wireType === WIRE.fixed64 && field === 5) point.sum = reader.double(end);
  else if (wireType === WIRE.varint && field === 6) point.scale = zigzag(reader.varint(end));
  else if (wireType === WIRE.fixed64 && field === 7) point.zeroCount = reader.uint64(end);
  else if (wireType === WIRE.bytes && field === 8) point.positive = buckets(reader, reader.bytesEnd(end));
  else if (wireType === WIRE.bytes && field === 9) point.negative = buckets(reader, reader.bytesEnd(end));
  else if (wireType === WIRE.varint && field === 10) readFlags(reader, end, point);
  else if (wireType === WIRE.fixed64 && field === 12) point.min = reader.double(end);
  else if (wireType === WIRE.fixed64 && field === 13) point.max = reader.double(end);
  else if (wireType === WIRE.fixed64 && field === 14) point.zeroThreshold = reader.double(end);
  else reader.skip(end);
}

function buckets(reader: WireReader, end: number): ExponentialBuckets {
  const found: ExponentialBuckets = { offset: 0, counts: [] };
  const add = (count: number) => {
    if (found.counts.length >= MAX_BUCKETS)
      throw new OtlpError(`The OTLP payload has an exponential histogram of more than ${MAX_BUCKETS} buckets.`);
    found.counts.push(count);
  };
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 1 && reader.wireType === WIRE.varint) found.offset = zigzag(reader.varint(end));
    else if (field === 2 && reader.wireType === WIRE.varint) add(reader.varint(end));
    else if (field === 2 && reader.wireType === WIRE.bytes) {
      for (const packedEnd = reader.bytesEnd(end); reader.pos < packedEnd; ) add(reader.varint(packedEnd));
    } else reader.skip(end);
  }
  return found;
}

/** A sint32 out of its varint. */
function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
