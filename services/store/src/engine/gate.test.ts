/** How many queries run at once, who waits, and who is turned away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from './gate.ts';

const never = new AbortController().signal;
const gate = (places: number, queueLength: number, maxWaitMs = 60_000): Gate =>
  new Gate({ name: 'queries', places, queueLength, maxWaitMs });

describe('a gate', () => {
  it('lets in as many as it has places, then the first who waits', async () => {
    const bounded = gate(1, 2);
    const leave = await bounded.enter(never);
    const order: number[] = [];
    const second = bounded.enter(never).then((leaveSecond) => {
      order.push(2);
      leaveSecond();
    });
    const third = bounded.enter(never).then((leaveThird) => {
      order.push(3);
      leaveThird();
    });
    assert.deepEqual(bounded.stats, { running: 1, waiting: 2, refused: 0 });
    leave();
    await Promise.all([second, third]);
    assert.deepEqual(order, [2, 3]);
    assert.deepEqual(bounded.stats, { running: 0, waiting: 0, refused: 0 });
  });

  it('refuses and counts who comes when the queue is full, and who waits too long', async () => {
    const full = gate(1, 0);
    await full.enter(never);
    await assert.rejects(full.enter(never), { clickhouseCode: 202, retryable: true });
    const impatient = gate(1, 1, 1);
    await impatient.enter(never);
    // The gate's timer does not keep a process alive; something must, here.
    const alive = setInterval(() => {}, 1_000);
    await assert.rejects(impatient.enter(never), { clickhouseCode: 202 });
    clearInterval(alive);
    assert.deepEqual([full.stats.refused, impatient.stats.refused], [1, 1]);
  });

  it('forgets who goes away while waiting', async () => {
    const bounded = gate(1, 1);
    const leave = await bounded.enter(never);
    const goes = new AbortController();
    const waiting = bounded.enter(goes.signal);
    goes.abort(new Error('gone'));
    await assert.rejects(waiting, /gone/);
    assert.equal(bounded.stats.waiting, 0);
    leave();
    assert.equal(bounded.stats.running, 0);
  });

  it('tells when nothing runs any more', async () => {
    const bounded = gate(2, 0);
    await bounded.idle();
    const leave = await bounded.enter(never);
    let idle = false;
    const waiting = bounded.idle().then(() => {
      idle = true;
    });
    await Promise.resolve();
    assert.equal(idle, false);
    leave();
    await waiting;
  });
});
