/** Tables and figures as people read them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tableLines } from './table.ts';
import { bitRate, bytes, duration, percent } from './units.ts';

interface Row {
  name: string;
  viewers: string;
}

describe('a table', () => {
  const columns = [
    { title: 'node', value: (row: Row) => row.name },
    { title: 'viewers', align: 'right' as const, value: (row: Row) => row.viewers },
  ];

  it('puts words left and numbers right under their titles', () => {
    const lines = tableLines(columns, [
      { name: 'edge-1', viewers: '3' },
      { name: 'a-longer-name', viewers: '12345678' },
    ]);
    assert.deepEqual(lines, ['node            viewers', 'edge-1                3', 'a-longer-name  12345678']);
  });

  it('aligns cells with letters of more than one code unit', () => {
    const [, accents, emoji] = tableLines(columns, [
      { name: 'e\u0301', viewers: '1' },
      { name: '👩‍🚀', viewers: '1' },
    ]);
    assert.equal(accents, 'e\u0301           1');
    assert.equal(emoji, '👩‍🚀           1');
  });

  it('is its titles alone when there is no row', () => {
    assert.deepEqual(tableLines(columns, []), ['node  viewers']);
  });
});

describe('figures', () => {
  it('change their unit before they would show a thousand of it', () => {
    assert.deepEqual([0, 1023, 1024, 1_048_575, 5_242_880].map(bytes), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.0 MiB',
      '5.0 MiB',
    ]);
    assert.deepEqual([999, 1000, 999_999, 1_500_000].map(bitRate), [
      '999 bit/s',
      '1.0 kbit/s',
      '1.0 Mbit/s',
      '1.5 Mbit/s',
    ]);
  });

  it('tell shares and durations', () => {
    assert.equal(percent(0.1234), '12.3 %');
    assert.deepEqual([59.4, 61, 3_660, 90_000].map(duration), ['59 s', '1 min 1 s', '1 h 1 min', '1 d 1 h']);
  });
});
