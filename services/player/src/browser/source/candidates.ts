/**
 * Where to connect next: every URL by every transport in turn, and how long to wait between rounds. Knows nothing of the
 * network; the player tells how each attempt ended.
 */
import { VIEWER_QUERY } from '@weir/contracts/viewer';
import type { Transport } from '../../../weir-player.d.ts';

/** One thing to try. */
export interface Candidate {
  url: URL;
  transport: Transport;
}

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 5_000;

/** A path's last dot and letters, when they name a form of the stream. */
const EXTENSION = /\.(flv|m3u8)$/;

/**
 * The candidates of one round: for each URL, each transport.
 * @param base what relative URLs are relative to.
 * @throws TypeError when a URL is none.
 */
export function candidatesOf(
  urls: readonly string[],
  transports: readonly Transport[],
  session: string | undefined,
  base: string,
): Candidate[] {
  return urls.flatMap((text) =>
    transports.map((transport) => ({ url: mediaUrl(text, transport, session, base), transport })),
  );
}

/** `https://host/app/name?sign=…` in the form the transport needs: scheme, extension, session. */
export function mediaUrl(text: string, transport: Transport, session: string | undefined, base: string): URL {
  const url = new URL(text, base);
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  const scheme = transport === 'ws-flv' ? 'ws' : 'http';
  const extension = transport === 'hls' ? '.m3u8' : '.flv';
  const path = url.pathname.replace(EXTENSION, '') + extension;
  // A URL's scheme can't be set from ws to http in place, so it is put together anew.
  const media = new URL(`${scheme}${secure ? 's' : ''}://${url.host}${path}${url.search}`);
  if (transport !== 'hls') media.searchParams.set(VIEWER_QUERY.info, '1');
  if (session !== undefined) media.searchParams.set(VIEWER_QUERY.session, session);
  return media;
}

/** Application and name of a stream out of its URL: the first path segment, and the rest without its extension. */
export function streamOf(url: URL): { app: string; stream: string } {
  const [app = '', ...rest] = url.pathname
    .replace(EXTENSION, '')
    .split('/')
    .filter((part) => part !== '');
  return { app: decoded(app), stream: decoded(rest.join('/')) };
}

/** As it stands where its signs of percent say nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Goes round the candidates. The first attempt after a loss is the candidate that worked, at once; a round without
 * success is followed by a wait that doubles from 250 ms to 5 s and is never in step with other viewers.
 */
export class Rotation {
  #candidates: readonly Candidate[];
  readonly #random: () => number;
  #next = 0;
  #tried = 0;
  #rounds = 0;

  /** @param random 0 ≤ x < 1, for tests. */
  constructor(candidates: readonly Candidate[], random: () => number = Math.random) {
    this.#candidates = candidates;
    this.#random = random;
  }

  get current(): Candidate {
    return this.#candidates[this.#next % this.#candidates.length] as Candidate;
  }

  /** The rest of this round. */
  get left(): number {
    return this.#candidates.length - this.#tried;
  }

  /** Goes round these as well, after the others. */
  append(candidates: readonly Candidate[]): void {
    this.#candidates = [...this.#candidates, ...candidates];
    this.#next = 0;
    this.#tried = 0;
  }

  /** Goes round these only, beginning at once. */
  replace(candidates: readonly Candidate[]): void {
    this.#candidates = candidates;
    this.#next = 0;
    this.#tried = 0;
    this.#rounds = 0;
  }

  /** Media came: the next loss begins a fresh round here. */
  succeeded(): void {
    this.#tried = 0;
    this.#rounds = 0;
  }

  /** The current candidate failed: moves on. @returns how long to wait before the next attempt, ms. */
  failed(): number {
    this.#next = (this.#next + 1) % this.#candidates.length;
    this.#tried += 1;
    if (this.#tried < this.#candidates.length) return 0;
    this.#tried = 0;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#rounds);
    this.#rounds += 1;
    return waitMs * (0.75 + this.#random() / 2);
  }
}
