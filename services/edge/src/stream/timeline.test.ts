// Timestamps for viewers stay monotonic over the wrap, a publisher's restart and its jumps.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AUDIO, DATA, VIDEO } from './media.ts';
import { Timeline, timestampDelta } from './timeline.ts';

const pictures = (timeline: Timeline, times: number[]) => times.map((time) => timeline.map(time, VIDEO));

describe('the timeline', () => {
  it('hands a steady publisher’s timestamps on as they are, also slightly out of order', () => {
    assert.deepEqual(pictures(new Timeline(), [5_000, 5_040, 5_021, 5_080]), [5_000, 5_040, 5_021, 5_080]);
  });

  it('wraps at 2^32 without a step', () => {
    assert.deepEqual(pictures(new Timeline(), [0xffffffd8, 0x0, 0x28]), [0xffffffd8, 0, 0x28]);
    assert.equal(timestampDelta(0x28, 0xffffffd8), 80);
  });

  it('goes on one step after the last message when a new publisher starts anywhere', () => {
    const timeline = new Timeline();
    timeline.map(60_000, VIDEO);
    timeline.map(60_021, AUDIO);
    timeline.beginEpoch();
    assert.deepEqual(
      [timeline.map(0, VIDEO), timeline.map(21, AUDIO), timeline.map(40, VIDEO)],
      [60_061, 60_082, 60_101],
    );
    timeline.beginEpoch();
    assert.equal(timeline.map(0xfffffff0, VIDEO), 60_141);
    assert.equal(timeline.map(0x10, VIDEO), 60_173);
  });

  it('takes a publisher’s jump for a new start, a pause for a pause', () => {
    const times = [100_000, 160_000, 3_000, 3_000_000, 2_998_500];
    assert.deepEqual(pictures(new Timeline(), times), [100_000, 160_000, 160_040, 160_080, 160_120]);
  });

  it('keeps sound and picture beside each other over a jump, also those of before that come late', () => {
    const timeline = new Timeline();
    timeline.map(90_000, VIDEO);
    timeline.map(90_010, AUDIO);
    assert.equal(timeline.map(0, VIDEO), 90_050);
    assert.equal(timeline.map(90_031, AUDIO), 90_031, 'one of before');
    assert.deepEqual([timeline.map(12, AUDIO), timeline.map(40, VIDEO)], [90_062, 90_090]);
  });

  it('takes a track that lags by seconds for what it is', () => {
    for (const lagMs of [1_500, 9_000]) {
      const timeline = new Timeline();
      for (const time of [60_000, 60_040, 60_080]) {
        assert.equal(timeline.map(time, VIDEO), time);
        assert.equal(timeline.map(time - lagMs, AUDIO), time - lagMs);
      }
    }
  });

  it('puts tracks that count from different ends beside each other', () => {
    const timeline = new Timeline();
    timeline.map(60_000, VIDEO);
    assert.deepEqual(
      [timeline.map(5, AUDIO), timeline.map(60_040, VIDEO), timeline.map(26, AUDIO)],
      [60_040, 60_040, 60_061],
    );
  });

  it('is moved by no data, and puts data that claims another time at the newest', () => {
    const timeline = new Timeline();
    assert.equal(timeline.map(7, DATA), 7);
    timeline.map(300_000, VIDEO);
    const data = [300_020, 0, 900_000].map((time) => timeline.map(time, DATA));
    assert.deepEqual(data, [300_020, 300_000, 300_000]);
    assert.equal(timeline.map(300_040, VIDEO), 300_040);
  });

  it('of a first publisher changes nothing', () => {
    const timeline = new Timeline();
    timeline.beginEpoch();
    assert.equal(timeline.map(777, VIDEO), 777);
  });
});
