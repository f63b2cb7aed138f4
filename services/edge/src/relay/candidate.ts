/**
 * A source that is to take over from one that still works: what it sends is kept until it joins without a hole to what
 * the old one sent. Before it: an attempt beside the present one; after it: the pull, which takes both over at once.
 */
import type { MediaMessage } from '../stream/media.ts';
import type { Attempt } from './attempt.ts';

/** Bytes kept at most; a source so far ahead of the other is none to change to. */
const MAX_KEPT_BYTES = 16_777_216;

interface Kept {
  media: MediaMessage;
  /** -1 = a header ahead of the media. */
  sequence: number;
}

/** See the head of the file. */
export class Candidate {
  readonly attempt: Attempt;
  /** 0 = nothing has come yet. */
  epoch = 0;
  hops = 0;
  #kept: Kept[] = [];
  #keptBytes = 0;
  #firstNumber: number | undefined;

  constructor(attempt: Attempt) {
    this.attempt = attempt;
  }

  /** It said where it stands. After a hole only what comes behind it counts. */
  position(epoch: number, hops: number): void {
    this.epoch = epoch;
    this.hops = hops;
  }

  /** Keeps a message; false when there is no room for it. */
  keep(media: MediaMessage, sequence: number): boolean {
    this.#keptBytes += media.payload.length;
    if (this.#keptBytes > MAX_KEPT_BYTES) return false;
    if (sequence >= 0) this.#firstNumber ??= sequence;
    this.#kept.push({ media, sequence });
    return true;
  }

  /** True when nothing is missing between number `next - 1` and what is kept. */
  follows(next: number): boolean {
    return this.#firstNumber !== undefined && this.#firstNumber <= next;
  }

  /** What was kept, in order; nothing afterwards. */
  kept(): Kept[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }
}
