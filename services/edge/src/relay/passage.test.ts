/** What a change of the source is told as: the gap of the clock and that of the media. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Passage } from './passage.ts';

const given = (sequence: number, timestamp: number, epoch = 7) => ({ epoch, sequence, timestamp });

describe('the passage from one source to the next', () => {
  it('is told once, at the first message that viewers are given', () => {
    const passage = new Passage();
    assert.equal(passage.arrived('origin-1', given(0, 0)), undefined, 'the first source follows none');
    passage.lost('stalled', 'origin-1');
    passage.lost('unreachable', 'origin-2');
    const switched = passage.arrived('origin-3', given(1, 40));
    assert.deepEqual([switched?.cause, switched?.from, switched?.to], ['stalled', 'origin-1', 'origin-3']);
    assert.ok((switched?.gapMs ?? -1) >= 0);
    assert.equal(passage.arrived('origin-3', given(2, 80)), undefined);
  });

  it('misses no media when the numbers follow, and as much as the timestamps say when they do not', () => {
    const passage = new Passage();
    passage.arrived('a', given(10, 4_294_967_290));
    passage.lost('disconnected', 'a');
    assert.equal(passage.arrived('b', given(11, 34))?.mediaGapMs, 0);
    passage.lost('disconnected', 'b');
    assert.equal(passage.arrived('a', given(61, 2_034))?.mediaGapMs, 2_000);
  });

  it('knows no gap of the media between two publishers, whose timestamps have nothing in common', () => {
    const passage = new Passage();
    passage.arrived('a', given(10, 400));
    passage.lost('disconnected', 'a');
    assert.equal(passage.arrived('b', given(0, 0, 8))?.mediaGapMs, undefined);
  });
});
