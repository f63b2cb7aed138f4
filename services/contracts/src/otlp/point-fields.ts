/**
 * What points of every kind share in their bytes (opentelemetry-proto 1.x, metrics.proto): both times, the flag that
 * says "no value", attributes as raw bytes. Before it: the walker in metrics.ts; after it: the readers of each kind.
 */
import type { PointBase } from './metric-points.ts';
import { WIRE, type WireReader } from './wire.ts';

/** Flag of DataPointFlags, its lowest bit. */
const NO_RECORDED_VALUE = 1;

/** A point of which nothing is known yet and whose attributes lie in `source`. */
export function newPointBase(source: Uint8Array): PointBase {
  return { source, start: 0, end: 0, timeLow: 0, timeHigh: 0, startLow: 0, startHigh: 0, isEmpty: false };
}

/** Makes a point that is used again like a new one; `isEmpty` is left to the caller. */
export function resetPointBase(point: PointBase, source: Uint8Array): void {
  point.source = source;
  point.start = 0;
  point.end = 0;
  point.timeLow = 0;
  point.timeHigh = 0;
  point.startLow = 0;
  point.startHigh = 0;
}

/**
 * Reads start_time_unix_nano (2) or time_unix_nano (3), which have these numbers in every kind of point; false when the
 * field is neither, and then nothing is read.
 * @throws OtlpError when it is cut short
 */
export function readTimeField(reader: WireReader, field: number, end: number, point: PointBase): boolean {
  if (reader.wireType !== WIRE.fixed64) return false;
  if (field === 3) {
    reader.fixed64(end);
    point.timeLow = reader.low;
    point.timeHigh = reader.high;
    return true;
  }
  if (field !== 2) return false;
  reader.fixed64(end);
  point.startLow = reader.low;
  point.startHigh = reader.high;
  return true;
}

/** Whether DataPointFlags say that the sender has no value. */
export function saysNoValue(flags: number): boolean {
  return flags % 2 === NO_RECORDED_VALUE;
}

/** Reads DataPointFlags: a point that has no value is marked as empty. @throws OtlpError when they are cut short */
export function readFlags(reader: WireReader, end: number, point: PointBase): void {
  if (saysNoValue(reader.varint(end))) point.isEmpty = true;
}

/**
 * Adds one KeyValue, whose tag began at `tagStart`, to the raw attributes of `point`.
 * @throws OtlpError when it is no message or is cut short
 */
export function readAttributeField(reader: WireReader, tagStart: number, end: number, point: PointBase): void {
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
