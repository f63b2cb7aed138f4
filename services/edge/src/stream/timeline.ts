/**
 * Keeps a stream's timestamps monotonic for its viewers: within an epoch they follow the publisher's, over a new epoch or
 * a publisher's jump they go on one step after the last one. Sound and picture each have a last timestamp of their own,
 * since some encoders send one of them seconds late; data only follows. Modulo 2^32 throughout, so the wrap is no event.
 */
import { AUDIO, VIDEO } from './media.ts';

/** A step back of more than this, or one forward of more than {@link FORWARD_JUMP_MS}, is a jump and not a late message. */
const BACKWARD_JUMP_MS = 1_000;
export const FORWARD_JUMP_MS = 600_000;
/** Where the other track stands, a track may begin so much earlier. ffmpeg interleaves up to this. */
export const TRACK_LAG_MS = 10_000;
/** Between the last message before a jump and the first one after it. */
const STEP_MS = 40;
/** Data that claims to be further off than this is taken for something of now: encoders stamp it with 0, or not at all. */
const DATA_OFF_MS = 1_000;

/** Difference `later - earlier` of two timestamps modulo 2^32, as a signed number. */
export function timestampDelta(later: number, earlier: number): number {
  return (later - earlier) | 0;
}

/** True when one track of a publisher does not go from `last` to `timestamp` by itself. */
export function isJump(timestamp: number, last: number): boolean {
  const step = timestampDelta(timestamp, last);
  return step < -BACKWARD_JUMP_MS || step > FORWARD_JUMP_MS;
}

/** Sound or picture of one publisher: its newest message, and what was added to it. All modulo 2^32. */
interface Track {
  in: number;
  out: number;
  offset: number;
}

/** Timestamps of one stream for its viewers. */
export class Timeline {
  /** Of the publisher in force, by message type. */
  readonly #tracks = new Map<number, Track>();
  /** Added to the timestamps of a track that begins. 0 as long as nothing has been re-based. */
  #offset = 0;
  /** Newest timestamp for viewers; undefined before the first. */
  #newest: number | undefined;

  /** The next message comes from another publisher, whose timestamps have nothing to do with the last one's. */
  beginEpoch(): void {
    this.#tracks.clear();
  }

  /** The viewers' timestamp for a publisher's, both modulo 2^32. `type` is that of the message. */
  map(timestamp: number, type: number): number {
    if (type !== AUDIO && type !== VIDEO) return this.#aside(timestamp);
    const track = this.#tracks.get(type);
    const goesOn = track !== undefined && !isJump(timestamp, track.in);
    const offset = goesOn ? track.offset : this.#join(timestamp, track);
    const out = (timestamp + offset) >>> 0;
    if (!track) this.#tracks.set(type, { in: timestamp, out, offset });
    else if (!goesOn || timestampDelta(timestamp, track.in) > 0) Object.assign(track, { in: timestamp, out, offset });
    if (this.#newest === undefined || timestampDelta(out, this.#newest) > 0) this.#newest = out;
    return out;
  }

  /** What to add to a track that begins, or jumped: what the other one has, if that puts the two beside each other. */
  #join(timestamp: number, track: Track | undefined): number {
    const newest = this.#newest;
    if (newest === undefined) return this.#offset;
    const out = timestamp + this.#offset;
    const ahead = timestampDelta(out, newest);
    const isBeside = this.#tracks.size > 0 && ahead >= -TRACK_LAG_MS && ahead <= FORWARD_JUMP_MS;
    const isBack = track !== undefined && timestampDelta(out, track.out) <= 0;
    if (!isBeside || isBack) this.#offset = (newest + STEP_MS - timestamp) >>> 0;
    return this.#offset;
  }

  #aside(timestamp: number): number {
    const newest = this.#newest;
    if (newest === undefined) return timestamp;
    const out = (timestamp + this.#offset) >>> 0;
    return Math.abs(timestampDelta(out, newest)) > DATA_OFF_MS ? newest : out;
  }
}
