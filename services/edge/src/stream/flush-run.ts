/**
 * Flushes phase groups of hubs in slices of time: when one has held the event loop for long, the rest goes on in its next
 * turn, after what has come in meanwhile. Before it: the merge clock, which says when; after it: hubs and their lanes.
 */
import { performance } from 'node:perf_hooks';

/** Phase groups. Divisible by each number of steps the clock may take through them. */
export const GROUPS = 24;
/**
 * A slice ends with the group during which it got so long. A group of one hub is the smallest piece: 200 of 4,800 viewers,
 * some 4 ms. Longer ones came above 15 ms when the collector paused in them: 17.3 with 6 ms, at most 13.2 with 3.
 */
const SLICE_MS = 3;
/** Viewers written to until the clock is looked at again: most hubs have fewer in a group. */
const LOOK_EVERY = 16;

/** What is flushed: a hub. */
export interface FlushedHub {
  /** Sends one phase group what it has not had; returns to how many viewers. */
  flush(group: number): number;
}

/** Runs one after the other; a new one takes the place of one that is not over. */
export class FlushRun {
  readonly #onHeld: (sliceMs: number) => void;
  readonly #now: () => number;
  #hubs: Iterator<FlushedHub> | undefined;
  #hub: FlushedHub | undefined;
  #first = 0;
  #end = 0;
  #group = 0;
  #onDone: () => void = () => {};
  #rest: NodeJS.Immediate | undefined;

  /** `onHeld` is told how long each slice held the loop; `now` is a clock in ms. */
  constructor(onHeld: (sliceMs: number) => void, now = () => performance.now()) {
    this.#onHeld = onHeld;
    this.#now = now;
  }

  /**
   * Flushes groups `first` up to, not including, `end` of each hub; `onDone` is called at the end, which may be before this
   * returns. Hubs may come and go meanwhile.
   */
  start(hubs: Iterable<FlushedHub>, first: number, end: number, onDone: () => void): void {
    this.cancel();
    this.#hubs = hubs[Symbol.iterator]();
    this.#hub = undefined;
    this.#first = first;
    this.#end = end;
    this.#onDone = onDone;
    this.#slice();
  }

  /** Leaves what was not flushed to the next run; `onDone` is not called. */
  cancel(): void {
    clearImmediate(this.#rest);
    this.#rest = undefined;
    this.#hubs = undefined;
    this.#hub = undefined;
  }

  #slice(): void {
    this.#rest = undefined;
    const startMs = this.#now();
    let isOver = false;
    let heldMs = 0;
    let written = 0;
    while (heldMs < SLICE_MS) {
      if (!this.#hub || this.#group === this.#end) {
        const next = this.#hubs?.next();
        if (!next || next.done) {
          isOver = true;
          break;
        }
        this.#hub = next.value;
        this.#group = this.#first;
      }
      written += this.#hub.flush(this.#group);
      this.#group += 1;
      if (written < LOOK_EVERY) continue;
      written = 0;
      heldMs = this.#now() - startMs;
    }
    this.#onHeld(this.#now() - startMs);
    if (!isOver) this.#rest = setImmediate(() => this.#slice());
    else {
      this.cancel();
      this.#onDone();
    }
  }
}
