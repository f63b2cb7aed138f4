/**
 * Turns what senders count since their start (cumulative temporality) into what was added since the last point (delta).
 *
 * Where: in the writer, because a partition has one writer and receivers behind a load balancer see every other point. How
 * it survives a change of the writer: what is remembered of a series is a function of the messages that JetStream stored in
 * the {@link HORIZON_MS} before the one at hand, nothing older counts. So whoever takes the partition reads those messages
 * again (they stay in the stream after they were written) and knows exactly what its predecessor knew.
 * Before it: points of one partition in the order of the stream; after it: rows.
 */
import type { ExponentialPoint, HistogramPoint, NumberPoint, PointBase } from '@weir/contracts/otlp/metric-points';
import { nanosToMillis } from '@weir/contracts/otlp/wire';
import { downscaled, type Exponential, subtracted } from './exponential.ts';

/** A series not heard of for this long begins anew. Senders report once a minute or more often by default. */
export const HORIZON_MS = 15 * 60_000;

/** Why a point yields no row: `first` of its series that we know of, or `old`: not newer than the last one (a repeat). */
export type NoDelta = 'first' | 'old';

interface Entry {
  readonly storedAtMs: number;
  readonly startMs: number;
  readonly timeMs: number;
  readonly value: number | Explicit | Exponential;
}

interface Explicit {
  readonly count: number;
  readonly sum: number;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** Series of one partition. Entries beyond the horizon are dropped now and then, see {@link CumulativeState.commit}. */
export class CumulativeState {
  #entries = new Map<string, Entry>();
  /** What stood before the batch at hand, by series; undefined = nothing. */
  readonly #before = new Map<string, Entry | undefined>();
  #storedAtMs = 0;
  #sweptAtMs = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Points that follow are of a message that JetStream stored then. */
  begin(storedAtMs: number): void {
    this.#storedAtMs = storedAtMs;
  }

  /** What was added to a monotonic sum. @param series its id as text */
  number(series: string, point: NumberPoint): number | NoDelta {
    const { value } = point;
    const last = this.#turn(series, point, value, (before) => typeof before === 'number' && before <= value);
    if (last === 'whole') return value;
    return typeof last === 'number' ? value - last : (last as NoDelta);
  }

  /** What was added to a histogram; least and largest value of that are not known. */
  histogram(series: string, point: HistogramPoint): HistogramPoint | NoDelta {
    const { count, sum, bounds, counts } = point;
    const value: Explicit = { count, sum, bounds: [...bounds], counts: [...counts] };
    const last = this.#turn(series, point, value, (before) => isExplicit(before) && isGrown(before, value));
    if (last === 'whole') return point;
    if (typeof last === 'string' || !isExplicit(last)) return last as NoDelta;
    return {
      ...point,
      count: count - last.count,
      sum: sum - last.sum,
      min: Number.NaN,
      max: Number.NaN,
      counts: counts.map((of, bucket) => of - (last.counts[bucket] ?? 0)),
    };
  }

  /** The same for an exponential one; a sender may have halved its resolution since. */
  exponential(series: string, point: ExponentialPoint): ExponentialPoint | NoDelta {
    const { count, sum, scale, zeroCount, positive, negative } = point;
    const value: Exponential = { count, sum, scale, zeroCount, positive, negative };
    let difference: Exponential | undefined;
    const last = this.#turn(series, point, value, (before) => {
      if (typeof before === 'number' || isExplicit(before) || before.scale < scale) return false;
      difference = subtracted(value, downscaled(before, scale));
      return difference !== undefined;
    });
    if (last === 'whole') return point;
    if (typeof last === 'string' || !difference) return last as NoDelta;
    return { ...point, ...difference, min: Number.NaN, max: Number.NaN };
  }

  /** The batch at hand is done with: what stood before it is forgotten. */
  commit(): void {
    this.#before.clear();
    if (this.#storedAtMs - this.#sweptAtMs < HORIZON_MS) return;
    this.#sweptAtMs = this.#storedAtMs;
    for (const [series, { storedAtMs }] of this.#entries) {
      if (this.#storedAtMs - storedAtMs > HORIZON_MS) this.#entries.delete(series);
    }
  }

  /** Back to where the batch at hand began, so that its messages can be decoded once more. */
  rollback(): void {
    for (const [series, entry] of this.#before) {
      if (entry) this.#entries.set(series, entry);
      else this.#entries.delete(series);
    }
    this.#before.clear();
  }

  /**
   * Takes note of a point. Gives the value to subtract; `whole` when all of it was added since (the sender began anew, or
   * began so lately that an earlier point of it would be known); else why there is nothing to tell.
   */
  #turn(
    series: string,
    point: PointBase,
    value: Entry['value'],
    continues: (before: Entry['value']) => boolean,
  ): Entry['value'] | 'whole' | NoDelta {
    const timeMs = nanosToMillis(point.timeLow, point.timeHigh);
    const startMs = nanosToMillis(point.startLow, point.startHigh);
    const storedAtMs = this.#storedAtMs;
    const known = this.#entries.get(series);
    const last = known && storedAtMs - known.storedAtMs <= HORIZON_MS ? known : undefined;
    if (last && timeMs <= last.timeMs) return 'old';
    if (!this.#before.has(series)) this.#before.set(series, known);
    this.#entries.set(series, { storedAtMs, startMs, timeMs, value });
    if (!last) return startMs > 0 && startMs >= storedAtMs - HORIZON_MS ? 'whole' : 'first';
    if (startMs > last.startMs && startMs >= last.timeMs) return 'whole';
    return continues(last.value) ? last.value : 'whole';
  }
}

function isExplicit(value: Entry['value']): value is Explicit {
  return typeof value === 'object' && 'bounds' in value;
}

/** False when the sender began anew: buckets fewer or other than before. */
function isGrown(before: Explicit, now: Explicit): boolean {
  return (
    now.count >= before.count &&
    now.bounds.length === before.bounds.length &&
    now.bounds.every((bound, at) => bound === before.bounds[at]) &&
    now.counts.every((count, bucket) => count >= (before.counts[bucket] ?? 0))
  );
}
