/**
 * Keeps a stream's timestamps monotonic for its viewers: within an epoch they follow the publisher's, over a new epoch or
 * a publisher's jump they go on one step after the last one. Modulo 2^32 throughout, so the wrap is no event.
 */

/** A step back of more than this, or one forward of more than {@link FORWARD_JUMP_MS}, is a jump and not a late message. */
const BACKWARD_JUMP_MS = 1_000;
const FORWARD_JUMP_MS = 600_000;
/** Between the last message before a jump and the first one after it. */
const STEP_MS = 40;

/** Difference `later - earlier` of two timestamps modulo 2^32, as a signed number. */
export function timestampDelta(later: number, earlier: number): number {
  return (later - earlier) | 0;
}

/** Timestamps of one stream for its viewers. */
export class Timeline {
  /** Added to the publisher's timestamps, modulo 2^32. 0 as long as nothing has been re-based. */
  offset = 0;
  #lastIn: number | undefined;
  #lastOut = 0;
  #newEpoch = false;

  /** The next message comes from another publisher, whose timestamps have nothing to do with the last one's. */
  beginEpoch(): void {
    this.#newEpoch = true;
  }

  /** The viewers' timestamp for a publisher's, both modulo 2^32. */
  map(timestamp: number): number {
    if (this.#lastIn !== undefined) {
      const delta = timestampDelta(timestamp, this.#lastIn);
      if (this.#newEpoch || delta < -BACKWARD_JUMP_MS || delta > FORWARD_JUMP_MS) {
        this.offset = (this.#lastOut + STEP_MS - timestamp) >>> 0;
        this.#lastIn = timestamp;
      } else if (delta > 0) this.#lastIn = timestamp;
    } else this.#lastIn = timestamp;
    this.#newEpoch = false;
    const out = (timestamp + this.offset) >>> 0;
    if (timestampDelta(out, this.#lastOut) > 0) this.#lastOut = out;
    return out;
  }
}
