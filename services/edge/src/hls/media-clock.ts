/**
 * Where a publisher's timestamps lie in time: 32 bits of milliseconds wrap after 49.7 days, and a process that comes in
 * later must still give every frame the time that all others give it. Before it: the hub's messages; after it: the
 * segmenter, which numbers and names by this time.
 */
import { FORWARD_JUMP_MS, isJump, TRACK_LAG_MS, timestampDelta } from '../stream/timeline.ts';

/** Timestamps repeat after so many ms. */
const PERIOD_MS = 2 ** 32;
/** A publisher may lag behind the wall clock by a quarter of the period (12 days), and have begun anywhere in the rest. */
const BEHIND_MS = PERIOD_MS / 4;

/**
 * The clock of one epoch: Unix time of publishing + timestamp, unwrapped. The wrap that is meant is the one nearest to how
 * long the publisher has been here by the wall clock, so whoever comes in after it counts as those who saw it.
 */
export class MediaClock {
  readonly #epoch: number;
  readonly #nowMs: () => number;
  /** Newest message of all. */
  #last: { timestamp: number; timeMs: number } | undefined;
  /** Newest timestamp of sound and picture, by message type: one may be seconds behind the other. */
  readonly #tracks = new Map<number, number>();

  /** @param epoch Unix time of publishing, ms. @param nowMs the wall clock. */
  constructor(epoch: number, nowMs: () => number = Date.now) {
    this.#epoch = epoch;
    this.#nowMs = nowMs;
  }

  /**
   * Unix time, ms, of a message's timestamp (ms modulo 2^32); `type` is that of the message. `jumped`: it has nothing to do
   * with the messages before it, as the publisher began to count anew. Its bounds are those of the hub's timeline.
   */
  at(timestamp: number, type: number): { timeMs: number; jumped: boolean } {
    const last = this.#last;
    const step = last ? timestampDelta(timestamp, last.timestamp) : 0;
    const own = this.#tracks.get(type);
    const jumped =
      last !== undefined &&
      (own === undefined ? step < -TRACK_LAG_MS || step > FORWARD_JUMP_MS : isJump(timestamp, own));
    if (!last || jumped) {
      this.#last = { timestamp, timeMs: this.#epoch + this.#sinceEpoch(timestamp) };
      this.#tracks.clear();
      this.#tracks.set(type, timestamp);
      return { timeMs: this.#last.timeMs, jumped };
    }
    const timeMs = last.timeMs + step;
    if (step > 0) this.#last = { timestamp, timeMs };
    if (own === undefined || timestampDelta(timestamp, own) > 0) this.#tracks.set(type, timestamp);
    return { timeMs, jumped };
  }

  #sinceEpoch(timestamp: number): number {
    const least = Math.floor(this.#nowMs() - this.#epoch - BEHIND_MS);
    const beyond = (timestamp - least) % PERIOD_MS;
    return least + (beyond < 0 ? beyond + PERIOD_MS : beyond);
  }
}
