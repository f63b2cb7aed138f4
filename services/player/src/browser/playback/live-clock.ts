/**
 * How far behind the edge the newest bytes here are. The edge says once what its clock and its newest timestamp were;
 * from then on timestamps tell its time. The page's clock is set by the edge's, so a wrong one does no harm.
 */
import type { MediaFeed } from '../source/feed.ts';

/** Timestamps run modulo 2^32. */
function delta(later: number, earlier: number): number {
  return (later - earlier) | 0;
}

/** One connection's clock. */
export class LiveClock {
  /** Newest timestamp the edge had, and when (this page's clock). */
  #anchor: { timestampMs: number; atMs: number } | undefined;

  /** The edge wrote that its newest message was `timestampMs`, `oneWayMs` before `nowMs` (the way here). */
  anchor(timestampMs: number, nowMs: number, oneWayMs: number): void {
    this.#anchor = { timestampMs, atMs: nowMs - oneWayMs };
  }

  /**
   * Age of the newest byte at the edge, ms: what lies in queues and on the way. Never negative: media that is ahead of
   * the anchor (the publisher's clock is fast, or the anchor was late) becomes the new anchor.
   */
  lagMs(newestTimestampMs: number, nowMs: number): number {
    if (!this.#anchor) {
      this.#anchor = { timestampMs: newestTimestampMs, atMs: nowMs };
      return 0;
    }
    const expectedMs = nowMs - this.#anchor.atMs;
    const gotMs = delta(newestTimestampMs, this.#anchor.timestampMs);
    const lag = expectedMs - gotMs;
    if (lag < 0) this.#anchor = { timestampMs: newestTimestampMs, atMs: nowMs };
    return Math.max(0, lag);
  }
}

/** The edge's clock as seen over this connection. */
export function clockOf(feed: MediaFeed): LiveClock {
  const clock = new LiveClock();
  const { info } = feed.tags;
  if (info && info.timestampMs >= 0 && feed.firstByteAt !== undefined) {
    // Connecting takes two ways there and two back; waiting for a relay is none of them.
    const answerMs = (feed.answeredAt ?? feed.firstByteAt) - feed.dialledAt;
    clock.anchor(info.timestampMs, feed.firstByteAt, Math.min(answerMs / 4, 100));
  }
  return clock;
}
