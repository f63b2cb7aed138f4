/**
 * Brings newcomers from the cached key frame to the present without a burst: after the first slice of the GOP, one slice
 * per step, no faster than the socket takes them and than so many times real time. Before it: opening.ts; after it: lanes.
 *
 *   first slice ──▶ catching up ──all sent──▶ lane
 *                     │      └──a newer key frame, low latency──▶ goes on there
 *                     └──paused, or too much is kept for it──▶ lane, where it goes on at a key frame
 */
import type { HubLog, HubMessage } from './hub-log.ts';
import type { Lane } from './lane.ts';
import { timestampDelta } from './timeline.ts';
import type { Viewer } from './viewer.ts';

/** Time between two slices. */
const STEP_MS = 50;
/** A step in time larger than this inside the stream is a hole: nobody waits through it. */
const HOLE_MS = 1_000;

/** What a catch-up needs of its hub. */
export interface CatchUpHub {
  readonly log: HubLog;
  /** Number of the newest key frame in the log, -1 when there is none. */
  resumeIndex(): number;
  /** Bytes kept for one viewer at most. */
  readonly viewerQueueBytes: number;
  /** The viewer is at the end of the log, or waits for a key frame: it goes on with all others. */
  caughtUp(viewer: Viewer, lane: Lane): void;
}

/** Options of {@link CatchUp}. */
export interface CatchUpOptions {
  hub: CatchUpHub;
  /** Times real time, above 1. */
  speed: number;
  /** Low latency: go on at a key frame that is newer than what is being sent. */
  skipsAhead: boolean;
}

interface Newcomer {
  viewer: Viewer;
  lane: Lane;
  /** The GOP of the cache, to be sent from `gopAt` to `gopEnd`, before the log from `viewer.next` on. It may grow behind. */
  gop: readonly HubMessage[];
  gopAt: number;
  gopEnd: number;
  /** Viewers' timestamp up to which it has been sent to. */
  sentUpToMs: number;
}

/** The newcomers of one hub. Keeps a timer while there are any. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #newcomers = new Map<Viewer, Newcomer>();
  #timer: NodeJS.Timeout | undefined;
  #steppedAtMs = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#newcomers.size;
  }

  /** A copy. */
  viewers(): Viewer[] {
    return [...this.#newcomers.keys()];
  }

  /** Sends `prefix` and the first slice of `gop`, which begins with a key frame; the log from `viewer.next` on follows it. */
  begin(viewer: Viewer, lane: Lane, prefix: readonly Buffer[], gop: readonly HubMessage[]): void {
    const sentUpToMs = gop[0]?.viewerTimestamp ?? 0;
    const newcomer: Newcomer = { viewer, lane, gop, gopAt: 0, gopEnd: gop.length, sentUpToMs };
    this.#newcomers.set(viewer, newcomer);
    lane.send(viewer, this.#slice(newcomer, STEP_MS), prefix);
    if (this.#timer) return;
    this.#steppedAtMs = performance.now();
    this.#timer = setInterval(() => this.#step(), STEP_MS).unref();
  }

  /** The log grew: it is not kept for newcomers beyond half of what one viewer's queue may hold. */
  bound(): void {
    const { log, viewerQueueBytes } = this.#options.hub;
    const limit = viewerQueueBytes / 2;
    if (this.#newcomers.size === 0 || log.sizeBytes <= limit) return;
    for (const newcomer of [...this.#newcomers.values()]) {
      const { viewer, lane } = newcomer;
      if (log.bytesFrom(viewer.next) <= limit) continue;
      // One that takes too little goes on at a key frame. Of one that takes all, the publisher is faster than we catch up.
      if (viewer.socket.writableLength > 0) this.#giveUp(newcomer);
      else {
        lane.send(viewer, this.#slice(newcomer));
        this.#leave(newcomer);
      }
    }
  }

  /** Lets a viewer go; false when it is not here. */
  remove(viewer: Viewer): boolean {
    if (!this.#newcomers.delete(viewer)) return false;
    if (this.#newcomers.size === 0) this.#stop();
    return true;
  }

  /** Sends everybody what they still lack: the stream is over. */
  finish(): void {
    for (const newcomer of this.#newcomers.values()) newcomer.lane.send(newcomer.viewer, this.#slice(newcomer));
  }

  /** Log number up to which nobody here needs the log; Infinity without newcomers. */
  servedUpTo(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { next } of this.#newcomers.keys()) least = Math.min(least, next);
    return least;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #step(): void {
    const nowMs = performance.now();
    // A late step sends what the time is worth, but no more than two of them.
    const elapsedMs = Math.min(nowMs - this.#steppedAtMs, 2 * STEP_MS);
    this.#steppedAtMs = nowMs;
    for (const newcomer of [...this.#newcomers.values()]) this.#bring(newcomer, elapsedMs);
  }

  #bring(newcomer: Newcomer, elapsedMs: number): void {
    const { viewer, lane } = newcomer;
    if (viewer.paused || viewer.awaitsKey) {
      this.#leave(newcomer);
    } else if (viewer.socket.writableLength === 0) {
      this.#skipAhead(newcomer);
      lane.send(viewer, this.#slice(newcomer, elapsedMs));
      if (newcomer.gopAt === newcomer.gopEnd && viewer.next === this.#options.hub.log.end) this.#leave(newcomer);
    }
  }

  /** The next messages for one newcomer: what `elapsedMs` are worth, else all there are. */
  #slice(newcomer: Newcomer, elapsedMs = Number.POSITIVE_INFINITY): HubMessage[] {
    const { viewer, gop, gopEnd } = newcomer;
    const { log } = this.#options.hub;
    const slice: HubMessage[] = [];
    const isAll = elapsedMs === Number.POSITIVE_INFINITY;
    let untilMs = newcomer.sentUpToMs + (isAll ? 0 : elapsedMs * this.#options.speed);
    for (;;) {
      const isCached = newcomer.gopAt < gopEnd;
      const message = isCached ? gop[newcomer.gopAt] : viewer.next < log.end ? log.at(viewer.next) : undefined;
      if (!message) break;
      if (isAll || timestampDelta(message.viewerTimestamp, untilMs) > HOLE_MS) untilMs = message.viewerTimestamp;
      if (timestampDelta(message.viewerTimestamp, untilMs) > 0) break;
      slice.push(message);
      if (isCached) newcomer.gopAt += 1;
      else viewer.next += 1;
    }
    newcomer.sentUpToMs = untilMs;
    return slice;
  }

  /** With low latency: what came before the newest key frame is not worth sending any more. */
  #skipAhead(newcomer: Newcomer): void {
    if (!this.#options.skipsAhead) return;
    const { viewer } = newcomer;
    const key = this.#options.hub.resumeIndex();
    if (key < viewer.next) return;
    newcomer.gopAt = newcomer.gopEnd;
    viewer.next = key;
    newcomer.sentUpToMs = this.#options.hub.log.at(key).viewerTimestamp;
  }

  /** It takes too little for the log to be kept for it: on at the next key frame, like everybody who lags. */
  #giveUp(newcomer: Newcomer): void {
    const { viewer, lane, gopAt, gopEnd } = newcomer;
    lane.countDropped(viewer, gopEnd - gopAt);
    viewer.lags = true;
    viewer.awaitsKey = true;
    this.#leave(newcomer);
  }

  #leave({ viewer, lane }: Newcomer): void {
    this.remove(viewer);
    this.#options.hub.caughtUp(viewer, lane);
  }
}
