// A long flush must not hold the loop: it goes on in the next turn, leaves nobody out and nobody twice.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FlushedHub, FlushRun, GROUPS } from './flush-run.ts';

const PIECE_MS = 2;

/** Time as the hubs below spend it. */
class Clock {
  nowMs = 0;
  readonly now = () => this.nowMs;
}

/** Takes {@link PIECE_MS} per group, as one with hundreds of viewers in each. */
class SlowHub implements FlushedHub {
  readonly flushed: number[] = [];
  readonly #clock: Clock;
  /** Called with each group. */
  onFlush: (group: number) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  flush(group: number): number {
    this.flushed.push(group);
    this.onFlush(group);
    this.#clock.nowMs += PIECE_MS;
    return 200;
  }
}

const groups = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);

describe('a run of flushes', () => {
  it('is over at once when there is little to do', () => {
    const hub: FlushedHub & { calls: number } = { calls: 0, flush: () => (hub.calls += 1) };
    let isDone = false;
    new FlushRun(() => {}).start([hub], 0, GROUPS, () => {
      isDone = true;
    });
    assert.equal(isDone, true);
    assert.equal(hub.calls, GROUPS);
  });

  it('goes on in the next turn when it has held the loop, each group of each hub once', async () => {
    const clock = new Clock();
    const [one, two] = [new SlowHub(clock), new SlowHub(clock)];
    const held: number[] = [];
    const run = new FlushRun((sliceMs) => held.push(sliceMs), clock.now);
    await new Promise<void>((resolve) => {
      run.start([one, two], 3, 8, resolve);
      assert.deepEqual([one.flushed, two.flushed], [[3, 4], []]);
    });
    assert.deepEqual([one.flushed, two.flushed], [groups(3, 8), groups(3, 8)]);
    assert.deepEqual(held, [4, 4, 4, 4, 4, 0]);
  });

  it('leaves the rest when it is cancelled or another takes its place, and says nothing', async () => {
    const clock = new Clock();
    const hub = new SlowHub(clock);
    const run = new FlushRun(() => {}, clock.now);
    run.start([hub], 0, 12, () => assert.fail('the first is not over'));
    await new Promise<void>((resolve) => {
      run.start([hub], 12, 15, resolve);
    });
    assert.deepEqual(hub.flushed, [0, 1, 12, 13, 14]);
    run.start([hub], 0, 12, () => assert.fail('the third is not over'));
    run.cancel();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assert.deepEqual(hub.flushed, [0, 1, 12, 13, 14, 0, 1]);
  });

  it('takes hubs that come and go meanwhile as they are', async () => {
    const clock = new Clock();
    const [stays, goes, comes] = [new SlowHub(clock), new SlowHub(clock), new SlowHub(clock)];
    const hubs = new Set([stays, goes]);
    stays.onFlush = (group) => {
      if (group !== 2) return;
      hubs.delete(goes);
      hubs.add(comes);
    };
    await new Promise<void>((resolve) => {
      new FlushRun(() => {}, clock.now).start(hubs, 0, 4, resolve);
    });
    assert.deepEqual([stays.flushed, goes.flushed, comes.flushed], [groups(0, 4), [], groups(0, 4)]);
  });
});
