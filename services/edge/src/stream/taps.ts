/**
 * Who takes a stream's messages inside the node, to make something else of them: HLS, or the node's other processes.
 * Before it: the hub; after it: segments, or links to workers with viewers of their own.
 */
import type { HubMessage } from './hub-log.ts';

/** Viewers that are served elsewhere with what a tap takes: by another process of the node. Counters are totals. */
export interface Audience {
  viewers: number;
  /** Media bytes handed to sockets. */
  bytesOut: number;
  /** Messages not sent to slow viewers. */
  framesDropped: number;
}

/** One taker. */
export interface HubTap {
  /** Counted as if they were viewers of the hub; absent = none. */
  readonly audience?: Readonly<Audience>;
  onMessage(message: HubMessage): void;
  /** The stream is over; nothing follows. */
  onEnd(): void;
}

/** The taps of one hub, and what their audiences amount to. */
export class Taps {
  readonly #taps = new Set<HubTap>();
  /** Of taps that are gone. */
  readonly #gone: Omit<Audience, 'viewers'> = { bytesOut: 0, framesDropped: 0 };

  get count(): number {
    return this.#taps.size;
  }

  /** Of all audiences; counters include those of taps that are gone. */
  get audience(): Audience {
    const sum = { viewers: 0, ...this.#gone };
    for (const { audience } of this.#taps) {
      sum.viewers += audience?.viewers ?? 0;
      sum.bytesOut += audience?.bytesOut ?? 0;
      sum.framesDropped += audience?.framesDropped ?? 0;
    }
    return sum;
  }

  add(tap: HubTap): void {
    this.#taps.add(tap);
  }

  remove(tap: HubTap): void {
    if (!this.#taps.delete(tap)) return;
    this.#gone.bytesOut += tap.audience?.bytesOut ?? 0;
    this.#gone.framesDropped += tap.audience?.framesDropped ?? 0;
  }

  push(message: HubMessage): void {
    for (const tap of this.#taps) tap.onMessage(message);
  }

  /** Ends and forgets them. */
  end(): void {
    for (const tap of [...this.#taps]) {
      this.remove(tap);
      tap.onEnd();
    }
  }
}
