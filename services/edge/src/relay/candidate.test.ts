// When a better source may take over: only when nothing is missing between what the old one sent and what is kept.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toMedia } from '../stream/media.ts';
import type { Attempt } from './attempt.ts';
import { Candidate } from './candidate.ts';

const frame = (sizeBytes = 10) => {
  const payload = Buffer.alloc(sizeBytes);
  payload[0] = 0x27;
  payload[1] = 1;
  const media = toMedia(9, 0, payload);
  assert.ok(media);
  return media;
};
const candidate = () => new Candidate({} as Attempt);

describe('a candidate', () => {
  it('does not follow while it has only headers, which have no number', () => {
    const one = candidate();
    assert.equal(one.follows(0), false);
    one.keep(frame(), -1);
    assert.equal(one.follows(100), false);
  });

  it('follows when what it keeps begins at or before the next number', () => {
    const one = candidate();
    one.keep(frame(), -1);
    one.keep(frame(), 50);
    one.keep(frame(), 51);
    assert.equal(one.follows(49), false, 'number 49 would be missing');
    assert.equal(one.follows(50), true);
    assert.equal(one.follows(80), true);
  });

  it('hands over all it kept once, in order', () => {
    const one = candidate();
    for (const sequence of [-1, 7, 8]) one.keep(frame(), sequence);
    assert.deepEqual(
      one.kept().map(({ sequence }) => sequence),
      [-1, 7, 8],
    );
    assert.deepEqual(one.kept(), []);
  });

  it('keeps no more than 16 MiB', () => {
    const one = candidate();
    const mebibyte = 1_048_576;
    for (let sequence = 0; sequence < 16; sequence += 1) assert.equal(one.keep(frame(mebibyte), sequence), true);
    assert.equal(one.keep(frame(), 16), false);
  });
});
