/**
 * What was really on the screen: when the first frame came, and every time the next one was late while somebody watched.
 * Fed by requestVideoFrameCallback, so it holds over a change of connection and is not fooled by events of the element.
 */

/** A time without a new frame. */
export interface FrameGap {
  /** `performance.now()` at which the next frame was due. */
  startedAt: number;
  durationMs: number;
}

/** A frame this much later than due is a stall. */
const STALL_AFTER_MS = 250;
const MAX_INTERVAL_MS = 1_000;

/** Decides from presentation times; pure, so that it can be tested without a browser. */
export class FrameGaps {
  #last: { at: number; mediaTime: number; source: number } | undefined;
  #intervalMs = 40;

  /** Nobody watches from now on (paused, hidden): the time until the next frame is no stall. */
  reset(): void {
    this.#last = undefined;
  }

  /** Time since the last frame was due a successor, ms; 0 when nobody watches. */
  lateMs(now: number): number {
    return this.#last ? Math.max(0, now - this.#last.at - this.#intervalMs) : 0;
  }

  /** `performance.now()` of the frame last shown while somebody watched. */
  get lastAt(): number | undefined {
    return this.#last?.at;
  }

  /**
   * A frame was shown.
   * @param mediaTime its place in the media, s; @param source number of the connection it came by.
   * @returns the stall it ends, if any.
   */
  shown(at: number, mediaTime: number, source: number): FrameGap | undefined {
    const last = this.#last;
    this.#last = { at, mediaTime, source };
    if (!last) return undefined;
    const wallMs = at - last.at;
    const mediaMs = (mediaTime - last.mediaTime) * 1_000;
    const sameSource = source === last.source;
    const startedAt = last.at + this.#intervalMs;
    const lateMs = at - startedAt;
    if (lateMs < STALL_AFTER_MS) {
      if (sameSource && wallMs > 0) this.#intervalMs += (Math.min(MAX_INTERVAL_MS, wallMs) - this.#intervalMs) / 8;
      return undefined;
    }
    // A stream of few or irregular frames: its own clock went on as long as ours did.
    if (sameSource && mediaMs > 0.8 * wallMs && mediaMs < 1.2 * wallMs + 50) return undefined;
    return { startedAt, durationMs: lateMs };
  }
}

/** Watches `video` until `stop()`; `onFrame` gets the presentation time and the media time of each frame shown. */
export function watchFrames(
  video: HTMLVideoElement,
  onFrame: (at: number, mediaTime: number) => void,
): { stop(): void } {
  if (!('requestVideoFrameCallback' in video)) return watchTimeUpdates(video, onFrame);
  let handle = 0;
  const next: VideoFrameRequestCallback = (now, frame) => {
    handle = video.requestVideoFrameCallback(next);
    onFrame(Math.min(frame.presentationTime, now), frame.mediaTime);
  };
  handle = video.requestVideoFrameCallback(next);
  return { stop: () => video.cancelVideoFrameCallback(handle) };
}

/** Browsers without frame callbacks: the playhead moves about four times a second. */
function watchTimeUpdates(video: HTMLVideoElement, onFrame: (at: number, mediaTime: number) => void): { stop(): void } {
  const moved = () => onFrame(performance.now(), video.currentTime);
  video.addEventListener('timeupdate', moved);
  return { stop: () => video.removeEventListener('timeupdate', moved) };
}
