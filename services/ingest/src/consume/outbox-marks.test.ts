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
});
