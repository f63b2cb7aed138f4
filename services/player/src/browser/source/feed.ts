/**
 * One connection to one edge: WebSocket or a streamed HTTP response, from dialling to its end. Before it: the rotation's
 * candidate; after it: the loader that hands the bytes to mpegts.js. It holds what came until somebody takes it.
 */
import type { Candidate } from './candidates.ts';
import { FlvTagReader } from './flv-tags.ts';

/** Why a feed ended or never began. */
export type FeedEnd =
  | 'closed' // the edge ended it
  | 'unreachable' // no connection, or it broke
  | 'timeout' // no answer in time
  | 'not-found'
  | 'refused'
  | 'full'
  | 'failed'; // any other answer

/** What a feed tells. */
export interface FeedEvents<F = MediaFeed> {
  /** First bytes of media are there. */
  onFirstByte(feed: F): void;
  /** Told once, never after {@link MediaFeed.close}. */
  onEnd(feed: F, end: FeedEnd, status: number | undefined): void;
}

/** One way of getting media from one edge. Times are `performance.now()`. */
export interface MediaFeed {
  readonly candidate: Candidate;
  readonly tags: FlvTagReader;
  readonly dialledAt: number;
  readonly answeredAt: number | undefined;
  readonly firstByteAt: number | undefined;
  readonly hasEnded: boolean;
  /** Bits per second over the last seconds. */
  readonly bitrate: number;
  /** Time since the newest byte, ms; 0 before the first. */
  readonly silentMs: number;
  /** Longest time between two arrivals since it was last asked, ms: the jitter a buffer has to bridge. */
  takeLongestGapMs(): number;
  /** Ends it without a word to {@link FeedEvents}. */
  close(): void;
}

/** mpegts.js wants to see the whole FLV file header in the first piece it gets. */
const FIRST_PIECE_BYTES = 13;
const BITRATE_WINDOW_MS = 4_000;

/** One connection; dials at once. */
export class Feed implements MediaFeed {
  readonly candidate: Candidate;
  readonly tags = new FlvTagReader();
  /** `performance.now()` at dialling, at the edge's answer, at the first byte of media, at the newest byte. */
  readonly dialledAt: number;
  answeredAt: number | undefined;
  firstByteAt: number | undefined;
  newestByteAt: number | undefined;
  bytes = 0;
  readonly #events: FeedEvents<Feed>;
  readonly #abort = new AbortController();
  #socket: WebSocket | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #take: ((bytes: Uint8Array) => void) | undefined;
  #timer: ReturnType<typeof setTimeout>;
  #ended = false;
  #recent: { at: number; bytes: number }[] = [];
  #longestGapMs = 0;

  constructor(candidate: Candidate, answerTimeoutMs: number, events: FeedEvents<Feed>) {
    this.candidate = candidate;
    this.#events = events;
    this.dialledAt = performance.now();
    this.#timer = setTimeout(() => this.#end('timeout'), answerTimeoutMs);
    if (candidate.transport === 'ws-flv') this.#dialWebSocket();
    else void this.#dialHttp();
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Bits per second over the last seconds. */
  get bitrate(): number {
    const now = performance.now();
    this.#recent = this.#recent.filter((part) => now - part.at < BITRATE_WINDOW_MS);
    const [first] = this.#recent;
    if (!first || this.firstByteAt === undefined) return 0;
    const spanMs = Math.min(BITRATE_WINDOW_MS, Math.max(now - this.firstByteAt, 500));
    return (this.#recent.reduce((sum, part) => sum + part.bytes, 0) * 8_000) / spanMs;
  }

  /** Longest time between two arrivals since it was last asked, ms: the jitter a buffer has to bridge. */
  takeLongestGapMs(): number {
    const gap = Math.max(this.#longestGapMs, this.silentMs);
    this.#longestGapMs = 0;
    return gap;
  }

  /** Time since the newest byte, ms; 0 before the first. */
  get silentMs(): number {
    return this.newestByteAt === undefined ? 0 : performance.now() - this.newestByteAt;
  }

  /** From now on `take` gets the bytes, those held back first. */
  drainTo(take: (bytes: Uint8Array) => void): void {
    this.#take = take;
    const held = this.#held;
    this.#held = [];
    for (const bytes of held) take(bytes);
  }

  /** Ends the connection without a word to {@link FeedEvents}. */
  close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#socket?.close();
    this.#held = [];
    this.#take = undefined;
  }

  #dialWebSocket(): void {
    const socket = new WebSocket(this.candidate.url);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.answeredAt = performance.now();
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#arrived(new Uint8Array(data));
    };
    // A refused upgrade tells no status to scripts: the rotation asks by HTTP next, which does.
    socket.onclose = ({ code }) => this.#end(endOfCloseCode(code, this.answeredAt !== undefined), closeStatus(code));
  }

  async #dialHttp(): Promise<void> {
    try {
      const response = await fetch(this.candidate.url, {
        signal: this.#abort.signal,
        cache: 'no-store',
        referrerPolicy: 'no-referrer-when-downgrade',
      });
      this.answeredAt = performance.now();
      if (!response.ok || !response.body) {
        this.#end(endOfStatus(response.status), response.status);
        return;
      }
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#arrived(value);
      }
      this.#end('closed');
    } catch {
      this.#end(this.firstByteAt === undefined ? 'unreachable' : 'closed');
    }
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    const now = performance.now();
    if (this.newestByteAt !== undefined) this.#longestGapMs = Math.max(this.#longestGapMs, now - this.newestByteAt);
    this.newestByteAt = now;
    this.bytes += bytes.length;
    this.#recent.push({ at: now, bytes: bytes.length });
    if (this.#recent.length > 4_096) this.#recent.splice(0, 2_048);
    this.tags.push(bytes);
    if (this.#take) this.#take(bytes);
    else this.#hold(bytes);
    if (
      this.firstByteAt === undefined &&
      this.bytes >= FIRST_PIECE_BYTES &&
      this.tags.newestTimestampMs !== undefined
    ) {
      this.firstByteAt = now;
      clearTimeout(this.#timer);
      this.#events.onFirstByte(this);
    }
  }

  /** The first piece is at least the FLV file header; bounded because the player takes a feed at its first byte. */
  #hold(bytes: Uint8Array): void {
    const last = this.#held.at(-1);
    if (last && this.#heldBytes < FIRST_PIECE_BYTES) {
      const joined = new Uint8Array(last.length + bytes.length);
      joined.set(last);
      joined.set(bytes, last.length);
      this.#held[this.#held.length - 1] = joined;
    } else this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  #end(end: FeedEnd, status?: number): void {
    if (this.#ended) return;
    this.close();
    this.#events.onEnd(this, end, status);
  }
}

/** Close codes of an edge are 4000 + the HTTP status it would have answered with. */
const STATUS_CODES = 4_000;
/** RFC 6455 registry: the server is overloaded. */
const TRY_AGAIN_LATER = 1_013;

function closeStatus(code: number): number | undefined {
  return code > STATUS_CODES ? code - STATUS_CODES : undefined;
}

function endOfCloseCode(code: number, answered: boolean): FeedEnd {
  const status = closeStatus(code);
  if (status !== undefined) return endOfStatus(status);
  if (code === TRY_AGAIN_LATER) return 'full';
  return answered ? 'closed' : 'unreachable';
}

/** What an HTTP status means for a viewer. */
export function endOfStatus(status: number): FeedEnd {
  if (status === 404 || status === 410) return 'not-found';
  if (status === 401 || status === 403) return 'refused';
  if (status === 503 || status === 429) return 'full';
  return 'failed';
}
