/** OTLP attributes (KeyValue, AnyValue) as plain values. Rare work: once per new resource, series or log record. */
import { OtlpError, WIRE, type WireReader } from './wire.ts';

/** Value of an attribute or the body of a log record. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | undefined
  | AttributeValue[]
  | { [key: string]: AttributeValue };

/** Attributes in the order they came; of a repeated key the last one counts. */
export type Attributes = Map<string, AttributeValue>;

/** Arrays and maps inside a value at most this deep. */
const MAX_DEPTH = 8;

/** Attributes of one thing at most; more is a broken or hostile sender. */
export const MAX_ATTRIBUTES = 1_000;

/**
 * All fields numbered `field` in `reader` up to `end`, each a KeyValue; other fields are passed over. Moves the reader
 * to `end`.
 * @throws OtlpError when they are broken, deeper than 8 or more than {@link MAX_ATTRIBUTES}.
 */
export function readAttributes(reader: WireReader, end: number, field: number): Attributes {
  const attributes: Attributes = new Map();
  for (let number = reader.field(end); number !== 0; number = reader.field(end)) {
    if (number === field) readKeyValue(reader, end, attributes);
    else reader.skip(end);
  }
  return attributes;
}

/** Reads one KeyValue (its field number is already read) into `into`. */
export function readKeyValue(reader: WireReader, end: number, into: Attributes, depth = 0): void {
  reader.expect(WIRE.bytes);
  const pairEnd = reader.bytesEnd(end);
  let key = '';
  let value: AttributeValue;
  for (let number = reader.field(pairEnd); number !== 0; number = reader.field(pairEnd)) {
    if (number === 1) {
      reader.expect(WIRE.bytes);
      key = reader.text(pairEnd);
    } else if (number === 2) value = readAnyValue(reader, pairEnd, depth);
    else reader.skip(pairEnd);
  }
  if (into.size >= MAX_ATTRIBUTES)
    throw new OtlpError(`The OTLP payload has more than ${MAX_ATTRIBUTES} attributes on one thing.`);
  into.set(key, value);
}

/** Reads an AnyValue whose field number is already read. */
export function readAnyValue(reader: WireReader, end: number, depth = 0): AttributeValue {
  if (depth > MAX_DEPTH) throw new OtlpError(`The OTLP payload nests values deeper than ${MAX_DEPTH}.`);
  reader.expect(WIRE.bytes);
  const valueEnd = reader.bytesEnd(end);
  let value: AttributeValue;
  for (let number = reader.field(valueEnd); number !== 0; number = reader.field(valueEnd)) {
    value = readKnownValue(reader, valueEnd, number, depth);
  }
  return value;
}

function readKnownValue(reader: WireReader, end: number, number: number, depth: number): AttributeValue {
  switch (number) {
    case 1:
      reader.expect(WIRE.bytes);
      return reader.text(end);
    case 2:
      reader.expect(WIRE.varint);
      return reader.varint(end) !== 0;
    case 3:
      reader.expect(WIRE.varint);
      return reader.int64(end);
    case 4:
      reader.expect(WIRE.fixed64);
      return reader.double(end);
    case 5:
      return readArray(reader, end, depth);
    case 6:
      return readMap(reader, end, depth);
    case 7: {
      reader.expect(WIRE.bytes);
      const bytesEnd = reader.bytesEnd(end);
      const bytes = reader.bytes.subarray(reader.pos, bytesEnd);
      reader.pos = bytesEnd;
      return bytes;
    }
    default:
      reader.skip(end);
      return undefined;
  }
}

function readArray(reader: WireReader, end: number, depth: number): AttributeValue[] {
  reader.expect(WIRE.bytes);
  const arrayEnd = reader.bytesEnd(end);
  const values: AttributeValue[] = [];
  for (let number = reader.field(arrayEnd); number !== 0; number = reader.field(arrayEnd)) {
    if (number === 1) values.push(readAnyValue(reader, arrayEnd, depth + 1));
    else reader.skip(arrayEnd);
  }
  return values;
}

function readMap(reader: WireReader, end: number, depth: number): { [key: string]: AttributeValue } {
  reader.expect(WIRE.bytes);
  const mapEnd = reader.bytesEnd(end);
  const map: Attributes = new Map();
  for (let number = reader.field(mapEnd); number !== 0; number = reader.field(mapEnd)) {
    if (number === 1) readKeyValue(reader, mapEnd, map, depth + 1);
    else reader.skip(mapEnd);
  }
  return Object.fromEntries(map);
}

/** A value as text for a column of strings: itself when it is text, JSON when it is a list or a map, bytes as base64. */
export function attributeText(value: AttributeValue): string {
  if (value === undefined) return '';
  if (typeof value === 'object') return JSON.stringify(value, jsonValue) ?? '';
  return String(value);
}

function jsonValue(this: unknown, key: string, value: unknown): unknown {
  // Buffers bring a toJSON of their own: look at what it was called on
  const original = key === '' ? value : (this as Record<string, unknown>)[key];
  if (original instanceof Uint8Array) return Buffer.from(original).toString('base64');
  return typeof value === 'bigint' ? String(value) : value;
}
