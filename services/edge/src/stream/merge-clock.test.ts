// The merge window: at once for few, growing with viewers and with a busy loop, never out of its bounds, steady.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GROUPS } from './flush-run.ts';
import { type Flushable, MergeClock } from './merge-clock.ts';
import { adaptWindow } from './merge-window.ts';

const calm = { nowMs: 0, minMs: 0, maxMs: 350, busy: 0.1 };
const at = (viewers: number) => ({ viewers, writesAtOnce: viewers * 68 });

describe('the merge window', () => {
  it('is nothing for few viewers, and the bound for many', () => {
    assert.equal(adaptWindow({ ...calm, ...at(50) }), 0);
    assert.equal(adaptWindow({ ...calm, ...at(1_600) }), 320);
    assert.equal(adaptWindow({ ...calm, ...at(4_800) }), 350);
  });

  it('is fixed when its bounds are equal', () => {
    for (const viewers of [1, 10_000])
      assert.equal(adaptWindow({ ...calm, ...at(viewers), minMs: 100, maxMs: 100 }), 100);
  });

  it('grows with a busy loop whatever the viewers, and does not shrink before the loop is calm', () => {
    assert.equal(adaptWindow({ ...calm, ...at(10), busy: 0.9 }), 20);
    assert.equal(adaptWindow({ ...calm, ...at(10), nowMs: 100, busy: 0.9 }), 150);
    assert.equal(adaptWindow({ ...calm, ...at(10), nowMs: 150, busy: 0.7 }), 150);
    assert.equal(adaptWindow({ ...calm, ...at(10), nowMs: 150, busy: 0.2 }), 0);
  });

  it('stays where it is under small changes', () => {
    assert.equal(adaptWindow({ ...calm, ...at(1_000), nowMs: 180 }), 180);
    assert.equal(adaptWindow({ ...calm, ...at(1_000), nowMs: 100 }), 200);
  });
});

/** Notes when each group is flushed. */
class Recorder implements Flushable {
  viewerCount = 0;
  messageCount = 0;
  readonly flushed: { group: number; atMs: number }[] = [];

  flush(group: number): number {
    this.flushed.push({ group, atMs: performance.now() });
    return 0;
  }
}

describe('the merge clock', () => {
  it('flushes every group once per window, large audiences in several steps', async () => {
    const clock = new MergeClock({ minMs: 120, maxMs: 120 });
    const hub = new Recorder();
    clock.add(hub);
    for (let viewer = 0; viewer < 1_600; viewer += 1) clock.joined(viewer % GROUPS);
    const start = performance.now();
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (hub.flushed.length < 5 * GROUPS) return;
        clearInterval(look);
        resolve();
      }, 5);
    });
    const tookMs = performance.now() - start;
    clock.close();
    assert.ok(tookMs >= 4 * 120, `five windows took ${tookMs} ms`);
    const counts = new Array<number>(GROUPS).fill(0);
    for (const { group } of hub.flushed) counts[group] = (counts[group] ?? 0) + 1;
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '));
    // 1,600 viewers in steps of 400 at most: 4 steps of 6 groups, 30 ms apart (the first window began with few).
    const steps = hub.flushed.slice(2 * GROUPS, 3 * GROUPS);
    const first = steps[0]!;
    assert.deepEqual(
      steps.slice(0, 6).map(({ group }) => group),
      Array.from({ length: 6 }, (_, i) => first.group + i),
    );
    assert.ok(steps[6]!.atMs - first.atMs > 10);
  });

  it('without a window flushes at the end of the turn that brought messages, once', async () => {
    const clock = new MergeClock({ minMs: 0, maxMs: 0 });
    const hub = new Recorder();
    clock.add(hub);
    clock.joined(0);
    for (let message = 0; message < 5; message += 1) clock.changed(hub);
    assert.equal(hub.flushed.length, 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(hub.flushed.length, GROUPS);
    clock.close();
  });
});
