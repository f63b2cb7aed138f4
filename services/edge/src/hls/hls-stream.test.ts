/** What a stream as HLS keeps: what its playlist lists, and a while longer what older playlists listed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HubMessage } from '../stream/hub-log.ts';
import { toMedia, VIDEO } from '../stream/media.ts';
import { HlsStream } from './hls-stream.ts';

const SEGMENT_MS = 1_000;
const FRAME_MS = 100;
const FRAME_BYTES = 1_000;

/** An H.264 stream with a key frame each second, and its segments by number as its playlists named them. */
function streamed(seconds: number, limits: { segments: number; maxBytes: number }) {
  const epoch = Date.now();
  const stream = new HlsStream({ segmentMs: SEGMENT_MS, partMs: 500, ...limits });
  const push = (timestamp: number, payload: Buffer) => {
    const media = toMedia(VIDEO, timestamp, payload);
    const place = { viewerTimestamp: timestamp, epoch, sequence: 0, hops: 1, breaks: false };
    stream.push({ ...media, ...place } as HubMessage);
  };
  push(0, Buffer.from('1700000000016400', 'hex'));
  const named = new Map<number, string>();
  for (let at = 0; at < seconds * SEGMENT_MS; at += FRAME_MS) {
    const frame = Buffer.alloc(FRAME_BYTES);
    frame.writeUInt16BE(at % SEGMENT_MS === 0 ? 0x1701 : 0x2701);
    push(at, frame);
    for (const [, name = '', number] of stream.playlist('x', '').matchAll(/(\w+-(\d+)\.m4s)\s/g)) {
      named.set(Number(number), name);
    }
  }
  const numbers = [...named.keys()].sort((a, b) => a - b);
  const listed = [...stream.playlist('x', '').matchAll(/-(\d+)\.m4s\s/g)].map(([, number]) => Number(number));
  const given = numbers.filter((segment) => stream.file({ file: '', media: { epoch, segment, part: undefined } }));
  return { numbers, listed, given };
}

describe('a stream as HLS', () => {
  it('gives segments for as long again as they were listed, and no longer', () => {
    const { numbers, listed, given } = streamed(20, { segments: 3, maxBytes: 1_000_000 });
    assert.ok(numbers.length > 10, `${numbers.length} segments`);
    assert.deepEqual(listed, numbers.slice(-3));
    assert.deepEqual(given, numbers.slice(-6));
  });

  it('keeps within its bytes, those included', () => {
    const { listed, given } = streamed(20, { segments: 3, maxBytes: 55_000 });
    assert.equal(listed.length, 3);
    assert.ok(given.length >= 3 && given.length < 6, `${given.length} segments of some 11 kB, one of them begun`);
  });
});
