/**
 * The connection of an HLS viewer: none that lasts, but the playlist's answer says whether there is a stream, and what the
 * engine fetches from then on counts as arriving. Before it: the rotation's candidate; after it: the HLS playback.
 */
import { VIEWER_HEADER } from '@weir/contracts/viewer';
import type { Candidate } from './candidates.ts';
import { endOfStatus, type FeedEnd, type FeedEvents, type MediaFeed } from './feed.ts';
import { FlvTagReader } from './flv-tags.ts';

const BITRATE_WINDOW_MS = 8_000;

/** Asks for the playlist at once. */
export class HlsFeed implements MediaFeed {
  readonly candidate: Candidate;
  /** Sees no tags; which edge it is stands in the headers of its answer. */
  readonly tags = new FlvTagReader();
  readonly dialledAt = performance.now();
  answeredAt: number | undefined;
  firstByteAt: number | undefined;
  newestByteAt: number | undefined;
  /** The media playlist: the edge gives each viewer one of its own. */
  mediaUrl: URL;
  readonly #events: FeedEvents<HlsFeed>;
  readonly #abort = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  #recent: { at: number; bytes: number }[] = [];
  #ended = false;

  constructor(candidate: Candidate, answerTimeoutMs: number, events: FeedEvents<HlsFeed>) {
    this.candidate = candidate;
    this.mediaUrl = candidate.url;
    this.#events = events;
    this.#timer = setTimeout(() => this.end('timeout'), answerTimeoutMs);
    void this.#ask();
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get bitrate(): number {
    const now = performance.now();
    this.#recent = this.#recent.filter(({ at }) => now - at < BITRATE_WINDOW_MS);
    const spanMs = Math.min(BITRATE_WINDOW_MS, Math.max(500, now - (this.firstByteAt ?? now)));
    return (this.#recent.reduce((sum, { bytes }) => sum + bytes, 0) * 8_000) / spanMs;
  }

  get silentMs(): number {
    return this.newestByteAt === undefined ? 0 : performance.now() - this.newestByteAt;
  }

  takeLongestGapMs(): number {
    return 0;
  }

  /** The engine has fetched something. */
  arrived(bytes: number): void {
    this.newestByteAt = performance.now();
    this.#recent.push({ at: this.newestByteAt, bytes });
  }

  /** The engine can't go on. */
  end(end: FeedEnd, status?: number): void {
    if (this.#ended) return;
    this.close();
    this.#events.onEnd(this, end, status);
  }

  close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  async #ask(): Promise<void> {
    try {
      const response = await fetch(this.candidate.url, { signal: this.#abort.signal, cache: 'no-store' });
      const playlist = await response.text();
      if (this.#ended) return;
      clearTimeout(this.#timer);
      this.answeredAt = performance.now();
      if (!response.ok) {
        this.end(endOfStatus(response.status), response.status);
        return;
      }
      this.mediaUrl = new URL(variantOf(playlist) ?? response.url, response.url);
      const node = response.headers.get(VIEWER_HEADER.node);
      const connection = response.headers.get(VIEWER_HEADER.connection) ?? '';
      if (node !== null) this.tags.info = { node, connection, serverTimeMs: 0, timestampMs: -1 };
      this.firstByteAt = this.answeredAt;
      this.newestByteAt = this.answeredAt;
      this.#events.onFirstByte(this);
    } catch {
      this.end('unreachable');
    }
  }
}

/** Address of the first variant, when this is a multivariant playlist (RFC 8216bis §4.4.6.2). */
function variantOf(playlist: string): string | undefined {
  return /^#EXT-X-STREAM-INF:.*\r?\n(?!#)(\S+)/m.exec(playlist)?.[1];
}
