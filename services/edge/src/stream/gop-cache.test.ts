// The GOP cache keeps what a decoder needs to start, within its bounds.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GopCache } from './gop-cache.ts';
import type { HubMessage } from './hub-log.ts';
import { AUDIO, type MediaKind, VIDEO } from './media.ts';

const message = (kind: MediaKind, timestamp: number, size = 10, slot = ''): HubMessage => ({
  type: kind === 'audio' ? AUDIO : VIDEO,
  kind,
  slot,
  timestamp,
  viewerTimestamp: timestamp,
  payload: Buffer.alloc(size),
  epoch: 1,
  sequence: 0,
  hops: 1,
  breaks: false,
});
const times = (cache: GopCache) => cache.gop.map(({ timestamp }) => timestamp);

describe('the GOP cache', () => {
  it('holds the messages since the newest key frame', () => {
    const cache = new GopCache({ maxBytes: 1_000, maxMs: 10_000 });
    for (const [kind, time] of [
      ['frame', 0],
      ['key', 40],
      ['audio', 50],
      ['key', 80],
      ['frame', 120],
    ] as const) {
      cache.push(message(kind, time));
    }
    assert.deepEqual(times(cache), [80, 120]);
    assert.equal(cache.sizeBytes, 20);
  });

  it('gives metadata first, then the newest header of each slot', () => {
    const cache = new GopCache({ maxBytes: 1_000, maxMs: 10_000 });
    cache.push(message('header', 0, 1, 'video'));
    cache.push(message('header', 0, 2, 'audio'));
    cache.push(message('metadata', 0, 3));
    cache.push(message('header', 0, 4, 'video'));
    assert.deepEqual(
      cache.headers().map(({ payload }) => payload.length),
      [3, 4, 2],
    );
  });

  it('is empty until the next key frame once it grew over its bytes or milliseconds', () => {
    for (const limits of [
      { maxBytes: 25, maxMs: 10_000 },
      { maxBytes: 1_000, maxMs: 70 },
    ]) {
      const cache = new GopCache(limits);
      for (const time of [0, 40, 80, 120]) cache.push(message(time === 0 ? 'key' : 'frame', time));
      assert.deepEqual(times(cache), []);
      cache.push(message('key', 160));
      assert.deepEqual(times(cache), [160]);
    }
  });

  it('of no bytes is off, headers apart', () => {
    const cache = new GopCache({ maxBytes: 0, maxMs: 10_000 });
    cache.push(message('header', 0, 1, 'video'));
    cache.push(message('key', 0));
    assert.deepEqual(times(cache), []);
    assert.equal(cache.headers().length, 1);
    assert.equal(cache.hasVideo, true);
  });
});
