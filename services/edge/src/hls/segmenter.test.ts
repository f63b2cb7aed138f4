/** Where segments and parts begin: the same for whoever comes early, late, or to a stream of odd key frames. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HubMessage } from '../stream/hub-log.ts';
import type { Tracks } from './init-segment.ts';
import { type Part, Segmenter } from './segmenter.ts';

const EPOCH = 1_795_000_000_123;
const FRAME_MS = 40;
const PERIOD_MS = 2 ** 32;
const TRACKS: Tracks = {
  video: { codec: 'avc1', data: Buffer.from([1, 100, 0, 31]) },
  audio: undefined,
  width: 1_280,
  height: 720,
};

/** Frames 40 ms apart from `fromMs` on; a key frame every `gopMs`, the first at `keyAtMs`. Timestamps wrap. */
function frames(fromMs: number, untilMs: number, gopMs: number, keyAtMs = 0): HubMessage[] {
  const messages: HubMessage[] = [];
  for (let at = fromMs; at < untilMs; at += FRAME_MS) {
    const timestamp = at % PERIOD_MS;
    const isKey = (at - keyAtMs) % gopMs === 0;
    const payload = Buffer.from([isKey ? 0x17 : 0x27, 1, 0, 0, 0, timestamp & 0xff, (timestamp >> 8) & 0xff, 7]);
    const place = { epoch: EPOCH, sequence: at / FRAME_MS, hops: 1, breaks: false, slot: '' };
    messages.push({ type: 9, timestamp, viewerTimestamp: timestamp, payload, kind: isKey ? 'key' : 'frame', ...place });
  }
  return messages;
}

/** @param cameMs how long the publisher had been there. */
function cut(messages: readonly HubMessage[], epoch = EPOCH, cameMs = 0): Part[] {
  const parts: Part[] = [];
  const segmenter = new Segmenter(TRACKS, epoch, {
    segmentMs: 2_000,
    partMs: 500,
    nowMs: () => epoch + cameMs,
    onPart: (part) => parts.push(part),
  });
  for (const message of messages) segmenter.push(message);
  return parts;
}

const keyOf = ({ segment, index, data, independent, last }: Part) => [
  segment,
  index,
  independent,
  last,
  data.toString('hex'),
];

describe('the segmenter', () => {
  it('cuts at key frames and numbers without holes', () => {
    const parts = cut(frames(0, 20_000, 2_000));
    const first = parts.filter(({ index }) => index === 0);
    assert.ok(first.every(({ independent }) => independent));
    const numbers = [...new Set(parts.map(({ segment }) => segment))];
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
    );
    for (const { durationMs } of parts) assert.ok(durationMs <= 520, `${durationMs} ms`);
  });

  for (const [gopMs, keyAtMs] of [
    [2_000, 0],
    [520, 120],
    [1_400, 80],
    [3_000, 0],
    [10_000, 400],
  ] as const) {
    it(`gives the same parts to who comes late, with key frames every ${gopMs} ms`, () => {
      const all = cut(frames(0, 40_000, gopMs, keyAtMs));
      const numbers = [...new Set(all.map(({ segment }) => segment))];
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => (numbers[0] ?? 0) + index),
        'no holes',
      );
      // A newcomer begins at a key frame: the GOP cache gives it one.
      for (const fromMs of [keyAtMs + gopMs, keyAtMs + 3 * gopMs].filter((ms) => ms < 30_000)) {
        const late = cut(frames(fromMs, 40_000, gopMs, keyAtMs));
        assert.ok(late.length > 4, `${late.length} parts`);
        const known = new Map(all.map((part) => [`${part.segment}.${part.index}`, part]));
        for (const part of late) {
          const same = known.get(`${part.segment}.${part.index}`);
          assert.ok(same, `${part.segment}.${part.index} is known`);
          assert.deepEqual(keyOf(part), keyOf(same));
        }
      }
    });
  }

  it('goes on over the wrap of timestamps after 49.7 days, the same for who comes before, at and after it', () => {
    const start = PERIOD_MS - 10_096;
    const all = cut(frames(start, start + 40_000, 2_000, start), EPOCH, start);
    const numbers = [...new Set(all.map(({ segment }) => segment))];
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
      'no holes',
    );
    for (const [index, { startedAtMs, durationMs }] of all.entries())
      assert.equal(startedAtMs + durationMs, all[index + 1]?.startedAtMs ?? startedAtMs + durationMs);
    const known = new Map(all.map((part) => [`${part.segment}.${part.index}`, part]));
    for (const laterMs of [4_000, 10_000, 12_000, 20_000]) {
      const from = start + laterMs;
      const late = cut(frames(from, start + 40_000, 2_000, start), EPOCH, from);
      assert.ok(late.length > 20, `${late.length} parts`);
      for (const part of late) {
        const same = known.get(`${part.segment}.${part.index}`);
        assert.ok(same, `${part.segment}.${part.index} is known`);
        assert.deepEqual(keyOf(part), keyOf(same));
      }
    }
  });

  it('begins anew where the publisher counts anew, as one who comes in then', () => {
    const again = frames(0, 20_000, 2_000);
    const both = cut([...frames(100_000, 111_000, 2_000, 100_000), ...again], EPOCH, 100_000);
    const newcomer = cut(again, EPOCH, 100_000);
    assert.ok(newcomer.length > 20);
    assert.deepEqual(both.slice(-newcomer.length).map(keyOf), newcomer.map(keyOf));
    for (const { durationMs } of both) assert.ok(durationMs > 0 && durationMs <= 520, `${durationMs} ms`);
  });

  it('numbers a later publisher higher', () => {
    const before = cut(frames(0, 10_000, 2_000)).at(-1)?.segment ?? 0;
    const after = cut(frames(0, 10_000, 2_000), EPOCH + 12_000)[0]?.segment ?? 0;
    assert.ok(after > before);
  });
});
