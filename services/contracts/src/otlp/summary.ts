/**
 * The fields of a SummaryDataPoint (opentelemetry-proto 1.x, metrics.proto). Before it: the walker in metrics.ts, which
 * reads the attributes; after it: rows of counters and gauges.
 */
import type { SummaryPoint } from './metric-points.ts';
import { newPointBase, readFlags, readTimeField } from './point-fields.ts';
import { OtlpError, WIRE, type WireReader } from './wire.ts';

/** Quantiles of one point at most; more is a broken or hostile sender. */
const MAX_QUANTILES = 100;

/** An empty point whose attributes lie in `source`. */
export function newSummaryPoint(source: Uint8Array): SummaryPoint {
  return { ...newPointBase(source), count: 0, sum: 0, quantiles: [] };
}

/** Reads one field that is no attribute into `point`. @throws OtlpError when it is broken or has too many quantiles */
export function readSummaryField(reader: WireReader, field: number, end: number, point: SummaryPoint): void {
  if (readTimeField(reader, field, end, point)) return;
  const { wireType } = reader;
  if (wireType === WIRE.fixed64 && field === 4) point.count = reader.uint64(end);
  else if (wireType === WIRE.fixed64 && field === 5) point.sum = reader.double(end);
  else if (wireType === WIRE.varint && field === 8) readFlags(reader, end, point);
  else if (wireType === WIRE.bytes && field === 6) {
    if (point.quantiles.length >= MAX_QUANTILES)
      throw new OtlpError(`The OTLP payload has a summary of more than ${MAX_QUANTILES} quantiles.`);
    point.quantiles.push(quantile(reader, reader.bytesEnd(end)));
  } else reader.skip(end);
}

function quantile(reader: WireReader, end: number): [number, number] {
  let at = 0;
  let value = 0;
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 1 && reader.wireType === WIRE.fixed64) at = reader.double(end);
    else if (field === 2 && reader.wireType === WIRE.fixed64) value = reader.double(end);
    else reader.skip(end);
  }
  return [at, value];
}
