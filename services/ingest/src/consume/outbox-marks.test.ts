/** Outbox marks: repeats are known for ever, holes are counted, the record stays small. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TelemetryMessage } from '../decode/batch.ts';
import { OutboxMarks } from './outbox-marks.ts';

const DAY_MS = 86_400_000;
const message = (node: string, outbox: [string, number] | undefined, storedAtMs = 1_000): TelemetryMessage => ({
  sequence: 1,
  subject: '',
  node,
  signal: 'metrics',
  payload: Buffer.alloc(0),
  contentType: '',
  storedAtMs,
  outbox: outbox && { id: outbox[0], sequence: outbox[1] },
});

describe('outbox marks', () => {
  it('tell new messages from repeats, also after they were stored and read back', () => {
    const marks = new OutboxMarks({});
    assert.deepEqual(marks.see(message('n', ['o', 1])), { isRepeat: false, lost: 0 });
    assert.deepEqual(marks.see(message('n', ['o', 2])), { isRepeat: false, lost: 0 });
    assert.deepEqual(marks.see(message('n', ['o', 1])), { isRepeat: true });
    const readBack = new OutboxMarks(JSON.parse(JSON.stringify(marks.toRecord())));
    assert.deepEqual(readBack.see(message('n', ['o', 2])), { isRepeat: true });
    assert.deepEqual(readBack.see(message('n', ['o', 3])), { isRepeat: false, lost: 0 });
  });

  it('count what an outbox numbered and never sent, but not what it sent before it was first met', () => {
    const marks = new OutboxMarks({});
    assert.deepEqual(marks.see(message('n', ['o', 100])), { isRepeat: false, lost: 0 });
    assert.deepEqual(marks.see(message('n', ['o', 104])), { isRepeat: false, lost: 3 });
  });

  it('belong to a node: another can’t make its messages look repeated', () => {
    const marks = new OutboxMarks({});
    marks.see(message('n', ['o', 1]));
    assert.deepEqual(marks.see(message('evil', ['o', 1_000])), { isRepeat: false, lost: 0 });
    assert.deepEqual(marks.see(message('n', ['o', 2])), { isRepeat: false, lost: 0 });
  });

  it('keep two outboxes of a node apart, as after a reboot, and only its last four', () => {
    const marks = new OutboxMarks({});
    for (const id of ['a', 'b', 'c', 'd', 'e']) marks.see(message('n', [id, 5]));
    assert.deepEqual(marks.see(message('n', ['b', 5])), { isRepeat: true });
    assert.deepEqual(marks.see(message('n', ['b', 6])), { isRepeat: false, lost: 0 });
    assert.deepEqual(
      Object.values(marks.toRecord())[0]?.map(([id]) => id),
      ['b', 'c', 'd', 'e'],
    );
  });

  it('forget nodes that have been silent for a month, by JetStream’s clock', () => {
    const marks = new OutboxMarks({});
    marks.see(message('old', ['o', 1], 0));
    marks.see(message('new', ['p', 1], 29 * DAY_MS));
    assert.deepEqual(Object.keys(marks.toRecord()), ['new']);
  });

  it('take messages without an outbox as they come', () => {
    const marks = new OutboxMarks({});
    for (let i = 0; i < 2; i++) assert.deepEqual(marks.see(message('n', undefined)), { isRepeat: false, lost: 0 });
    assert.deepEqual(marks.toRecord(), {});
  });

  it('know what was taken ahead, so that each message is taken in one lane only, whichever meets it first', () => {
    const marks = new OutboxMarks({});
    const isNew = (sequence: number, isAhead: boolean) => !marks.see(message('n', ['o', sequence]), isAhead).isRepeat;
    assert.ok(isNew(10, false));
    for (const sequence of [50, 51, 53, 52]) assert.ok(isNew(sequence, true));
    // sent again: in the lane ahead what the other one had and what it had itself, in the other what was taken ahead
    for (const [sequence, isAhead] of [
      [10, true],
      [51, true],
      [52, false],
    ] as const)
      assert.equal(isNew(sequence, isAhead), false, `${sequence}`);
    assert.ok(isNew(40, true), 'sent again before the backlog was read so far');
    for (let sequence = 11; sequence <= 49; sequence++) assert.equal(isNew(sequence, false), sequence !== 40);
    assert.deepEqual(Object.values(marks.toRecord())[0], [['o', 53, 1_000]]);
  });

  it('count what never came only when the backlog is read, however it was taken', () => {
    const marks = new OutboxMarks({});
    const lost = (sequence: number, isAhead: boolean) => {
      const seen = marks.see(message('n', ['o', sequence]), isAhead);
      return seen.isRepeat ? Number.NaN : seen.lost;
    };
    assert.equal(lost(10, false), 0);
    assert.equal(lost(20, true), 0);
    assert.equal(lost(25, true), 0);
    const readBack = new OutboxMarks(JSON.parse(JSON.stringify(marks.toRecord())));
    assert.equal(readBack.closeGaps(), 9 + 4);
    assert.equal(lost(12, false), 1);
    assert.equal(lost(22, false), 7 + 1);
    assert.equal(marks.closeGaps(), 2);
    assert.deepEqual(Object.values(marks.toRecord())[0], [['o', 25, 1_000]]);
  });

  it('count nothing as lost before the first message of an outbox, also when that one was met ahead', () => {
    const marks = new OutboxMarks({});
    marks.see(message('n', ['o', 500]), true);
    marks.see(message('n', ['o', 502]), true);
    assert.equal(marks.closeGaps(), 1);
  });
});
