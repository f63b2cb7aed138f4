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
import type { StreamInput, Upstream, UpstreamEvents } from '../stream/live-stream.ts';
import type { MediaMessage } from '../stream/media.ts';
import { Attempt, type AttemptOptions, type SwitchCause } from './attempt.ts';
import { Candidate } from './candidate.ts';
import { isFillerEpoch } from './filler.ts';
import { Improvement } from './improvement.ts';
import type { RelayPosition } from './mark.ts';
import { Passage, type Switched } from './passage.ts';
import type { Source, Suspects } from './route.ts';

/** Options of {@link Pull}. */
export interface PullOptions extends Omit<AttemptOptions, 'signal' | 'onFailed'> {
  hub: Hub;
  /** Where the media goes. */
  input: StreamInput;
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
  readonly #improvement: Improvement;
  #awaySinceMs = 0;
  #bytesIn = 0;
  readonly #passage = new Passage();

  constructor(options: PullOptions) {
    this.#options = options;
    const { route, mayImprove, suspects } = options;
    this.#improvement = new Improvement({
      source: () => this.#current?.source,
      isBusy: () => this.#candidate !== undefined || this.#stop.signal.aborted,
      route,
      mayImprove,
      isOutdated: () => options.knownEpoch() > options.input.epoch && options.input.epoch > 0,
      suspects,
      begin: (source) => {
        this.#candidate = new Candidate(this.#begin(source));
      },
    });
    void this.#run();
  }

  get bytesIn(): number {
    return this.#bytesIn + (this.#current?.io.bytesIn ?? 0) + (this.#candidate?.attempt.io.bytesIn ?? 0);
  }

  /** Nodes between the publisher and this one; 0 until media came. */
  get hops(): number {
    return this.#options.input.hops;
  }

  get from(): string {
    return this.#current?.source.node ?? '';
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
    this.#improvement.considerSoon();
  }

  close(): void {
    this.state = 'idle';
    this.#stop.abort();
    this.#improvement.stop();
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
      this.state = this.#passage.node === '' ? 'connecting' : 'switching';
      const { cause, hadMedia, source } = await this.#stay(first);
      if (this.#stop.signal.aborted) return 'over';
      if (hadMedia) this.#passage.lost(cause, source.node);
      if (cause === 'ended' && this.#options.knownEpoch() <= this.#options.input.epoch) {
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
      this.#improvement.considerLater();
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
    const { input, knownEpoch } = this.#options;
    if (isFillerEpoch(epoch) || (epoch < input.epoch && epoch !== knownEpoch())) {
      attempt.leave('outdated');
      return;
    }
    if (attempt === this.#candidate?.attempt) {
      this.#candidate.position(epoch, hops);
      if (epoch !== input.epoch) this.#adopt(this.#candidate);
      return;
    }
    if (epoch !== input.epoch) input.beginEpoch(epoch);
    input.hops = hops;
  }

  #onMedia(attempt: Attempt, media: MediaMessage, sequence: number): void {
    const candidate = this.#candidate;
    if (attempt === candidate?.attempt) {
      const kept = candidate.keep(media, sequence);
      if (!kept) attempt.leave('refused');
      else if (candidate.follows(this.#options.input.nextSequence)) this.#adopt(candidate);
    } else if (attempt === this.#current) this.#take(media, sequence);
  }

  #take(media: MediaMessage, sequence: number): void {
    const { hub, input } = this.#options;
    if (sequence < 0) {
      input.pushHeader(media);
      return;
    }
    this.#awaySinceMs = 0;
    this.state = 'live';
    const before = hub.log.end;
    input.push(media, sequence);
    // What was had before, or waits for a key frame, is given to nobody.
    if (hub.log.end === before) return;
    const { timestamp } = media;
    const isNew = this.from !== this.#passage.node;
    const switched = this.#passage.arrived(this.from, { epoch: input.epoch, sequence, timestamp });
    if (isNew || switched) this.#options.suspects.clear(this.from);
    if (!switched) return;
    this.#options.onSwitched(switched);
    this.#options.logger.info({ stream: this.#options.stream, ...switched }, 'source changed');
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
      this.#improvement.considerLater();
    } else if (attempt === this.#current) {
      this.#current = undefined;
      const heir = this.#candidate;
      if (heir && !this.#stop.signal.aborted) {
        if (hadMedia) this.#passage.lost(cause, source.node);
        this.state = 'switching';
        this.#adopt(heir);
      } else {
        this.#improvement.stop();
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
      if (old.hadMedia) this.#passage.lost('moved', old.source.node);
      old.leave('moved');
    }
    if (candidate.epoch > 0) {
      const { input } = this.#options;
      if (candidate.epoch !== input.epoch) input.beginEpoch(candidate.epoch);
      input.hops = candidate.hops;
    }
    for (const { media, sequence } of candidate.kept()) this.#take(media, sequence);
    this.#improvement.considerLater();
  }
}
