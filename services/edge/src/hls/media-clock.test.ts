/** Times of timestamps over the wrap after 49.7 days: the same for who saw it and who came after it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AUDIO, VIDEO } from '../stream/media.ts';
import { MediaClock } from './media-clock.ts';

const EPOCH = 1_795_000_000_123;
const PERIOD_MS = 2 ** 32;
const DAY_MS = 86_400_000;

/** A clock as a process would have it that came in so long after the publisher. */
function joined(afterMs: number): MediaClock {
  return new MediaClock(EPOCH, () => EPOCH + afterMs);
}

describe('the media clock', () => {
  it('counts on over the wrap', () => {
    const clock = joined(PERIOD_MS - 100);
    assert.equal(clock.at(PERIOD_MS - 40, VIDEO).timeMs, EPOCH + PERIOD_MS - 40);
    assert.deepEqual(clock.at(0, VIDEO), { timeMs: EPOCH + PERIOD_MS, jumped: false });
    assert.equal(clock.at(40, VIDEO).timeMs, EPOCH + PERIOD_MS + 40);
    assert.equal(clock.at(PERIOD_MS - 1, VIDEO).timeMs, EPOCH + PERIOD_MS - 1, 'a late one is of before');
  });

  for (const days of [0, 1, 12, 30, 49, 50, 60, 100, 1_000]) {
    it(`gives who comes in after ${days} days the time that is meant, though clocks differ by minutes`, () => {
      const timestamp = (days * DAY_MS) % PERIOD_MS;
      for (const offMs of [-300_000, 0, 300_000]) {
        assert.equal(joined(days * DAY_MS + offMs).at(timestamp, VIDEO).timeMs, EPOCH + days * DAY_MS);
      }
    });
  }

  it('agrees whenever one comes in, also for a publisher who began just before the wrap', () => {
    const began = PERIOD_MS - 5_000;
    for (const laterMs of [0, 4_999, 5_000, 60_000, 80 * DAY_MS]) {
      const { timeMs } = joined(laterMs).at((began + laterMs) % PERIOD_MS, VIDEO);
      assert.equal(timeMs, EPOCH - 5_000 + laterMs);
    }
  });

  it('says when a publisher begins to count anew, and then counts as who comes in then', () => {
    const clock = joined(60_000);
    clock.at(60_000, VIDEO);
    assert.deepEqual(clock.at(10, VIDEO), { timeMs: EPOCH + 10, jumped: true });
    assert.deepEqual(clock.at(50, VIDEO), { timeMs: EPOCH + 50, jumped: false });
    assert.equal(joined(60_000).at(50, VIDEO).timeMs, EPOCH + 50);
  });

  it('gives sound that lags by seconds its own time, and begins nothing anew for it', () => {
    const clock = joined(60_000);
    for (const at of [60_000, 60_040, 60_080]) {
      assert.deepEqual(clock.at(at, VIDEO), { timeMs: EPOCH + at, jumped: false });
      assert.deepEqual(clock.at(at - 1_500, AUDIO), { timeMs: EPOCH + at - 1_500, jumped: false });
    }
  });
});
