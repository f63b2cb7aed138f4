/**
 * Bitrates of publishers, looked at once a second: one that sends more than it may for long is closed. Before it: totals of
 * the hubs; nothing is done per packet.
 */
import type { CloseReason } from '@weir/contracts/events';

/** What is looked at: one entry per stream of the node. */
export interface StreamTraffic {
  app: string;
  name: string;
  /** Total since the hub began. */
  bytesIn: number;
  /** Closes the publisher on this node; undefined when there is none. */
  revoke: ((reason: CloseReason) => void) | undefined;
}

/** Options of {@link BitrateGuard}. */
export interface BitrateGuardOptions {
  /** What one publisher may send; 0 = no limit. */
  bitsPerPublisher: number;
  streams: () => readonly StreamTraffic[];
}

const LOOK_MS = 1_000;
/** A publisher may be ahead of its limit by so many seconds of it: key frames, and what it sends after a stall. */
const BURST_SECONDS = 10;

interface Seen {
  bytesIn: number;
  /** Bits a publisher is ahead of its limit. */
  aheadBits: number;
}

/** One per node. */
export class BitrateGuard {
  bitsPerPublisher: number;
  readonly #streams: () => readonly StreamTraffic[];
  readonly #timer: NodeJS.Timeout;
  #seen = new Map<string, Seen>();
  #lookedAtMs: number | undefined;

  constructor({ bitsPerPublisher, streams }: BitrateGuardOptions) {
    this.bitsPerPublisher = bitsPerPublisher;
    this.#streams = streams;
    this.#timer = setInterval(() => this.look(performance.now()), LOOK_MS).unref();
  }

  /** Looks at every stream; called by the guard's own timer. `nowMs` is monotonic. */
  look(nowMs: number): void {
    const seconds = (nowMs - (this.#lookedAtMs ?? nowMs - LOOK_MS)) / 1_000;
    this.#lookedAtMs = nowMs;
    const limit = this.bitsPerPublisher;
    const before = this.#seen;
    this.#seen = new Map();
    for (const { app, name, bytesIn, revoke } of this.#streams()) {
      const key = `${app}/${name}`;
      const last = before.get(key);
      // What came before the first look is nobody's: it may be from a relay, or from a time without a limit.
      // A total that fell belongs to a new hub.
      const bytes = last === undefined ? 0 : bytesIn < last.bytesIn ? bytesIn : bytesIn - last.bytesIn;
      const isLimited = revoke !== undefined && limit > 0;
      const aheadBits = isLimited ? Math.max(0, (last?.aheadBits ?? 0) + bytes * 8 - limit * seconds) : 0;
      this.#seen.set(key, { bytesIn, aheadBits });
      if (isLimited && aheadBits > limit * BURST_SECONDS) revoke('bitrate-limit');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
