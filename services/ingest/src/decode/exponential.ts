/**
 * Exponential histograms as numbers: subtracted, with their resolution halved, and as explicit bounds, the one form in
 * which histograms are stored. Bounds of a lower scale are among those of a higher one, so histograms of different scales
 * still add up bucket by bucket. Source: OpenTelemetry metrics data model, "ExponentialHistogram".
 */
import type { ExponentialBuckets, ExponentialPoint } from '@weir/contracts/otlp/metric-points';

/** The countable part of a point. */
export type Exponential = Pick<ExponentialPoint, 'count' | 'sum' | 'scale' | 'zeroCount' | 'positive' | 'negative'>;

/** Upper bounds, ascending, and one count more. */
export interface ExplicitBuckets {
  bounds: number[];
  counts: number[];
}

/** `value` at a lower `scale`. */
export function downscaled(value: Exponential, scale: number): Exponential {
  const steps = value.scale - scale;
  if (steps === 0) return value;
  return { ...value, scale, positive: halved(value.positive, steps), negative: halved(value.negative, steps) };
}

/** `value` less `before` of the same scale, or undefined when `before` is not contained in it. */
export function subtracted(value: Exponential, before: Exponential): Exponential | undefined {
  const positive = less(value.positive, before.positive);
  const negative = less(value.negative, before.negative);
  const zeroCount = value.zeroCount - before.zeroCount;
  if (!positive || !negative || zeroCount < 0 || value.count < before.count) return undefined;
  const { scale } = value;
  return { count: value.count - before.count, sum: value.sum - before.sum, scale, zeroCount, positive, negative };
}

/** Explicit buckets of a point: its filled buckets only, the gaps between them as one empty bucket each. */
export function explicitBuckets(point: ExponentialPoint): ExplicitBuckets {
  const result: ExplicitBuckets = { bounds: [], counts: [] };
  const { scale, zeroThreshold, zeroCount, positive, negative } = point;
  const bound = (index: number) => 2 ** (index * 2 ** -scale);
  let overflow = 0;
  const add = (lower: number, upper: number, count: number) => {
    if (count === 0) return;
    if (upper === Number.POSITIVE_INFINITY) {
      overflow += count;
      return;
    }
    const last = result.bounds.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (lower > last && lower < upper && Number.isFinite(lower)) push(result, lower, 0);
    // bounds too fine for a number to tell apart share a bucket
    if (upper <= last) result.counts[result.counts.length - 1] = (result.counts.at(-1) ?? 0) + count;
    else push(result, upper, count);
  };
  for (let at = negative.counts.length - 1; at >= 0; at--) {
    const index = negative.offset + at;
    add(-bound(index + 1), -bound(index), negative.counts[at] ?? 0);
  }
  add(-zeroThreshold, zeroThreshold, zeroCount);
  for (const [at, count] of positive.counts.entries()) {
    const index = positive.offset + at;
    add(bound(index), bound(index + 1), count);
  }
  result.counts.push(overflow);
  return result;
}

function push(buckets: ExplicitBuckets, bound: number, count: number): void {
  buckets.bounds.push(bound);
  buckets.counts.push(count);
}

function halved({ offset, counts }: ExponentialBuckets, steps: number): ExponentialBuckets {
  const factor = 2 ** steps;
  const first = Math.floor(offset / factor);
  const merged: number[] = [];
  for (const [at, count] of counts.entries()) {
    const index = Math.floor((offset + at) / factor) - first;
    while (merged.length <= index) merged.push(0);
    merged[index] = (merged[index] ?? 0) + count;
  }
  return { offset: first, counts: merged };
}

function less(value: ExponentialBuckets, before: ExponentialBuckets): ExponentialBuckets | undefined {
  const counts = [...value.counts];
  for (const [at, count] of before.counts.entries()) {
    if (count === 0) continue;
    const index = before.offset + at - value.offset;
    const rest = (counts[index] ?? 0) - count;
    if (index < 0 || index >= counts.length || rest < 0) return undefined;
    counts[index] = rest;
  }
  return { offset: value.offset, counts };
}
