/**
 * Keeps a live picture close to now: a little faster when too much is buffered, a little slower when nearly nothing is,
 * a jump when it is far off. A pure controller; the player feeds it and does what it says.
 */

/** What the controller sees. */
export interface LiveEdgeInput {
  nowMs: number;
  /** Media buffered ahead of the playhead, ms. */
  bufferMs: number;
  /** Longest time between two arrivals since the last call, ms. */
  gapMs: number;
}

/** What to do: the rate to play at, and how far to jump forward (0 = not). */
export interface LiveEdgeAction {
  rate: number;
  jumpMs: number;
  /** The connection has just begun: the GOP cache is skipped over, which belongs to starting. */
  starting: boolean;
}

/** Bounds of the buffer aimed at. */
export interface LiveEdgeBounds {
  minTargetMs: number;
  maxTargetMs: number;
}

export const LOW_LATENCY: LiveEdgeBounds = { minTargetMs: 250, maxTargetMs: 2_500 };
export const RELAXED: LiveEdgeBounds = { minTargetMs: 1_500, maxTargetMs: 4_000 };

/** Buffer beyond the target before it hurries, and what it then comes back to. */
const HURRY_OVER_MS = 250;
const HURRY_UNTIL_MS = 60;
const MAX_RATE = 1.1;
/** Slower when the buffer is under this share of the target. */
const SLOW_UNDER = 0.35;
const SLOW_RATE = 0.95;
/** So much over the target is not caught up by speed: it jumps. */
const JUMP_OVER_MS = 3_000;
/** Right after the start there is nothing to be hurt by a jump: the GOP cache is skipped over. */
const START_JUMP_OVER_MS = 350;
const START_WINDOW_MS = 2_000;
const GAP_MEMORY_MS = 15_000;
const STALL_RAISE_MS = 250;
const STALL_DECAY_MS_PER_S = 10;
/** Nothing arrives: the buffer falls because of that, not because of the target. */
const SAFETY = 1.25;
const MARGIN_MS = 60;

/** One connection's live edge. Call about ten times a second. */
export class LiveEdge {
  readonly #bounds: LiveEdgeBounds;
  readonly #startedAtMs: number;
  #gaps: { atMs: number; gapMs: number }[] = [];
  #raiseMs = 0;
  #lastMs: number;
  #rate = 1;

  constructor(bounds: LiveEdgeBounds, nowMs: number) {
    this.#bounds = bounds;
    this.#startedAtMs = nowMs;
    this.#lastMs = nowMs;
  }

  /** The buffer aimed at, ms: what the jitter of the last seconds and recent stalls ask for, within the bounds. */
  get targetMs(): number {
    const jitterMs = this.#gaps.reduce((most, { gapMs }) => Math.max(most, gapMs), 0);
    const wanted = jitterMs * SAFETY + MARGIN_MS + this.#raiseMs;
    return Math.min(this.#bounds.maxTargetMs, Math.max(this.#bounds.minTargetMs, wanted));
  }

  /** The buffer ran dry: more is kept for a while. */
  stalled(): void {
    this.#raiseMs = Math.min(this.#bounds.maxTargetMs, this.#raiseMs + STALL_RAISE_MS);
  }

  step({ nowMs, bufferMs, gapMs }: LiveEdgeInput): LiveEdgeAction {
    const elapsedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#raiseMs = Math.max(0, this.#raiseMs - (elapsedMs / 1_000) * STALL_DECAY_MS_PER_S);
    this.#noteGap(nowMs, gapMs);
    const target = this.targetMs;
    const over = bufferMs - target;
    const starting = nowMs - this.#startedAtMs < START_WINDOW_MS;
    if (over > (starting ? START_JUMP_OVER_MS : JUMP_OVER_MS)) {
      this.#rate = 1;
      return { rate: 1, jumpMs: over, starting };
    }
    this.#rate = this.#nextRate(over, bufferMs < target * SLOW_UNDER);
    return { rate: this.#rate, jumpMs: 0, starting };
  }

  /** Rates in steps of 0.05, so that they change seldom and can be told apart. */
  #nextRate(over: number, nearlyDry: boolean): number {
    if (nearlyDry) return SLOW_RATE;
    if (this.#rate < 1) return over < -0.25 * this.targetMs ? SLOW_RATE : 1;
    if (this.#rate > 1) return over > HURRY_UNTIL_MS ? this.#rate : 1;
    if (over <= HURRY_OVER_MS) return 1;
    return over > 2 * HURRY_OVER_MS ? MAX_RATE : 1.05;
  }

  #noteGap(nowMs: number, gapMs: number): void {
    this.#gaps = this.#gaps.filter(({ atMs }) => nowMs - atMs < GAP_MEMORY_MS);
    const last = this.#gaps.at(-1);
    // One entry per second is enough to forget by.
    if (last && nowMs - last.atMs < 1_000) last.gapMs = Math.max(last.gapMs, gapMs);
    else this.#gaps.push({ atMs: nowMs, gapMs });
  }
}
