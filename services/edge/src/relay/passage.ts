/**
 * From one source to the next, as the viewers see it: what they were last given, since when a source is lost, and what
 * the first message of the next one makes of that. Before it: a pull; after it: a fail-over as data.
 */
import { timestampDelta } from '../stream/timeline.ts';
import type { SwitchCause } from './attempt.ts';

/** A change of the source with viewers attached. */
export interface Switched {
  cause: SwitchCause;
  from: string;
  to: string;
  /** Unix time, ms, of the moment the loss was noticed. */
  noticedAtMs: number;
  /** Wall-clock time between the last message viewers were given of the old source and the first of the new one. */
  gapMs: number;
  /** Media time that is missing between these two, 0 = nothing; undefined when they are of different publishers. */
  mediaGapMs: number | undefined;
}

/** A message the viewers were given. */
export interface Given {
  epoch: number;
  sequence: number;
  /** As the publisher counts, ms modulo 2^32. */
  timestamp: number;
}

/** One per pull. */
export class Passage {
  /** The source media last came from; empty = none yet. */
  node = '';
  #last: (Given & { atMs: number }) | undefined;
  #lost: { cause: SwitchCause; from: string; noticedAtMs: number } | undefined;

  /** A source that had media is gone; of several losses the first one counts. */
  lost(cause: SwitchCause, from: string): void {
    this.#lost ??= { cause, from, noticedAtMs: Date.now() };
  }

  /** The viewers were given a message of `node`; returns the switch it completes, if it does. */
  arrived(node: string, given: Given): Switched | undefined {
    const [last, lost] = [this.#last, this.#lost];
    const atMs = Date.now();
    this.#last = { ...given, atMs };
    this.#lost = undefined;
    this.node = node;
    return lost && { ...lost, to: node, gapMs: atMs - (last?.atMs ?? atMs), mediaGapMs: missingMs(last, given) };
  }
}

/** Numbers tell whether anything is missing, the publisher's timestamps how much. */
function missingMs(last: Given | undefined, first: Given): number | undefined {
  if (!last || last.epoch !== first.epoch) return undefined;
  return first.sequence === last.sequence + 1 ? 0 : Math.max(0, timestampDelta(first.timestamp, last.timestamp));
}
