/** The Native format as clients of a named revision expect it, byte by byte. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TruncatedInput } from './byte-relay.ts';
import { elementType, parseType } from './data-type.ts';
import { writeForRevision } from './revision.ts';

const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
const uint64 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => {
    bytes.writeBigUInt64LE(BigInt(value), 8 * index);
  });
  return bytes;
};

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function revise(bytes: Buffer, size: number, revision = 54_460): Promise<Buffer> {
  const out: Buffer[] = [];
  const sink = async (chunk: Buffer): Promise<void> => {
    out.push(Buffer.from(chunk));
  };
  await writeForRevision(cut(bytes, size), sink, revision);
  return Buffer.concat(out);
}

/** Two rows of an array of low-cardinality strings and of a nullable number, as the engine writes them. */
const KEYED = Buffer.concat([
  uint64(1),
  uint64(1, 3),
  uint64(0x200 | 0),
  uint64(2),
  text(''),
  text('long'),
  uint64(3),
  Buffer.from([1, 0, 1]),
]);
const NULLABLE = Buffer.from([0, 1, 7, 0, 0, 0]);
const PREAMBLE = Buffer.from('010002ffffffff00', 'hex');
const FLAG = Buffer.from([0]);
const block = (preamble: Buffer, flag: Buffer): Buffer =>
  Buffer.concat([
    preamble,
    Buffer.from([2, 2]),
    text('k'),
    text('Array(LowCardinality(String))'),
    flag,
    KEYED,
    text('n'),
    text('Nullable(UInt16)'),
    flag,
    NULLABLE,
  ]);
const NONE = Buffer.alloc(0);

describe('Native for a revision', () => {
  it('has the preamble and the flags wherever the input is cut', async () => {
    const plain = Buffer.concat([block(NONE, NONE), block(NONE, NONE)]);
    const expected = Buffer.concat([block(PREAMBLE, FLAG), block(PREAMBLE, FLAG)]).toString('hex');
    for (let size = 1; size <= plain.length; size++)
      assert.equal((await revise(plain, size)).toString('hex'), expected);
  });

  it('has the preamble only before custom serializations came', async () => {
    assert.deepEqual(await revise(block(NONE, NONE), 7, 54_405), block(PREAMBLE, NONE));
  });

  it('has nothing behind the header of a block without rows', async () => {
    const empty = Buffer.concat([Buffer.from([1, 0]), text('j'), text('JSON')]);
    assert.equal((await revise(empty, 3)).length, empty.length + 9);
  });

  it('says which type it cannot write, and that an input was cut off', async () => {
    const json = Buffer.concat([Buffer.from([1, 1]), text('j'), text('JSON'), NONE]);
    await assert.rejects(revise(json, 99), { clickhouseCode: 48, message: /JSON.*toJSONString/ });
    await assert.rejects(revise(block(NONE, NONE).subarray(0, -1), 99), TruncatedInput);
  });
});

describe('a data type', () => {
  it('is split at its outer commas only', () => {
    assert.deepEqual(parseType("Tuple(a Enum8('x,)' = 1), `b c` Map(String, Decimal(9, 2)))"), {
      name: 'Tuple',
      args: ["a Enum8('x,)' = 1)", '`b c` Map(String, Decimal(9, 2))'],
    });
    assert.deepEqual(parseType('DateTime'), { name: 'DateTime', args: [] });
  });

  it('of an element may have a name before it', () => {
    assert.deepEqual(['a String', '`b c` Array(String)', 'Decimal(9, 2)', 'String'].map(elementType), [
      'String',
      'Array(String)',
      'Decimal(9, 2)',
      'String',
    ]);
  });
});
