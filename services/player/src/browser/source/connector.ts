/**
 * Keeps a stream connected: dials the candidates in turn, waits between rounds, dials again after a loss, and says in one
 * word why there is nothing at the moment. Before it: the candidates; after it: the player, which takes each feed.
 */
import { type Candidate, Rotation } from './candidates.ts';
import { Feed, type FeedEnd, type FeedEvents, type MediaFeed } from './feed.ts';
import { HlsFeed } from './hls-feed.ts';

/** Why there is no media: of a whole round of attempts, the answer that tells the viewer most. */
export type Outage = 'refused' | 'not-found' | 'full' | 'unreachable';

/** What the connector tells. */
export interface ConnectorEvents {
  /** A feed has its first byte; the one before it, if any, may go now. */
  onFeed(feed: MediaFeed, attempts: number): void;
  /** The feed in use ended; another is being dialled. */
  onLoss(feed: MediaFeed, code: string): void;
  /** A round failed everywhere. After `refused` nothing more is tried. */
  onOutage(outage: Outage, status: number | undefined): void;
}

/** After so many rounds in which nobody answered at all, the fallback is tried as well. */
const ROUNDS_BEFORE_FALLBACK = 2;
const ANSWER_TIMEOUT_MS = 6_000;
const HLS_ANSWER_TIMEOUT_MS = 12_000;
/** With somewhere else to go, one dead address must not cost the viewer much. */
const ANSWER_TIMEOUT_WITH_OTHERS_MS = 2_500;
/** A feed that lives so long was a success; one that ends sooner counts as a failed attempt. */
const SETTLED_MS = 3_000;
/** No byte for so long on an open connection: the edge may be gone without a word. */
const SILENCE_MS = 6_000;

/** Dials from {@link Connector.start} until {@link Connector.close}. */
export class Connector {
  readonly #rotation: Rotation;
  readonly #events: ConnectorEvents;
  readonly #answerTimeoutMs: number;
  #feed: MediaFeed | undefined;
  #dialling: MediaFeed | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #ends: { end: FeedEnd; status: number | undefined }[] = [];
  #attempts = 0;
  #silenceMs = SILENCE_MS;
  #closed = false;
  #fallback: readonly Candidate[];
  #emptyRounds = 0;

  /**
   * @param fallback for networks that let the candidates' transport not through: gone to as well when two rounds had no
   *   answer and none of them ever gave media, or at once by {@link fallBack}.
   */
  constructor(candidates: readonly Candidate[], fallback: readonly Candidate[], events: ConnectorEvents) {
    this.#fallback = fallback;
    this.#rotation = new Rotation(candidates);
    this.#events = events;
    const hosts = new Set(candidates.map(({ url }) => url.host)).size;
    this.#answerTimeoutMs = hosts > 1 ? ANSWER_TIMEOUT_WITH_OTHERS_MS : ANSWER_TIMEOUT_MS;
  }

  /** The feed in use. */
  get feed(): MediaFeed | undefined {
    return this.#feed;
  }

  get current(): Candidate {
    return this.#rotation.current;
  }

  /** Dials at once, whatever was being waited for: the network is back, the tab woke up, the viewer asked. */
  start(): void {
    if (this.#closed || this.#dialling) return;
    clearTimeout(this.#retry);
    this.#ends = [];
    this.#dial();
  }

  /** What comes cannot be played: from now on only the fallback is tried. False when there is none. */
  fallBack(): boolean {
    if (this.#fallback.length === 0) return false;
    this.#rotation.replace(this.#fallback);
    this.#fallback = [];
    this.stop();
    this.start();
    return true;
  }

  /** Lets go of the connection until {@link start}. */
  stop(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#settle);
    this.#dialling?.close();
    this.#feed?.close();
    this.#dialling = undefined;
    this.#feed = undefined;
  }

  close(): void {
    this.#closed = true;
    this.stop();
  }

  /** To be called now and then: an edge that vanished without a word shows only by its silence. */
  checkSilence(): void {
    const feed = this.#feed;
    if (!feed || this.#dialling || this.#retryPending) return;
    if (feed.silentMs < this.#silenceMs) {
      if (feed.silentMs < 1_000) this.#silenceMs = SILENCE_MS;
      return;
    }
    // A publisher that is away keeps the connection open as well: ask elsewhere ever more seldom.
    this.#silenceMs = Math.min(60_000, this.#silenceMs * 2);
    this.#events.onLoss(feed, 'silent');
    this.#dial();
  }

  get #retryPending(): boolean {
    return this.#retry !== undefined;
  }

  #dial(): void {
    this.#retry = undefined;
    this.#attempts += 1;
    const events: FeedEvents = {
      onFirstByte: (feed) => this.#takes(feed),
      onEnd: (feed, end, status) => this.#ended(feed, end, status),
    };
    const candidate = this.#rotation.current;
    // Of HLS the first answer takes a segment longer: the edge begins to cut only when it is asked.
    this.#dialling =
      candidate.transport === 'hls'
        ? new HlsFeed(candidate, HLS_ANSWER_TIMEOUT_MS, events)
        : new Feed(candidate, this.#answerTimeoutMs, events);
  }

  #takes(feed: MediaFeed): void {
    const old = this.#feed;
    const attempts = this.#attempts;
    this.#dialling = undefined;
    this.#feed = feed;
    this.#attempts = 0;
    this.#ends = [];
    old?.close();
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#succeeded(), SETTLED_MS);
    this.#events.onFeed(feed, attempts);
  }

  #ended(feed: MediaFeed, end: FeedEnd, status: number | undefined): void {
    if (feed === this.#dialling) {
      this.#dialling = undefined;
      this.#failed(end, status);
    } else if (feed === this.#feed) {
      this.#feed = undefined;
      clearTimeout(this.#settle);
      const settled = feed.firstByteAt !== undefined && performance.now() - feed.firstByteAt >= SETTLED_MS;
      if (!this.#dialling) this.#again(settled ? 0 : this.#rotation.failed());
      this.#events.onLoss(feed, end);
    }
  }

  #failed(end: FeedEnd, status: number | undefined): void {
    this.#ends.push({ end, status });
    const wholeRound = this.#rotation.left === 1;
    const waitMs = this.#rotation.failed();
    if (wholeRound) {
      const { outage, status: told } = outageOf(this.#ends);
      this.#ends = [];
      this.#emptyRounds = outage === 'unreachable' ? this.#emptyRounds + 1 : 0;
      if (this.#emptyRounds === ROUNDS_BEFORE_FALLBACK) this.#rotation.append(this.#fallback);
      if (outage !== 'refused') this.#again(waitMs);
      this.#events.onOutage(outage, told);
    } else this.#again(waitMs);
  }

  /** What works once is not what the network forbids: a later outage is no reason to fall back. */
  #succeeded(): void {
    this.#rotation.succeeded();
    this.#emptyRounds = Number.NEGATIVE_INFINITY;
  }

  #again(waitMs: number): void {
    clearTimeout(this.#retry);
    if (!this.#closed) this.#retry = setTimeout(() => this.#dial(), waitMs);
  }
}

const TELLING: readonly [FeedEnd, Outage][] = [
  ['refused', 'refused'],
  ['full', 'full'],
  ['not-found', 'not-found'],
];

function outageOf(ends: readonly { end: FeedEnd; status: number | undefined }[]): {
  outage: Outage;
  status: number | undefined;
} {
  for (const [end, outage] of TELLING) {
    const found = ends.find((one) => one.end === end);
    if (found) return { outage, status: found.status };
  }
  return { outage: 'unreachable', status: ends.find(({ status }) => status !== undefined)?.status };
}
