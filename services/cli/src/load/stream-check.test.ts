/** The check that sampled viewers of the load generator make. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StreamCheck } from './stream-check.ts';

describe('the check of a sampled viewer', () => {
  it('sees media that keeps step with time', () => {
    const check = new StreamCheck();
    check.begin(0);
    for (let at = 0; at <= 1_000; at += 40) check.message(9, 5_000 + at, at);
    assert.deepEqual(check.figures(1_000), { mediaRate: 1, longestGapMs: 40, messages: 26, backwards: 0 });
  });

  it('sees a hole at the end as well as one in the middle', () => {
    const check = new StreamCheck();
    check.begin(0);
    check.message(9, 0, 10);
    check.message(9, 40, 300);
    assert.equal(check.figures(400).longestGapMs, 290);
    assert.equal(check.figures(900).longestGapMs, 600);
  });

  it('counts timestamps that go back, per kind of media', () => {
    const check = new StreamCheck();
    check.begin(0);
    check.message(9, 100, 1);
    check.message(8, 80, 2);
    check.message(9, 60, 3);
    assert.equal(check.figures(4).backwards, 1);
  });

  it('takes the wrap of timestamps at 2^32 for no step back', () => {
    const check = new StreamCheck();
    check.begin(0);
    for (let at = 0; at <= 1_000; at += 40) check.message(9, (2 ** 32 - 500 + at) % 2 ** 32, at);
    assert.deepEqual(check.figures(1_000), { mediaRate: 1, longestGapMs: 40, messages: 26, backwards: 0 });
  });

  it('counts nothing from before it began', () => {
    const check = new StreamCheck();
    check.begin(0);
    check.message(9, 100, 500);
    check.begin(1_000);
    assert.deepEqual(check.figures(1_100), { mediaRate: 0, longestGapMs: 100, messages: 0, backwards: 0 });
  });
});
