/**
 * What comes in at the moment: one connection's media on its way to the screen, kept close to live. Before it: a feed with
 * its first byte and the engine that plays it; after it: the player, which asks it to step ten times a second.
 */
import type { MediaFeed } from '../source/feed.ts';
import { HlsFeed } from '../source/hls-feed.ts';
import type { Playback } from './flv-playback.ts';
import { clockOf, type LiveClock } from './live-clock.ts';
import { LiveEdge, type LiveEdgeBounds } from './live-edge.ts';
import type { Screen } from './screen.ts';

/** One feed that plays. */
export class Incoming {
  readonly feed: MediaFeed;
  readonly playback: Playback;
  readonly edge: LiveEdge;
  readonly #clock: LiveClock;
  readonly #screen: Screen;

  constructor(feed: MediaFeed, playback: Playback, screen: Screen, bounds: LiveEdgeBounds) {
    this.feed = feed;
    this.playback = playback;
    this.edge = new LiveEdge(bounds, performance.now());
    this.#clock = clockOf(feed);
    this.#screen = screen;
  }

  /** Skips what is buffered beyond the target. */
  jumpToLive(): void {
    this.#screen.jump(this.#screen.bufferMs - this.edge.targetMs);
  }

  /**
   * Catches up or falls back by speed, or jumps.
   * @param onRate told of a rate that changed; @returns from the edge's newest frame to the one on the screen, ms, if known.
   */
  step(now: number, onRate: (rate: number, delayMs: number) => void): number | undefined {
    const { feed, playback } = this;
    const { bufferMs, video } = this.#screen;
    // hls.js keeps to the live edge by itself, by the same means.
    if (feed instanceof HlsFeed) return playback.delayMs ?? bufferMs;
    const newest = feed.tags.newestTimestampMs;
    const delayMs = newest === undefined ? undefined : bufferMs + this.#clock.lagMs(newest, now);
    if (feed.hasEnded) return delayMs;
    const { rate, jumpMs } = this.edge.step({ nowMs: now, bufferMs, gapMs: feed.takeLongestGapMs() });
    this.#screen.jump(jumpMs);
    if (rate !== video.playbackRate) {
      video.playbackRate = rate;
      onRate(rate, delayMs ?? bufferMs);
    }
    return delayMs;
  }

  close(): void {
    this.playback.close();
  }
}
