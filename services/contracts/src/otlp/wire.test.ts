/** The wire reader must give what was written and never read past its message, whatever the bytes say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nanosToMillis, OtlpError, WireReader } from './wire.ts';

const reader = (...bytes: number[]) => new WireReader(Uint8Array.from(bytes));

describe('the wire reader', () => {
  it('reads varints up to 2^53 and signed 64-bit ones exactly', () => {
    assert.equal(reader(0x00).varint(1), 0);
    assert.equal(reader(0xac, 0x02).varint(2), 300);
    assert.equal(reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f).varint(8), Number.MAX_SAFE_INTEGER);
    const minusOne = reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    assert.equal(minusOne.int64(10), -1);
    const largest = reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
    assert.equal(largest.int64(9), 9_223_372_036_854_775_807n);
  });

  it('turns nanoseconds into the right millisecond where a double of nanoseconds can’t', () => {
    for (const timeMs of [0, 1, 1_700_000_000_123, 1_763_837_315_040, 4_102_444_800_000]) {
      for (const rest of [0n, 1n, 999_999n]) {
        const nanos = BigInt(timeMs) * 1_000_000n + rest;
        assert.equal(nanosToMillis(Number(nanos & 0xffff_ffffn), Number(nanos >> 32n)), timeMs);
      }
    }
  });

  it('refuses lengths beyond the message that holds them, endless varints and groups', () => {
    const broken = [
      () => reader(0x05, 1, 2).bytesEnd(3),
      () => reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01).bytesEnd(10),
      () => reader(...new Array(11).fill(0x80)).varint(11),
      () => reader(0x80).varint(1),
      () => reader(1, 2, 3).fixed64(3),
      () => reader(1, 2, 3).double(3),
      () => reader(0x00).field(1),
    ];
    for (const read of broken) assert.throws(read, OtlpError);
    const group = reader(0x0b);
    assert.equal(group.field(1), 1);
    assert.throws(() => group.skip(1), OtlpError);
  });

  it('passes over fields of every kind it knows', () => {
    const message = reader(0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 9, 9, 0x25, 1, 2, 3, 4);
    const seen = [];
    for (let field = message.field(21); field !== 0; field = message.field(21)) {
      seen.push(field);
      message.skip(21);
    }
    assert.deepEqual(seen, [1, 2, 3, 4]);
  });
});
