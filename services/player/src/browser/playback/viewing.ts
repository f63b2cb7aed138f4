/**
 * What one viewer has seen so far: first frame, stalls, watched time, frames decoded and dropped. It holds over changes of
 * connection, which reset the element's own counters.
 */
import type { Stall } from '../../../weir-player.d.ts';
import { FrameGaps, watchFrames } from './frame-watch.ts';

/** A stall as the screen shows it; who served it is not seen there. */
export type SeenStall = Omit<Stall, 'edge'>;

/** What is told as it happens. */
export interface ViewingEvents {
  /** A frame was shown; `first` of this source. `at` is `performance.now()`. */
  onFrame(at: number, first: boolean): void;
  onStall(stall: SeenStall): void;
}

const BUFFER_HISTORY_MS = 1_500;
const BUFFER_BEFORE_MS = 1_000;

/** Watches the element from construction to `close()`. */
export class Viewing {
  watchedMs = 0;
  stalls = 0;
  stalledMs = 0;
  /** Why no data comes, for the stall that is going on. */
  cause: Stall['cause'] = 'buffer';
  readonly #video: HTMLVideoElement;
  readonly #events: ViewingEvents;
  readonly #gaps = new FrameGaps();
  readonly #frames: { stop(): void };
  #source = 0;
  #sourceHasFrame = false;
  #base = { decoded: 0, dropped: 0 };
  #lastTick: { at: number; mediaTime: number; source: number } | undefined;
  #buffers: { at: number; bufferMs: number }[] = [];

  constructor(video: HTMLVideoElement, events: ViewingEvents) {
    this.#video = video;
    this.#events = events;
    this.#frames = watchFrames(video, (at, mediaTime) => this.#shown(at, mediaTime));
  }

  /** Another connection's media comes from now on; called before the element lets go of the old one. */
  beginSource(): void {
    const { decoded, dropped } = this.frames;
    this.#base = { decoded, dropped };
    this.#source += 1;
    this.#sourceHasFrame = false;
  }

  /** Nobody watches from now on. */
  reset(): void {
    this.#gaps.reset();
  }

  /** Frames of all connections. */
  get frames(): { decoded: number; dropped: number } {
    const quality = this.#video.getVideoPlaybackQuality();
    return {
      decoded: this.#base.decoded + quality.totalVideoFrames,
      dropped: this.#base.dropped + quality.droppedVideoFrames,
    };
  }

  /** How late the next frame is, ms. */
  lateMs(now: number): number {
    return this.#gaps.lateMs(now);
  }

  /** Ten times a second or when the browser lets us. */
  tick(now: number, bufferMs: number): void {
    const { currentTime, playbackRate } = this.#video;
    const last = this.#lastTick;
    this.#lastTick = { at: now, mediaTime: currentTime, source: this.#source };
    if (last && last.source === this.#source && currentTime > last.mediaTime) {
      // A jump to the live edge is not watched time.
      this.watchedMs += Math.min(now - last.at, ((currentTime - last.mediaTime) * 1_000) / playbackRate);
    }
    this.#buffers.push({ at: now, bufferMs });
    while (this.#buffers.length > 1 && now - (this.#buffers[0]?.at ?? now) > BUFFER_HISTORY_MS) this.#buffers.shift();
  }

  /** Tells of a stall that is still going on, because nobody will see its end. */
  flush(now: number): void {
    const lateMs = this.#gaps.lateMs(now);
    const lastAt = this.#gaps.lastAt;
    if (lastAt !== undefined && lateMs > 250) this.#stall(now - lateMs, lateMs);
    this.#gaps.reset();
  }

  close(): void {
    this.#frames.stop();
  }

  #shown(at: number, mediaTime: number): void {
    const first = !this.#sourceHasFrame;
    this.#sourceHasFrame = true;
    if (document.hidden || this.#video.paused) this.#gaps.reset();
    else {
      const gap = this.#gaps.shown(at, mediaTime, this.#source);
      if (gap) this.#stall(gap.startedAt, gap.durationMs);
    }
    // A lost connection is the cause until another one's picture is there, whatever stutters meanwhile.
    if (first || this.cause === 'away') this.cause = 'buffer';
    this.#events.onFrame(at, first);
  }

  #stall(startedAt: number, durationMs: number): void {
    this.stalls += 1;
    this.stalledMs += durationMs;
    const before = this.#buffers.findLast(({ at }) => at <= startedAt - BUFFER_BEFORE_MS) ?? this.#buffers[0];
    const stall: SeenStall = {
      startedAtMs: performance.timeOrigin + startedAt,
      durationMs,
      bufferBeforeMs: before?.bufferMs ?? 0,
      cause: this.cause,
    };
    this.#events.onStall(stall);
  }
}
