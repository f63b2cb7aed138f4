/**
 * The merge clocks of a process: one for all apps, one for those with low latency, whose window stays small under a load
 * that makes the other one grow. Before it: configuration; after it: hubs, which are flushed by the clock of their app.
 */
import { MergeClock } from './merge-clock.ts';
import type { MergeWindow } from './merge-window.ts';

/** Options of {@link MergeClocks}. */
export interface MergeClocksOptions {
  /** Bounds of the usual window; the small one begins at the same minimum. */
  window: MergeWindow;
  /** Largest window of low latency. */
  lowLatencyMaxMs: number;
}

/** One per process. */
export class MergeClocks {
  readonly usual: MergeClock;
  readonly lowLatency: MergeClock;
  readonly #lowLatencyMaxMs: number;

  constructor({ window, lowLatencyMaxMs }: MergeClocksOptions) {
    this.#lowLatencyMaxMs = lowLatencyMaxMs;
    this.usual = new MergeClock(window);
    this.lowLatency = new MergeClock(this.#small(window));
  }

  /** The usual window in force, ms. */
  get windowMs(): number {
    return this.usual.windowMs;
  }

  /** Longest time one flush held the event loop within the last ten seconds, ms. */
  get longestFlushMs(): number {
    return Math.max(this.usual.longestFlushMs, this.lowLatency.longestFlushMs);
  }

  /** Other bounds from now on; the windows follow within a second. */
  setBounds(window: MergeWindow): void {
    this.usual.setBounds(window);
    this.lowLatency.setBounds(this.#small(window));
  }

  close(): void {
    this.usual.close();
    this.lowLatency.close();
  }

  /** Never above the usual one. */
  #small({ minMs, maxMs }: MergeWindow): MergeWindow {
    return { minMs, maxMs: Math.min(maxMs, Math.max(minMs, this.#lowLatencyMaxMs)) };
  }
}
