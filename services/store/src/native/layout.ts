/**
 * Where a column of each type ends in ClickHouse's Native format, so that blocks can be walked without decoding values.
 * Sources: docs "Native format" and src/DataTypes/Serializations of ClickHouse.
 */
import { refuse } from '../exceptions.ts';
import type { ByteRelay } from './byte-relay.ts';
import { elementType, parseType } from './data-type.ts';

/** How a column lies in a block: first what all its parts announce, then the values. */
export interface Layout {
  prefix: (relay: ByteRelay) => Promise<void>;
  values: (relay: ByteRelay, rows: number) => Promise<void>;
}

const WIDTHS: Readonly<Record<string, number>> = {
  Bool: 1,
  Int8: 1,
  UInt8: 1,
  Enum8: 1,
  Nothing: 1,
  Int16: 2,
  UInt16: 2,
  Enum16: 2,
  Date: 2,
  BFloat16: 2,
  Int32: 4,
  UInt32: 4,
  Float32: 4,
  Date32: 4,
  DateTime: 4,
  DateTime32: 4,
  IPv4: 4,
  Decimal32: 4,
  Time: 4,
  Int64: 8,
  UInt64: 8,
  Float64: 8,
  DateTime64: 8,
  Decimal64: 8,
  Time64: 8,
  Int128: 16,
  UInt128: 16,
  UUID: 16,
  IPv6: 16,
  Decimal128: 16,
  Int256: 32,
  UInt256: 32,
  Decimal256: 32,
};

/** Types that are other types by another name. */
const ALIASES: Readonly<Record<string, string>> = {
  Point: 'Tuple(Float64, Float64)',
  Ring: 'Array(Point)',
  LineString: 'Array(Point)',
  Polygon: 'Array(Ring)',
  MultiLineString: 'Array(LineString)',
  MultiPolygon: 'Array(Polygon)',
};

/**
 * The layout of a type.
 * @throws QueryException NOT_IMPLEMENTED for types whose extent only the engine knows (JSON, Variant, AggregateFunction …).
 */
export function layoutOf(text: string): Layout {
  const { name, args } = parseType(text);
  const alias = ALIASES[name];
  if (alias !== undefined) return layoutOf(alias);
  const width = name === 'Decimal' ? decimalWidth(Number(args[0])) : name.startsWith('Interval') ? 8 : WIDTHS[name];
  if (width !== undefined) return fixed(width);
  switch (name) {
    case 'String':
      return { prefix: nothing, values: (relay, rows) => relay.passStrings(rows) };
    case 'FixedString':
      return fixed(Number(args[0]));
    case 'Nullable':
      return nullable(layoutOf(args[0]!));
    case 'LowCardinality':
      return lowCardinality(layoutOf(withoutNullable(args[0]!)));
    case 'Array':
      return array(layoutOf(args[0]!));
    case 'Map':
      return array(tuple(args.map(layoutOf)));
    case 'Nested':
      return array(tuple(args.map((arg) => layoutOf(elementType(arg)))));
    case 'Tuple':
      return args.length === 0 ? fixed(1) : tuple(args.map((arg) => layoutOf(elementType(arg))));
    case 'SimpleAggregateFunction':
      return layoutOf(args[1]!);
    default:
      throw refuse(
        'NOT_IMPLEMENTED',
        `The embedded store cannot send a column of type ${text} in Native format to this client: select toString() or toJSONString() of it`,
      );
  }
}

async function nothing(): Promise<void> {}

function fixed(width: number): Layout {
  return { prefix: nothing, values: (relay, rows) => relay.pass(width * rows) };
}

function decimalWidth(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

function nullable(inner: Layout): Layout {
  return {
    prefix: inner.prefix,
    async values(relay, rows) {
      await relay.pass(rows);
      await inner.values(relay, rows);
    },
  };
}

function tuple(parts: readonly Layout[]): Layout {
  return {
    async prefix(relay) {
      for (const part of parts) await part.prefix(relay);
    },
    async values(relay, rows) {
      for (const part of parts) await part.values(relay, rows);
    },
  };
}

/** Offsets first; the last one is the number of values. */
function array(inner: Layout): Layout {
  return {
    prefix: inner.prefix,
    async values(relay, rows) {
      if (rows === 0) return;
      await relay.pass(8 * (rows - 1));
      await inner.values(relay, await relay.uint64());
    },
  };
}

const HAS_OWN_KEYS = 1 << 9;

/** A version ahead of all values; then flags, the keys, and for each row the number of its key. */
function lowCardinality(keys: Layout): Layout {
  return {
    prefix: (relay) => relay.pass(8),
    async values(relay, rows) {
      if (rows === 0) return;
      const flags = await relay.uint64();
      if (flags & HAS_OWN_KEYS) await keys.values(relay, await relay.uint64());
      const indexWidth = 1 << (flags & 0xff);
      await relay.pass(indexWidth * (await relay.uint64()));
    },
  };
}

function withoutNullable(text: string): string {
  const { name, args } = parseType(text);
  return name === 'Nullable' ? args[0]! : text;
}
