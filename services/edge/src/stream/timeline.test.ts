// Timestamps for viewers stay monotonic over the wrap, a publisher's restart and its jumps.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Timeline, timestampDelta } from './timeline.ts';

describe('the timeline', () => {
  it('hands a steady publisher’s timestamps on as they are, also slightly out of order', () => {
    const timeline = new Timeline();
    assert.deepEqual(
      [5_000, 5_040, 5_021, 5_080].map((time) => timeline.map(time)),
      [5_000, 5_040, 5_021, 5_080],
    );
  });

  it('wraps at 2^32 without a step', () => {
    const timeline = new Timeline();
    const out = [0xffffffd8, 0x0, 0x28].map((time) => timeline.map(time));
    assert.deepEqual(out, [0xffffffd8, 0, 0x28]);
    assert.equal(timestampDelta(0x28, 0xffffffd8), 80);
  });

  it('goes on one step after the last message when a new publisher starts anywhere', () => {
    const timeline = new Timeline();
    timeline.map(60_000);
    timeline.map(60_021);
    timeline.beginEpoch();
    assert.deepEqual([timeline.map(0), timeline.map(40)], [60_061, 60_101]);
    timeline.beginEpoch();
    assert.equal(timeline.map(0xfffffff0), 60_141);
    assert.equal(timeline.map(0x10), 60_173);
  });

  it('takes a publisher’s jump for a new start, a pause for a pause', () => {
    const timeline = new Timeline();
    timeline.map(100_000);
    assert.equal(timeline.map(160_000), 160_000);
    assert.equal(timeline.map(3_000), 160_040);
    assert.equal(timeline.map(3_000_000), 160_080);
  });

  it('of a first publisher changes nothing', () => {
    const timeline = new Timeline();
    timeline.beginEpoch();
    assert.equal(timeline.map(777), 777);
    assert.equal(timeline.offset, 0);
  });
});
