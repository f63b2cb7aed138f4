/**
 * One block in ClickHouse's Native format (HTTP flavour: no block info), column by column, straight from typed arrays.
 * Native spares the server parsing and hashing: a LowCardinality column travels as its dictionary and one small number
 * per row. Format: clickhouse.com/docs/interfaces/specs/nativeprotocol; both sides are little-endian.
 */

/** A column ready to be sent: bytes in order. */
export interface NativeColumn {
  readonly name: string;
  /** ClickHouse type; converted by the server when the table's differs. */
  readonly type: string;
  readonly parts: readonly Uint8Array[];
}

/** The bytes of one block of `rows` rows; the columns' bytes are handed through, not copied. */
export function nativeBlock(columns: readonly NativeColumn[], rows: number): Uint8Array[] {
  const parts: Uint8Array[] = [Buffer.concat([varint(columns.length), varint(rows)])];
  for (const column of columns) {
    parts.push(Buffer.concat([nativeText(column.name), nativeText(column.type)]), ...column.parts);
  }
  return parts;
}

/** A column of fixed-width values whose memory is its wire form. */
export function fixedColumn(name: string, type: string, values: Uint32Array | Float64Array): NativeColumn {
  return { name, type, parts: [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)] };
}

/** A LowCardinality(String) column: `dictionary[indices[row]]`. */
export function dictionaryColumn(name: string, dictionary: readonly string[], indices: Uint32Array): NativeColumn {
  const width = dictionary.length <= 0x100 ? 0 : dictionary.length <= 0x10000 ? 1 : 2;
  const narrow = width === 0 ? new Uint8Array(indices) : width === 1 ? new Uint16Array(indices) : indices;
  const head = Buffer.concat([
    uint64(SHARED_DICTIONARIES_WITH_ADDITIONAL_KEYS),
    uint64(HAS_ADDITIONAL_KEYS | NEED_UPDATE_DICTIONARY | width),
    uint64(dictionary.length),
    ...dictionary.map(nativeText),
    uint64(indices.length),
  ]);
  const body = new Uint8Array(narrow.buffer, narrow.byteOffset, narrow.byteLength);
  return { name, type: 'LowCardinality(String)', parts: [head, body] };
}

const SHARED_DICTIONARIES_WITH_ADDITIONAL_KEYS = 1;
const HAS_ADDITIONAL_KEYS = 1 << 9;
const NEED_UPDATE_DICTIONARY = 1 << 10;

function nativeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
