/** The bundled clip and its endless loop. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { loopFrames, readClip } from '@weir/edge/relay/clip';

const DEMO = new URL('../../assets/demo.flv', import.meta.url);
const AUDIO = 8;
const VIDEO = 9;
const DATA = 18;

describe('the demo clip', () => {
  const clip = readClip(DEMO);

  it('is at most a megabyte of H.264 and AAC that begins with a key frame', () => {
    assert.ok(statSync(DEMO).size <= 1_000_000);
    assert.deepEqual(clip.headers.map((header) => header.type).toSorted(), [AUDIO, VIDEO, DATA].toSorted());
    const first = clip.frames.find((frame) => frame.type === VIDEO);
    assert.equal(first?.payload[0], 0x17);
    assert.ok(clip.frames.filter((frame) => frame.type === AUDIO).every((frame) => frame.payload[0] === 0xaf));
  });

  it('loops with timestamps that only grow, at its own pace across the seam', () => {
    const times: Record<number, number[]> = { [AUDIO]: [], [VIDEO]: [] };
    for (const frame of loopFrames(clip)) {
      if (frame.timestampMs > clip.lengthMs * 2.5) break;
      times[frame.type]?.push(frame.timestampMs);
    }
    for (const [type, mostMs] of [
      [VIDEO, 45],
      [AUDIO, 30],
    ] as const) {
      const steps = (times[type] ?? []).slice(1).map((time, index) => time - (times[type]?.[index] ?? 0));
      assert.ok(steps.length > clip.lengthMs / 50);
      assert.ok(
        Math.min(...steps) > 0 && Math.max(...steps) <= mostMs,
        `${type}: ${Math.min(...steps)}-${Math.max(...steps)} ms`,
      );
    }
  });

  it('goes on where it was after a break', () => {
    const from = Math.round(clip.lengthMs * 3.4);
    const next = loopFrames(clip, from).next().value;
    assert.ok(next.timestampMs >= from && next.timestampMs < from + 100);
  });

  it('refuses a file that is none', () => {
    assert.throws(() => readClip(new URL(import.meta.url)), { code: 'CLIP_UNUSABLE' });
  });
});
