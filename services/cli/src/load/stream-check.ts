/** What a sampled viewer checks: timestamps that never go back, media as fast as time, and how long nothing came. */

import { timestampDelta } from '@weir/edge/stream/timeline';

/** Figures of one sampled viewer since {@link StreamCheck.begin}. */
export interface StreamFigures {
  /** Media time that came per second of time; 1 = in step. */
  mediaRate: number;
  /** Longest time without any message, ms. */
  longestGapMs: number;
  messages: number;
  /** Messages whose timestamp is below the one before of the same kind. */
  backwards: number;
}

/** Fed by one viewer with each audio and video message. */
export class StreamCheck {
  readonly #last = new Map<number, number>();
  #beganAt = 0;
  #lastAt = 0;
  #firstTimestamp: number | undefined;
  #lastTimestamp = 0;
  #longestGapMs = 0;
  #messages = 0;
  #backwards = 0;

  /** Forgets what came so far, except for where the timestamps are. */
  begin(nowMs: number): void {
    this.#beganAt = nowMs;
    this.#lastAt = nowMs;
    this.#firstTimestamp = undefined;
    this.#longestGapMs = 0;
    this.#messages = 0;
    this.#backwards = 0;
  }

  /** A message of `type` with its timestamp (ms modulo 2^32) that came at `nowMs`. */
  message(type: number, timestamp: number, nowMs: number): void {
    const before = this.#last.get(type);
    if (before !== undefined && timestampDelta(timestamp, before) < 0) this.#backwards += 1;
    this.#last.set(type, timestamp);
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAt);
    this.#lastAt = nowMs;
    this.#firstTimestamp ??= timestamp;
    this.#lastTimestamp = timestamp;
    this.#messages += 1;
  }

  /** Figures from {@link begin} to `nowMs`. */
  figures(nowMs: number): StreamFigures {
    const elapsedMs = nowMs - this.#beganAt;
    const mediaMs = this.#firstTimestamp === undefined ? 0 : timestampDelta(this.#lastTimestamp, this.#firstTimestamp);
    return {
      mediaRate: mediaMs / elapsedMs,
      longestGapMs: Math.max(this.#longestGapMs, nowMs - this.#lastAt),
      messages: this.#messages,
      backwards: this.#backwards,
    };
  }
}
