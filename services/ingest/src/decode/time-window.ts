/**
 * Which times a message may speak of: from 8 days before to 1 hour after JetStream stored it. An outbox keeps 7 days,
 * and a clock that is off by more than an hour must not put figures into the past or the future of others. The window
 * hangs on the stored time, not on the clock, so that a batch repeated later skips the very same points.
 */

const PAST_MS = 8 * 86_400_000;
const FUTURE_MS = 3_600_000;

/** The window of one message, and the newest time in it that was seen. */
export class TimeWindow {
  /** Unix ms at which JetStream stored the message. */
  readonly storedAtMs: number;
  #newestMs = 0;

  constructor(storedAtMs: number) {
    this.storedAtMs = storedAtMs;
  }

  holds(timeMs: number): boolean {
    return timeMs >= this.storedAtMs - PAST_MS && timeMs <= this.storedAtMs + FUTURE_MS;
  }

  /** False when `timeMs` lies in the future beyond the window. */
  isBeforeEnd(timeMs: number): boolean {
    return timeMs <= this.storedAtMs + FUTURE_MS;
  }

  /** Notes a time inside of the window. */
  saw(timeMs: number): void {
    if (timeMs > this.#newestMs) this.#newestMs = timeMs;
  }

  /** Newest time seen, else the stored one. */
  get newestMs(): number {
    return this.#newestMs === 0 ? this.storedAtMs : this.#newestMs;
  }
}
