/** Cumulative points become what was added since, whoever takes the partition when. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExponentialPoint, HistogramPoint, NumberPoint, PointBase } from '@weir/contracts/otlp/metric-points';
import { CumulativeState, HORIZON_MS } from './cumulative.ts';
import { explicitBuckets } from './exponential.ts';

const T0 = 1_790_000_000_000;
const MINUTE = 60_000;

function base(startMs: number, timeMs: number): PointBase {
  const nanos = (ms: number): [number, number] => {
    const value = BigInt(ms) * 1_000_000n;
    return [Number(value & 0xffffffffn), Number(value >> 32n)];
  };
  const [timeLow, timeHigh] = nanos(timeMs);
  const [startLow, startHigh] = nanos(startMs);
  const source = Buffer.alloc(0);
  return { source, start: 0, end: 0, timeLow, timeHigh, startLow, startHigh, isEmpty: false };
}

function sum(startMs: number, timeMs: number, value: number): NumberPoint {
  return { ...base(startMs, timeMs), value };
}

/** A sender's points, each stored as soon as it was taken. */
function feed(state: CumulativeState, points: readonly NumberPoint[], times: readonly number[]): unknown[] {
  return points.map((point, at) => {
    state.begin(times[at] as number);
    const delta = state.number('7', point);
    state.commit();
    return delta;
  });
}

describe('cumulative sums', () => {
  const longAgo = T0 - 24 * 60 * MINUTE;

  it('are what was added since the last point; the first of an old sender only says where it begins', () => {
    const state = new CumulativeState();
    const points = [1_000, 1_010, 1_010, 1_025].map((value, at) => sum(longAgo, T0 + at * MINUTE, value));
    assert.deepEqual(
      feed(
        state,
        points,
        [0, 1, 2, 3].map((at) => T0 + at * MINUTE),
      ),
      ['first', 10, 0, 15],
    );
  });

  it('count from the start when the sender started lately', () => {
    assert.deepEqual(feed(new CumulativeState(), [sum(T0 - MINUTE, T0, 5)], [T0]), [5]);
  });

  it('begin anew when the sender did, told by its start or by a smaller value', () => {
    const restarted = [sum(longAgo, T0, 100), sum(T0 + 1_000, T0 + MINUTE, 140)];
    assert.deepEqual(feed(new CumulativeState(), restarted, [T0, T0 + MINUTE]), ['first', 140]);
    const untold = [sum(0, T0, 100), sum(0, T0 + MINUTE, 30), sum(0, T0 + 2 * MINUTE, 31)];
    assert.deepEqual(feed(new CumulativeState(), untold, [T0, T0 + MINUTE, T0 + 2 * MINUTE]), ['first', 30, 1]);
  });

  it('count a point that comes again once', () => {
    const points = [sum(longAgo, T0, 1), sum(longAgo, T0 + MINUTE, 4), sum(longAgo, T0 + MINUTE, 4)];
    assert.deepEqual(feed(new CumulativeState(), points, [T0, T0 + MINUTE, T0 + 2 * MINUTE]), ['first', 3, 'old']);
  });

  it('are the same for a new owner that read the last quarter of an hour again, wherever it takes over', () => {
    const minutes = Array.from({ length: 60 }, (_, at) => at).filter((at) => at < 20 || at > 38);
    const points = minutes.map((at) => sum(at < 45 ? longAgo : T0 + 44.5 * MINUTE, T0 + at * MINUTE, (at % 45) * 3));
    const times = minutes.map((at) => T0 + at * MINUTE);
    const whole = feed(new CumulativeState(), points, times);
    for (let taken = 1; taken < points.length; taken++) {
      const successor = new CumulativeState();
      const from = times.findIndex((time) => time >= (times[taken - 1] as number) - HORIZON_MS);
      feed(successor, points.slice(from, taken), times.slice(from, taken));
      assert.deepEqual(
        feed(successor, points.slice(taken), times.slice(taken)),
        whole.slice(taken),
        `taken at ${taken}`,
      );
    }
  });

  it('give the same again after the batch was rolled back', () => {
    const state = new CumulativeState();
    feed(state, [sum(longAgo, T0, 10)], [T0]);
    state.begin(T0 + MINUTE);
    const once = [state.number('7', sum(longAgo, T0 + MINUTE, 12)), state.number('8', sum(T0, T0 + MINUTE, 1))];
    state.rollback();
    state.begin(T0 + MINUTE);
    const again = [state.number('7', sum(longAgo, T0 + MINUTE, 12)), state.number('8', sum(T0, T0 + MINUTE, 1))];
    assert.deepEqual(once, [2, 1]);
    assert.deepEqual(again, once);
  });

  it('forget series that nobody reports any more', () => {
    const state = new CumulativeState();
    feed(state, [sum(longAgo, T0, 10)], [T0]);
    state.begin(T0 + 2 * HORIZON_MS);
    state.commit();
    assert.equal(state.size, 0);
  });
});

describe('cumulative histograms', () => {
  it('are subtracted bucket by bucket', () => {
    const state = new CumulativeState();
    const point = (timeMs: number, counts: number[], total: number): HistogramPoint => ({
      ...base(T0 - HORIZON_MS * 2, timeMs),
      ...{ count: counts.reduce((a, b) => a + b, 0), sum: total, min: 0, max: 9, bounds: [1, 2], counts },
    });
    state.begin(T0);
    assert.equal(state.histogram('h', point(T0, [5, 5, 5], 30)), 'first');
    const delta = state.histogram('h', point(T0 + 1, [6, 5, 8], 45));
    assert.ok(typeof delta === 'object');
    assert.deepEqual([delta.count, delta.sum, delta.counts, delta.min], [4, 15, [1, 0, 3], Number.NaN]);
  });
});

describe('exponential histograms', () => {
  const exponential = (fields: Partial<ExponentialPoint>): ExponentialPoint => ({
    ...base(T0 - HORIZON_MS * 2, T0),
    ...{ count: 0, sum: 0, min: Number.NaN, max: Number.NaN, scale: 0, zeroCount: 0, zeroThreshold: 0 },
    positive: { offset: 0, counts: [] },
    negative: { offset: 0, counts: [] },
    ...fields,
  });

  it('become explicit bounds with their filled buckets where they are', () => {
    const point = exponential({
      scale: 0,
      zeroCount: 2,
      positive: { offset: -1, counts: [3, 0, 0, 4] },
      negative: { offset: 1, counts: [5] },
    });
    // (-4,-2] 5, (-2,0] 2 at zero, (0,.5] gap, (.5,1] 3, (1,4] gap, (4,8] 4
    assert.deepEqual(explicitBuckets(point), { bounds: [-4, -2, 0, 0.5, 1, 4, 8], counts: [0, 5, 2, 0, 3, 0, 4, 0] });
  });

  it('put what is beyond all numbers into the last bucket', () => {
    const point = exponential({ scale: -10, positive: { offset: 0, counts: [1, 7] } });
    assert.deepEqual(explicitBuckets(point), { bounds: [], counts: [8] });
  });

  it('are subtracted also when the sender halved its resolution meanwhile', () => {
    const state = new CumulativeState();
    state.begin(T0);
    const fine = exponential({ count: 4, sum: 10, scale: 1, positive: { offset: 2, counts: [1, 1, 2] } });
    assert.equal(state.exponential('e', fine), 'first');
    const coarse = exponential({
      ...base(T0 - HORIZON_MS * 2, T0 + MINUTE),
      ...{ count: 9, sum: 30, scale: 0, positive: { offset: 1, counts: [5, 3, 1] } },
    });
    const delta = state.exponential('e', coarse);
    assert.ok(typeof delta === 'object');
    assert.deepEqual([delta.count, delta.sum, delta.positive], [5, 20, { offset: 1, counts: [3, 1, 1] }]);
  });
});
