/** The series index must find exactly what was added, in whatever order it is asked. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeriesIndex } from './series-index.ts';

const key = (text: string) => Buffer.from(`..${text}..`);
const find = (index: SeriesIndex, metric: number, text: string) => index.find(metric, key(text), 2, 2 + text.length);

describe('the series index', () => {
  it('finds thousands of series in the order of the sender, backwards and at random, and nothing else', () => {
    const index = new SeriesIndex();
    const names = Array.from({ length: 5_000 }, (_, i) => [i % 7, `series-${i}`] as const);
    for (const [number, [metric, name]] of names.entries()) {
      assert.equal(find(index, metric, name), -1);
      assert.equal(index.add(metric, key(name), 2, 2 + name.length, number, number + 1), number);
    }
    assert.equal(index.size, names.length);
    const check = ([number, [metric, name]]: [number, readonly [number, string]]) => {
      assert.equal(find(index, metric, name), number);
      assert.equal(index.low(number), number);
      assert.equal(index.high(number), number + 1);
      assert.equal(find(index, metric + 1, name), -1);
    };
    const all = [...names.entries()];
    for (const entry of all) check(entry);
    for (const entry of all.toReversed()) check(entry);
    for (let i = 0; i < all.length; i++) check(all[(i * 7_919) % all.length] as (typeof all)[number]);
    assert.equal(find(index, 0, 'series-0x'), -1);
  });

  it('keeps a series without attributes apart per metric', () => {
    const index = new SeriesIndex();
    index.add(1, key(''), 2, 2, 10, 0);
    index.add(2, key(''), 2, 2, 20, 0);
    assert.equal(index.low(find(index, 2, '')), 20);
    assert.equal(index.low(find(index, 1, '')), 10);
  });

  it('remembers when a series was described until that is forgotten', () => {
    const index = new SeriesIndex();
    const number = index.add(1, key('a'), 2, 3, 1, 1);
    assert.equal(index.announcedAtMs(number), 0);
    index.announce(number, 1_234);
    assert.equal(index.announcedAtMs(number), 1_234);
    index.forgetAnnouncements();
    assert.equal(index.announcedAtMs(number), 0);
  });
});
