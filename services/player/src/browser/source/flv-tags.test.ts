/** Reading along an FLV stream, however its bytes are split. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FlvTagReader } from './flv-tags.ts';

const text = (value: string) => [value.length >> 8, value.length & 0xff, ...new TextEncoder().encode(value)];
const number = (value: number) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return [...bytes];
};

function tag(type: number, timestamp: number, data: number[]): number[] {
  const size = [data.length >> 16, (data.length >> 8) & 0xff, data.length & 0xff];
  const time = [(timestamp >> 16) & 0xff, (timestamp >> 8) & 0xff, timestamp & 0xff, timestamp >>> 24];
  return [type, ...size, ...time, 0, 0, 0, ...data, 0, 0, 0, 0];
}

const HEADER = [0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0];
const INFO = tag(18, 0, [
  ...[2, ...text('onWeir'), 3],
  ...[...text('node'), 2, ...text('edge-1')],
  ...[...text('connection'), 2, ...text('c-1')],
  ...[...text('serverTimeMs'), 0, ...number(1_795_000_000_000)],
  ...[...text('timestampMs'), 0, ...number(4_294_967_290)],
  ...[0, 0, 9],
]);
const META = tag(18, 0, [2, ...text('onMetaData'), 8, 0, 0, 0, 1, ...text('width'), 0, ...number(1_280), 0, 0, 9]);
const MEDIA = [...tag(9, 0xfffffff0, [0x17, 1, 0, 0, 0, 1, 2, 3]), ...tag(8, 12, [0xaf, 1, 2])];
const STREAM = Uint8Array.from([...HEADER, ...INFO, ...META, ...MEDIA]);

describe('the FLV tag reader', () => {
  for (const size of [1, 2, 7, 64, STREAM.length]) {
    it(`finds the edge's tag and the newest timestamp in pieces of ${size} bytes`, () => {
      const reader = new FlvTagReader();
      for (let at = 0; at < STREAM.length; at += size) reader.push(STREAM.subarray(at, at + size));
      assert.deepEqual(reader.info, {
        node: 'edge-1',
        connection: 'c-1',
        serverTimeMs: 1_795_000_000_000,
        timestampMs: 4_294_967_290,
      });
      assert.equal(reader.newestTimestampMs, 12);
    });
  }

  it('knows timestamps beyond 24 bits, and that another script tag is not the edge’s', () => {
    const reader = new FlvTagReader();
    reader.push(Uint8Array.from([...HEADER, ...META, ...tag(9, 0xfffffff0, [1])]));
    assert.equal(reader.info, undefined);
    assert.equal(reader.newestTimestampMs, 0xfffffff0);
  });

  it('is not led astray by a script tag that is cut off inside', () => {
    const reader = new FlvTagReader();
    reader.push(Uint8Array.from([...HEADER, ...tag(18, 0, [2, 0, 200, 1]), ...tag(8, 7, [1])]));
    assert.equal(reader.info, undefined);
    assert.equal(reader.newestTimestampMs, 7);
  });
});
