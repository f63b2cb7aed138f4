/**
 * OTLP in JSON turned into OTLP in protobuf, so that everything behind the receiver knows one form only. As the OTLP
 * specification says: names in lowerCamelCase, unknown ones passed over, 64-bit numbers as text or number, enums as
 * numbers, trace and span ids in hex, other bytes in base64. Before it: an HTTP body; after it: the walkers beside it.
 */
import { OtlpError } from './wire.ts';
import { varintBytes, WireWriter } from './wire-writer.ts';

type Scalar = 'string' | 'double' | 'fixed64' | 'fixed32' | 'int' | 'sint' | 'bool' | 'base64' | 'hex';
/** Field number, then what it holds; a list repeats, numbers in it are packed. */
type Field = readonly [number: number, kind: Scalar | (() => Message), isList?: 'list'];
type Message = Readonly<Record<string, Field>>;

/** Values nest at most so deep: AnyValue in lists in AnyValue … */
const MAX_DEPTH = 32;

const anyValue = (): Message => ({
  stringValue: [1, 'string'],
  boolValue: [2, 'bool'],
  intValue: [3, 'int'],
  doubleValue: [4, 'double'],
  arrayValue: [5, () => ({ values: [1, anyValue, 'list'] })],
  kvlistValue: [6, () => ({ values: [1, keyValue, 'list'] })],
  bytesValue: [7, 'base64'],
});
const keyValue = (): Message => ({ key: [1, 'string'], value: [2, anyValue] });
const resource = (): Message => ({ attributes: [1, keyValue, 'list'], droppedAttributesCount: [2, 'int'] });
const scope = (): Message => ({ name: [1, 'string'], version: [2, 'string'], attributes: [3, keyValue, 'list'] });
const times: Message = { startTimeUnixNano: [2, 'fixed64'], timeUnixNano: [3, 'fixed64'] };
const numberPoint = (): Message => ({
  attributes: [7, keyValue, 'list'],
  ...times,
  asDouble: [4, 'double'],
  asInt: [6, 'fixed64'],
  flags: [8, 'int'],
});
const histogramPoint = (): Message => ({
  attributes: [9, keyValue, 'list'],
  ...times,
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  bucketCounts: [6, 'fixed64', 'list'],
  explicitBounds: [7, 'double', 'list'],
  flags: [10, 'int'],
  min: [11, 'double'],
  max: [12, 'double'],
});
const buckets = (): Message => ({ offset: [1, 'sint'], bucketCounts: [2, 'int', 'list'] });
const exponentialPoint = (): Message => ({
  attributes: [1, keyValue, 'list'],
  ...times,
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  scale: [6, 'sint'],
  zeroCount: [7, 'fixed64'],
  positive: [8, buckets],
  negative: [9, buckets],
  flags: [10, 'int'],
  min: [12, 'double'],
  max: [13, 'double'],
  zeroThreshold: [14, 'double'],
});
const summaryPoint = (): Message => ({
  attributes: [7, keyValue, 'list'],
  ...times,
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  quantileValues: [6, () => ({ quantile: [1, 'double'], value: [2, 'double'] }), 'list'],
  flags: [8, 'int'],
});
const temporality: Message = { aggregationTemporality: [2, 'int'] };
const metric = (): Message => ({
  name: [1, 'string'],
  description: [2, 'string'],
  unit: [3, 'string'],
  gauge: [5, () => ({ dataPoints: [1, numberPoint, 'list'] })],
  sum: [7, () => ({ dataPoints: [1, numberPoint, 'list'], ...temporality, isMonotonic: [3, 'bool'] })],
  histogram: [9, () => ({ dataPoints: [1, histogramPoint, 'list'], ...temporality })],
  exponentialHistogram: [10, () => ({ dataPoints: [1, exponentialPoint, 'list'], ...temporality })],
  summary: [11, () => ({ dataPoints: [1, summaryPoint, 'list'] })],
});
const logRecord = (): Message => ({
  timeUnixNano: [1, 'fixed64'],
  severityNumber: [2, 'int'],
  severityText: [3, 'string'],
  body: [5, anyValue],
  attributes: [6, keyValue, 'list'],
  flags: [8, 'fixed32'],
  traceId: [9, 'hex'],
  spanId: [10, 'hex'],
  observedTimeUnixNano: [11, 'fixed64'],
  eventName: [12, 'string'],
});
const scopeMetrics = (): Message => ({ scope: [1, scope], metrics: [2, metric, 'list'], schemaUrl: [3, 'string'] });
const scopeLogs = (): Message => ({ scope: [1, scope], logRecords: [2, logRecord, 'list'], schemaUrl: [3, 'string'] });

const REQUESTS = {
  metrics: {
    resourceMetrics: [
      1,
      () => ({ resource: [1, resource], scopeMetrics: [2, scopeMetrics, 'list'], schemaUrl: [3, 'string'] }),
      'list',
    ],
  },
  logs: {
    resourceLogs: [
      1,
      () => ({ resource: [1, resource], scopeLogs: [2, scopeLogs, 'list'], schemaUrl: [3, 'string'] }),
      'list',
    ],
  },
} as const satisfies Record<string, Message>;

/**
 * Protobuf of an export request in JSON.
 * @throws OtlpError naming the path of what is not as OTLP says.
 */
export function otlpFromJson(signal: keyof typeof REQUESTS, text: string): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new OtlpError('The OTLP payload is not valid JSON.');
  }
  return encode(REQUESTS[signal], value, '', 0);
}

function encode(message: Message, value: unknown, path: string, depth: number): Buffer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object');
  if (depth > MAX_DEPTH) throw new OtlpError(`The OTLP payload nests deeper than ${MAX_DEPTH} at ${path}.`);
  const writer = new WireWriter();
  for (const [name, child] of Object.entries(value)) {
    const field = Object.hasOwn(message, name) ? message[name] : undefined;
    if (!field || child === null || child === undefined) continue;
    const childPath = path === '' ? name : `${path}.${name}`;
    if (field[2] === 'list') list(writer, field, child, childPath, depth);
    else one(writer, field, child, childPath, depth);
  }
  return writer.finish();
}

function list(writer: WireWriter, [number, kind]: Field, value: unknown, path: string, depth: number): void {
  if (!Array.isArray(value)) throw wrong(path, 'a list');
  if (typeof kind === 'function') {
    const message = kind();
    for (const [at, item] of value.entries()) writer.bytes(number, encode(message, item, `${path}[${at}]`, depth + 1));
    return;
  }
  const packed = value.map((item: unknown, at) => {
    const itemPath = `${path}[${at}]`;
    if (kind === 'int') return varintBytes(whole(item, itemPath));
    const bytes = Buffer.alloc(8);
    if (kind === 'double') bytes.writeDoubleLE(double(item, itemPath));
    else bytes.writeBigUInt64LE(BigInt.asUintN(64, whole(item, itemPath)));
    return bytes;
  });
  if (packed.length > 0) writer.bytes(number, Buffer.concat(packed));
}

function one(writer: WireWriter, [number, kind]: Field, value: unknown, path: string, depth: number): void {
  if (typeof kind === 'function') {
    writer.bytes(number, encode(kind(), value, path, depth + 1));
    return;
  }
  switch (kind) {
    case 'string':
      writer.text(number, text(value, path));
      return;
    case 'double':
      writer.double(number, double(value, path));
      return;
    case 'fixed64':
      writer.fixed64(number, whole(value, path));
      return;
    case 'fixed32':
      writer.fixed32(number, Number(BigInt.asUintN(32, whole(value, path))));
      return;
    case 'int':
      writer.varint(number, whole(value, path));
      return;
    case 'sint': {
      const signed = BigInt.asIntN(32, whole(value, path));
      writer.varint(number, (signed << 1n) ^ (signed >> 63n));
      return;
    }
    case 'bool':
      if (typeof value !== 'boolean') throw wrong(path, 'true or false');
      writer.varint(number, value ? 1 : 0);
      return;
    case 'base64':
    case 'hex':
      writer.bytes(number, Buffer.from(text(value, path), kind));
      return;
  }
}

function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, 'text');
  return value;
}

/** A number, or as text a number, NaN or an infinity, which JSON has no other way to say. */
function double(value: unknown, path: string): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN') return Number.NaN;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw wrong(path, 'a number');
  return number;
}

function whole(value: unknown, path: string): bigint {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw wrong(path, 'a whole number');
}

function wrong(path: string, wanted: string): OtlpError {
  return new OtlpError(
    `The OTLP payload in JSON has no ${wanted.replace(/^an? /, '')} at ${path === '' ? 'its top' : path.slice(0, 300)}.`,
  );
}
