/**
 * Pulls one stream from other nodes into a hub for as long as somebody watches it, and changes the source under the
 * viewers: at once when it fails, and in their sleep (the new one flows before the old one is left) when there is a
 * better one. Before it: route.ts says whom to ask; after it: the hub, which drops what it had before.
 *
 *   idle ──opened──▶ connecting ──media──▶ live ──source lost──▶ switching ──media──▶ live
 *                        │                   │                       │
 *                        └── all failed ──┐  └─ publisher away ─┐    └── all failed ──┐
 *                                         ▼                     ▼                     ▼
 *                                      waiting ◀────────────────┴─────────────────────┘
 *                                         └──── the directory changed, or a while has passed ────▶ connecting
 */

import type { Logger } from '@weir/contracts/logger';
import type { Hub } from '../stream/hub.ts';
import type { Upstream, UpstreamEvents } from '../stream/live-stream.ts';
import type { MediaMessage } from '../stream/media.ts';
import { Attempt, type AttemptOptions, type SwitchCause } from './attempt.ts';
import { Candidate } from './candidate.ts';
import type { RelayPosition } from './mark.ts';
import type { Source, Suspects } from './route.ts';

/** A change of the source with viewers attached. */
export interface Switched {
  cause: SwitchCause;
  from: string;
  to: string;
  /** Unix time, ms, of the moment the loss was noticed. */
  noticedAtMs: number;
  gapMs: number;
}

/** Options of {@link Pull}. */
export interface PullOptions extends Omit<AttemptOptions, 'signal' | 'onFailed'> {
  hub: Hub;
  /** Whom to ask now, best first. */
  route(): Source[];
  /** False while what the route is made from is old: nothing that works is left for something better. */
  mayImprove(): boolean;
  /** Epoch the directory knows for the stream, 0 = none. */
  knownEpoch(): number;
  suspects: Suspects;
  events: UpstreamEvents;
  onSwitched(switched: Switched): void;
  /** Bytes received since the last call, for the node's counters. */
  onBytes(bytesIn: number, bytesOut: number): void;
  onClosed(): void;
  logger: Logger;
}

interface Outcome {
  cause: SwitchCause;
  hadMedia: boolean;
  source: Source;
}

const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 2_000;
/** A source that still works is looked at again this often … */
const IMPROVE_EVERY_MS = 5_000;
/** … and left within this time when it drains, or gave the stream only for want of an origin. */
const URGENT_MS = 500;

/** One per pulled stream; runs until closed. */
export class Pull implements Upstream {
  state: Upstream['state'] = 'idle';
  readonly #options: PullOptions;
  readonly #stop = new AbortController();
  #wakeUp: (() => void) | undefined;
  #woken = false;
  #current: Attempt | undefined;
  #currentLeft: ((outcome: Outcome) => void) | undefined;
  #candidate: Candidate | undefined;
  #improveTimer: NodeJS.Timeout | undefined;
  #improveAtMs = Number.POSITIVE_INFINITY;
  #awaySinceMs = 0;
  #bytesIn = 0;
  /** The source media last came from, and when. */
  #lastNode = '';
  #lastMediaMs = 0;
  #lost: { cause: SwitchCause; from: string; atMs: number } | undefined;

  constructor(options: PullOptions) {
    this.#options = options;
    void this.#run();
  }

  get bytesIn(): number {
    return this.#bytesIn + (this.#current?.io.bytesIn ?? 0) + (this.#candidate?.attempt.io.bytesIn ?? 0);
  }

  get from(): string {
    return this.#current?.source.node ?? '';
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
    this.#considerSoon();
  }

  close(): void {
    this.state = 'idle';
    this.#stop.abort();
    clearTimeout(this.#improveTimer);
    this.#wakeUp?.();
    this.#candidate?.attempt.leave('ended');
    this.#current?.leave('ended');
    this.#options.onClosed();
  }

  async #run(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      const worked = await this.#tryAll();
      if (worked === 'over' || this.#stop.signal.aborted) return;
      if (worked === 'had-media') {
        retryMs = RETRY_MIN_MS;
        continue;
      }
      this.state = 'waiting';
      this.#options.events.interrupted();
      await this.#rest(retryMs);
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }

  /** Asks every source once, until one had media and was lost. */
  async #tryAll(): Promise<'had-media' | 'nobody' | 'over'> {
    for (const first of this.#options.route()) {
      if (this.#stop.signal.aborted) return 'over';
      this.state = this.#lastNode === '' ? 'connecting' : 'switching';
      const { cause, hadMedia, source } = await this.#stay(first);
      if (this.#stop.signal.aborted) return 'over';
      if (hadMedia) this.#lost ??= { cause, from: source.node, atMs: Date.now() };
      if (cause === 'ended' && this.#options.knownEpoch() <= this.#options.hub.epoch) {
        this.#options.events.ended();
        return 'over';
      }
      if (hadMedia) return 'had-media';
    }
    return 'nobody';
  }

  #rest(ms: number): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wakeUp = () => {
        clearTimeout(timer);
        this.#wakeUp = undefined;
        resolve();
      };
    });
  }

  /** Pulls from `source`, and from better ones that come up meanwhile, until the one in use is lost. */
  #stay(source: Source): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#currentLeft = resolve;
      this.#awaySinceMs = 0;
      this.#current = this.#begin(source);
      this.#considerIn(IMPROVE_EVERY_MS * (1 + Math.random()));
    });
  }

  #begin(source: Source): Attempt {
    const onFailed = (from: Source, error: unknown) => {
      const { stream, logger } = this.#options;
      logger.debug({ stream, from: from.node, err: error }, 'a source did not give the stream');
    };
    return new Attempt(
      source,
      { ...this.#options, signal: this.#stop.signal, onFailed },
      {
        onPosition: (attempt, position) => this.#onPosition(attempt, position),
        onMedia: (attempt, media, sequence) => this.#onMedia(attempt, media, sequence),
        onAway: (attempt) => this.#onAway(attempt),
        onLeft: (attempt, cause) => this.#onLeft(attempt, cause),
      },
    );
  }

  #onPosition(attempt: Attempt, { epoch, hops }: RelayPosition): void {
    const { hub, knownEpoch } = this.#options;
    if (epoch < hub.epoch && epoch !== knownEpoch()) {
      attempt.leave('outdated');
      return;
    }
    if (attempt === this.#candidate?.attempt) {
      this.#candidate.position(epoch, hops);
      if (epoch !== hub.epoch) this.#adopt(this.#candidate);
      return;
    }
    if (epoch !== hub.epoch) hub.beginEpoch(epoch);
    hub.hops = hops;
  }

  #onMedia(attempt: Attempt, media: MediaMessage, sequence: number): void {
    const candidate = this.#candidate;
    if (attempt === candidate?.attempt) {
      const kept = candidate.keep(media, sequence);
      if (!kept) attempt.leave('refused');
      else if (candidate.follows(this.#options.hub.nextSequence)) this.#adopt(candidate);
    } else if (attempt === this.#current) this.#take(media, sequence);
  }

  #take(media: MediaMessage, sequence: number): void {
    const { hub } = this.#options;
    if (sequence < 0) {
      hub.pushHeader(media);
      return;
    }
    this.#awaySinceMs = 0;
    if (this.#lost || this.#lastNode !== this.from) this.#arrived();
    this.state = 'live';
    this.#lastMediaMs = Date.now();
    hub.push(media, sequence);
  }

  #onAway(attempt: Attempt): void {
    if (attempt !== this.#current) return;
    if (this.state === 'live') this.state = 'waiting';
    this.#options.events.interrupted();
    this.#awaySinceMs ||= Date.now();
    // It waits for a publisher that the directory knows: the way between the two is broken, another may not be.
    const isStuck = Date.now() - this.#awaySinceMs >= this.#options.stallTimeoutMs;
    if (isStuck && this.#options.knownEpoch() > 0 && this.#options.route().length > 1) attempt.leave('stalled');
  }

  #onLeft(attempt: Attempt, cause: SwitchCause): void {
    const { bytesIn, bytesOut } = attempt.io;
    this.#bytesIn += bytesIn;
    this.#options.onBytes(bytesIn, bytesOut);
    const { source, hadMedia } = attempt;
    if (cause === 'unreachable' || cause === 'disconnected' || cause === 'stalled') {
      this.#options.suspects.add(source.node);
    }
    if (attempt === this.#candidate?.attempt) {
      this.#candidate = undefined;
      this.#considerIn(IMPROVE_EVERY_MS * (1 + Math.random()));
    } else if (attempt === this.#current) {
      this.#current = undefined;
      const heir = this.#candidate;
      if (heir && !this.#stop.signal.aborted) {
        if (hadMedia) this.#lost ??= { cause, from: source.node, atMs: Date.now() };
        this.state = 'switching';
        this.#adopt(heir);
      } else {
        clearTimeout(this.#improveTimer);
        this.#improveAtMs = Number.POSITIVE_INFINITY;
        this.#currentLeft?.({ cause, hadMedia, source });
      }
    }
  }

  /** The candidate becomes the source; the old one, if it is there, is left. */
  #adopt(candidate: Candidate): void {
    const old = this.#current;
    this.#candidate = undefined;
    this.#current = candidate.attempt;
    if (old) {
      if (old.hadMedia) this.#lost ??= { cause: 'moved', from: old.source.node, atMs: Date.now() };
      old.leave('moved');
    }
    if (candidate.epoch > 0) {
      const { hub } = this.#options;
      if (candidate.epoch !== hub.epoch) hub.beginEpoch(candidate.epoch);
      hub.hops = candidate.hops;
    }
    for (const { media, sequence } of candidate.kept()) this.#take(media, sequence);
    this.#considerIn(IMPROVE_EVERY_MS * (1 + Math.random()));
  }

  /** A node or a publisher came or went: how long may the present source be kept? */
  #considerSoon(): void {
    const source = this.#current?.source;
    if (!source || this.#candidate) return;
    const isNewPublisher = this.#options.knownEpoch() > this.#options.hub.epoch && this.#options.hub.epoch > 0;
    if (isNewPublisher) {
      this.#consider();
      return;
    }
    const route = this.#options.route();
    const isUnwanted = !route.some(({ node }) => node === source.node);
    const wasMakeshift = source.kind === 'publisher' && route[0]?.kind === 'origin';
    if (isUnwanted || wasMakeshift) this.#considerIn(URGENT_MS * Math.random());
  }

  #considerIn(ms: number): void {
    const atMs = Date.now() + ms;
    if (this.#improveAtMs > Date.now() && this.#improveAtMs <= atMs) return;
    clearTimeout(this.#improveTimer);
    this.#improveAtMs = atMs;
    this.#improveTimer = setTimeout(() => this.#consider(), ms).unref();
  }

  /** Begins to pull from the best source beside the present one, when that is another. */
  #consider(): void {
    const source = this.#current?.source;
    if (!source || this.#candidate || this.#stop.signal.aborted) return;
    const { hub, suspects } = this.#options;
    const isNewPublisher = this.#options.knownEpoch() > hub.epoch && hub.epoch > 0;
    const route = this.#options.route();
    // An origin goes to the new publisher by itself; whoever pulls from an origin stays with it.
    const best =
      isNewPublisher && source.kind === 'publisher' ? route.find(({ kind }) => kind === 'publisher') : route[0];
    const mayGo = isNewPublisher || this.#options.mayImprove();
    if (best && mayGo && best.node !== source.node && !suspects.isSuspect(best.node)) {
      this.#candidate = new Candidate(this.#begin(best));
    } else this.#considerIn(IMPROVE_EVERY_MS * (1 + Math.random()));
  }

  /** The first media of a source. */
  #arrived(): void {
    const to = this.from;
    this.#options.suspects.clear(to);
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost) {
      const gapMs = Math.max(0, Date.now() - this.#lastMediaMs);
      this.#options.onSwitched({ cause: lost.cause, from: lost.from, to, noticedAtMs: lost.atMs, gapMs });
      this.#options.logger.info({ stream: this.#options.stream, ...lost, to, gapMs }, 'source changed');
    }
    this.#lastNode = to;
  }
}
