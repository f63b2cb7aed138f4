/**
 * What a request by HLS is for: the playlist `/app/name.m3u8` or one of its files, `/app/name/hls/<file>`, and by whom.
 * Before it: http/server.ts; after it: hls-route.ts, which answers.
 */
import { VIEWER_QUERY } from '@weir/contracts/viewer';
import { parseStreamName, type StreamName, streamKey } from '../rtmp/names.ts';
import { type FileName, parseFileName } from './playlist.ts';

/** What a path names. */
export interface HlsPath {
  app: string;
  name: string;
  /** `app/name`. */
  key: string;
  /** Empty: the playlist. */
  file: string;
  /** What the file's name says; undefined of the playlist and of an initialization segment. */
  media: FileName | undefined;
}

const MAX_SESSION = 100;
/** Paths remembered; they are few per stream and new with each part. */
const MAX_PATHS = 10_000;

/** One request. */
export class HlsRequest {
  readonly path: HlsPath;
  /** As it was sent. */
  readonly queryText: string;
  /** The session it names, or an empty text. */
  readonly session: string = '';
  /** Segment and part that a request for the playlist waits for (blocking reload, RFC 8216bis §6.2.5.2). */
  readonly segment: number | undefined;
  readonly part: number | undefined;
  /** Asks for a playlist of that kind. */
  readonly isBlocking: boolean = false;

  constructor(path: HlsPath, queryText: string) {
    this.path = path;
    this.queryText = queryText;
    // By hand: the same few names, thousands of times a second.
    for (const pair of queryText === '' ? [] : queryText.split('&')) {
      const at = pair.indexOf('=');
      const name = at < 0 ? pair : pair.slice(0, at);
      if (name === VIEWER_QUERY.session) this.session = decoded(pair.slice(name.length + 1), MAX_SESSION);
      else if (name === '_HLS_msn') {
        this.isBlocking = true;
        this.segment = wholeNumber(pair.slice(name.length + 1));
      } else if (name === '_HLS_part') this.part = wholeNumber(pair.slice(name.length + 1));
    }
  }

  /** The stream, with the parameters that keys and callbacks look at. */
  get stream(): StreamName {
    return { app: this.path.app, name: this.path.name, query: new URLSearchParams(this.queryText) };
  }

  /** A playlist asked for by who has no session yet. */
  get isFirst(): boolean {
    return this.path.file === '' && this.session === '' && !this.isBlocking;
  }

  /** What of the playlist's query its files are asked for with: the session, and a signature, say, that any edge can check. */
  fileQuery(session: string): string {
    const own = `${VIEWER_QUERY.session}=`;
    const rest = this.queryText
      .split('&')
      .filter((pair) => pair !== '' && !pair.startsWith('_HLS_') && !pair.startsWith(own));
    if (session !== '') rest.push(own + encodeURIComponent(session));
    // In a playlist an address stands between quotation marks.
    return rest.length === 0 ? '' : `?${rest.join('&').replaceAll('"', '%22')}`;
  }
}

/** Takes addresses apart: those of all viewers of a stream differ in their query alone. */
export class HlsPaths {
  readonly #paths = new Map<string, HlsPath>();

  /** The request for this address; undefined when it is none of HLS. */
  parse(url: string): HlsRequest | undefined {
    const [path = '', query = ''] = url.split('?', 2);
    let parsed = this.#paths.get(path);
    if (!parsed) {
      parsed = parsePath(path);
      if (!parsed) return undefined;
      if (this.#paths.size >= MAX_PATHS) this.#paths.clear();
      this.#paths.set(path, parsed);
    }
    return new HlsRequest(parsed, query);
  }
}

function parsePath(path: string): HlsPath | undefined {
  const match = /^\/([^/]+)\/(.+)\.m3u8$/.exec(path) ?? /^\/([^/]+)\/(.+)\/hls\/([\w.-]+)$/.exec(path);
  if (!match) return undefined;
  const [, app = '', stream = '', file = ''] = match;
  try {
    const name = parseStreamName(decodeURIComponent(app), decodeURIComponent(stream).replaceAll('?', ''));
    return name && { app, name: name.name, key: streamKey(name), file, media: parseFileName(file) };
  } catch {
    return undefined;
  }
}

/** A value of a query, cut to so many characters; as it is when it is not encoded well. */
function decoded(value: string, maxLength: number): string {
  let text = value;
  try {
    if (/[%+]/.test(value)) text = decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    // Its sender's business: it is a name like any other.
  }
  // Cut between two halves of a character it could not be encoded again.
  return text.slice(0, maxLength).toWellFormed();
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
