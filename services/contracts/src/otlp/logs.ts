/**
 * Walks an OTLP ExportLogsServiceRequest and hands over one record at a time, so that a message of very many tiny
 * records costs no more than itself. Field numbers: opentelemetry-proto 1.x, logs.proto.
 */
import { type Attributes, type AttributeValue, readAnyValue, readKeyValue } from './attributes.ts';
import { nanosToMillis, WIRE, WireReader } from './wire.ts';

/** One log record; `eventName` is empty unless it is an event. */
export interface LogRecord {
  /** Unix time, ms: when it happened, else when it was observed; 0 when the sender told neither. */
  timeMs: number;
  /** 1-24, 0 = unspecified. */
  severityNumber: number;
  severityText: string;
  eventName: string;
  body: AttributeValue;
  attributes: Attributes;
}

/** Told in the order of the bytes. */
export interface LogsVisitor {
  /** A resource, as the raw bytes of its message; false passes over all its records. */
  resource(bytes: Buffer): boolean;
  /** The record is the visitor's to keep. */
  record(record: LogRecord): void;
}

const NOTHING = Buffer.alloc(0);

/**
 * Walks `bytes`.
 * @throws OtlpError when they are broken; the visitor may have been told of what stood before.
 */
export function walkLogs(bytes: Uint8Array, visitor: LogsVisitor): void {
  const reader = new WireReader(bytes);
  const end = reader.length;
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 1) resourceLogs(reader, enter(reader, end), visitor);
    else reader.skip(end);
  }
}

function resourceLogs(reader: WireReader, end: number, visitor: LogsVisitor): void {
  const start = reader.pos;
  let resource: Buffer = NOTHING;
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field !== 1) reader.skip(end);
    else {
      const resourceEnd = enter(reader, end);
      resource = reader.bytes.subarray(reader.pos, resourceEnd);
      reader.pos = resourceEnd;
    }
  }
  if (!visitor.resource(resource)) return;
  reader.pos = start;
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 2) scopeLogs(reader, enter(reader, end), visitor);
    else reader.skip(end);
  }
}

function scopeLogs(reader: WireReader, end: number, visitor: LogsVisitor): void {
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 2) visitor.record(logRecord(reader, enter(reader, end)));
    else reader.skip(end);
  }
}

function logRecord(reader: WireReader, end: number): LogRecord {
  const record: LogRecord = {
    timeMs: 0,
    severityNumber: 0,
    severityText: '',
    eventName: '',
    body: undefined,
    attributes: new Map(),
  };
  let observedMs = 0;
  for (let field = reader.field(end); field !== 0; field = reader.field(end)) {
    if (field === 1) record.timeMs = time(reader, end);
    else if (field === 11) observedMs = time(reader, end);
    else if (field === 2 && reader.wireType === WIRE.varint) record.severityNumber = reader.varint(end);
    else if (field === 3 && reader.wireType === WIRE.bytes) record.severityText = reader.text(end);
    else if (field === 5) record.body = readAnyValue(reader, end);
    else if (field === 6) readKeyValue(reader, end, record.attributes);
    else if (field === 12 && reader.wireType === WIRE.bytes) record.eventName = reader.text(end);
    else reader.skip(end);
  }
  if (record.timeMs === 0) record.timeMs = observedMs;
  return record;
}

function time(reader: WireReader, end: number): number {
  reader.expect(WIRE.fixed64);
  reader.fixed64(end);
  return nanosToMillis(reader.low, reader.high);
}

function enter(reader: WireReader, end: number): number {
  reader.expect(WIRE.bytes);
  return reader.bytesEnd(end);
}
