/**
 * Bitrates, looked at once a second: a publisher that sends more than it may for long is closed, and an app whose viewers
 * are sent more than its quota gets no new ones. Before it: totals of the hubs; nothing is done per packet.
 */
import type { CloseReason } from '@weir/contracts/events';
import type { AppQuotas } from './quotas.ts';

/** What is looked at: one entry per stream of the node. */
export interface StreamTraffic {
  app: string;
  name: string;
  /** Totals since the hub began. */
  bytesIn: number;
  bytesOut: number;
  /** Closes the publisher on this node; undefined when there is none. */
  revoke: ((reason: CloseReason) => void) | undefined;
}

/** Limits in force; 0 = none. */
export interface BitrateLimits {
  bitsPerPublisher: number;
  quotas: AppQuotas;
}

/** Options of {@link BitrateGuard}. */
export interface BitrateGuardOptions {
  limits: BitrateLimits;
  streams: () => readonly StreamTraffic[];
}

const LOOK_MS = 1_000;
/** A publisher may be ahead of its limit by so many seconds of it: key frames, and what it sends after a stall. */
const BURST_SECONDS = 10;
/** Weight of the last second in an app's bitrate: it follows a change within about five. */
const NEWEST_WEIGHT = 0.3;

interface Seen {
  bytesIn: number;
  bytesOut: number;
  /** Bits a publisher is ahead of its limit. */
  aheadBits: number;
}

/** One per node. */
export class BitrateGuard {
  limits: BitrateLimits;
  readonly #streams: () => readonly StreamTraffic[];
  readonly #timer: NodeJS.Timeout;
  #seen = new Map<string, Seen>();
  #apps = new Map<string, number>();
  #lookedAtMs: number | undefined;

  constructor({ limits, streams }: BitrateGuardOptions) {
    this.limits = limits;
    this.#streams = streams;
    this.#timer = setInterval(() => this.look(performance.now()), LOOK_MS).unref();
  }

  /** True when `app` is sent as much as it may: it gets no new viewers. */
  isOver(app: string): boolean {
    const limit = this.limits.quotas(app).bitsPerSecond;
    return limit !== undefined && this.bitsPerSecondOf(app) >= limit;
  }

  /** What the viewers of `app` are sent. */
  bitsPerSecondOf(app: string): number {
    return this.#apps.get(app) ?? 0;
  }

  /** Looks at every stream; called by the guard's own timer. `nowMs` is monotonic. */
  look(nowMs: number): void {
    const seconds = (nowMs - (this.#lookedAtMs ?? nowMs - LOOK_MS)) / 1_000;
    this.#lookedAtMs = nowMs;
    if (seconds <= 0) return;
    const before = this.#seen;
    const sent = new Map<string, number>();
    this.#seen = new Map();
    for (const { app, name, bytesIn, bytesOut, revoke } of this.#streams()) {
      const key = `${app}/${name}`;
      const last = before.get(key);
      sent.set(app, (sent.get(app) ?? 0) + increase(last?.bytesOut, bytesOut) * 8);
      const limit = this.limits.bitsPerPublisher;
      const ahead = (last?.aheadBits ?? 0) + increase(last?.bytesIn, bytesIn) * 8 - limit * seconds;
      const isPublished = revoke !== undefined && limit > 0;
      const aheadBits = isPublished ? Math.max(0, ahead) : 0;
      this.#seen.set(key, { bytesIn, bytesOut, aheadBits });
      if (isPublished && aheadBits > limit * BURST_SECONDS) revoke('bitrate-limit');
    }
    const apps = new Map<string, number>();
    for (const [app, bits] of sent) {
      const rate = bits / seconds;
      apps.set(app, this.bitsPerSecondOf(app) * (1 - NEWEST_WEIGHT) + rate * NEWEST_WEIGHT);
    }
    this.#apps = apps;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** A total that fell belongs to a new hub. */
function increase(before: number | undefined, now: number): number {
  return before === undefined || now < before ? now : now - before;
}
