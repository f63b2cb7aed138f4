/**
 * HLS over the node's HTTP port: `/app/name.m3u8`, and its files under `/app/name/hls/`. A stream is muxed from its first
 * request until nobody has asked for a while. Before it: http/server.ts; after it: one HlsStream per stream.
 *
 * Who asks without a session gets a multivariant playlist (codecs, bitrate, size) that gives it one; with a session the
 * same address is the media playlist, whose files are asked for with the session too: so each viewer's bytes are its own.
 * A cache in front may leave `session` out of its keys: names and bytes do not depend on it.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { VIEWER_HEADER, VIEWER_QUERY } from '@weir/contracts/viewer';
import { parseStreamName, type StreamName, streamKey } from '../rtmp/names.ts';
import type { Connections } from '../stream/connections.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import { type HlsLimits, HlsStream } from './hls-stream.ts';
import { type HlsGrant, HlsViewers } from './hls-viewers.ts';
import { parseFileName } from './playlist.ts';

/** Messages of a stream from its headers and newest GOP on, until `stop`. */
export type TapStream = (
  name: StreamName,
  tap: { onMessage(message: HubMessage): void; onEnd(): void },
) => { stop(): void };

/** Why a viewer may not watch, as HTTP says it. */
export interface HlsRefusal {
  status: number;
  /** A word for programs. */
  error: string;
  /** A sentence for people. */
  message?: string;
}

/** May this viewer watch? Asked once per viewer and node; the grant is ended when the viewer has gone. */
export type EnterHls = (name: StreamName, request: IncomingMessage) => Promise<HlsGrant | HlsRefusal>;

/** Options of {@link HlsRoute}. */
export interface HlsRouteOptions {
  tap: TapStream;
  /** Name of this node, told to viewers that ask for a playlist. */
  node: string;
  /** Undefined lets everybody in. */
  enter?: EnterHls | undefined;
  /** True when somebody publishes `app/name`, here or elsewhere. Undefined: nobody knows. */
  isPublished?: (stream: string) => boolean;
  connections: Connections;
  limits: HlsLimits;
  /** How long the first request of a stream waits for it beyond what the first segment takes. */
  notFoundWaitMs: number;
}

interface Running {
  stream: HlsStream;
  viewers: HlsViewers;
  tap: { stop(): void };
  askedAtMs: number;
  /** Requests that wait for its media. */
  waiting: number;
  ended: boolean;
}

const SWEEP_MS = 1_000;
const ENDS_AFTER_MS = 20_000;
const FOLDER = 'hls/';
/** Streams that nobody is known to publish and that are waited for all the same: each costs a tap and a pull. */
const MAX_UNKNOWN = 64;
/** A part that does not come is given up after so many segments. */
const BLOCK_SEGMENTS = 3;
/** A request for what is that far ahead is a mistake (RFC 8216bis §6.2.5.2). */
const MAX_AHEAD = 2;
/** Paths remembered; they are few per stream and new with each part. */
const MAX_PATHS = 10_000;
/** Query parameter of a request that waits for a segment to come (RFC 8216bis §6.2.5.2). */
const BLOCKING = '_HLS_msn';
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';
const MAX_SESSION = 100;
const NOT_FOUND: HlsRefusal = { status: 404, error: 'stream-not-found' };
const TOO_EARLY: HlsRefusal = { status: 400, error: 'too-early' };
const KICKED: HlsRefusal = { status: 403, error: 'kicked', message: 'An operator closed this session.' };
const TOO_MANY_UNKNOWN: HlsRefusal = {
  status: 503,
  error: 'limit',
  message: 'Too many streams that nobody publishes are asked for: try again in a moment.',
};
const FILES_LAST = 'public, max-age=3600, immutable';

/** One per node. */
export class HlsRoute {
  readonly #options: HlsRouteOptions;
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  readonly #paths = new Map<string, ParsedPath>();

  constructor(options: HlsRouteOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(Date.now()), SWEEP_MS).unref();
  }

  /** Answers a request when it is for HLS; false = it is not. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const asked = this.#parse(path, query);
    if (!asked) return false;
    this.#answer(asked, request, response).catch(() => response.destroy());
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const key of [...this.#running.keys()]) this.#end(key, 'shutdown');
  }

  async #answer(asked: Asked, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = asked.query.get(VIEWER_QUERY.session)?.slice(0, MAX_SESSION);
    const isFirst = asked.file === '' && !given && !asked.query.has(BLOCKING);
    const session = isFirst ? randomUUID() : (given ?? '');
    const viewers = this.#running.get(asked.key)?.viewers;
    if (viewers?.isBarred(request, session)) return this.#refuse(response, KICKED);
    const known = viewers?.knows(request, session) ?? false;
    const grant = known ? undefined : await this.#enter(asked, request);
    if (grant && 'status' in grant) return this.#refuse(response, grant);
    if (!known && !this.#mayRun(asked.key)) {
      grant?.end('limit');
      this.#options.connections.refuse('hls', 'limit');
      return this.#refuse(response, TOO_MANY_UNKNOWN);
    }
    const running = this.#run(asked);
    running.waiting += 1;
    const isThere =
      asked.file === '' ? await this.#awaitPlaylist(running, asked.query) : await this.#awaitFile(running, asked.file);
    running.waiting -= 1;
    if (isThere !== true || running.ended) {
      grant?.end('stream-not-found');
      if (grant) this.#options.connections.refuse('hls', 'stream-not-found');
      this.#refuse(response, isThere === 'too-early' ? TOO_EARLY : NOT_FOUND);
      // Nobody asks for what is not there again and again: its tap need not wait for that.
      if (!running.stream.hasMedia && running.waiting === 0 && this.#running.get(asked.key) === running) {
        this.#end(asked.key, 'stream-ended');
      }
      return;
    }
    if (grant) running.viewers.enter(request, session, grant);
    const sent =
      asked.file === ''
        ? this.#sendPlaylist(running, asked, isFirst, session, request, response)
        : this.#sendFile(running, asked.file, request, response);
    running.viewers.gave(request, session, sent);
  }

  async #enter({ app, name, query }: Asked, request: IncomingMessage): Promise<HlsGrant | HlsRefusal> {
    return this.#options.enter ? this.#options.enter({ app, name, query }, request) : { end() {} };
  }

  /** Waits for media, and for the segment or part the request names (blocking reload). */
  async #awaitPlaylist({ stream }: Running, query: URLSearchParams): Promise<boolean | 'too-early'> {
    const { segmentMs } = this.#options.limits;
    // A newcomer waits for the next segment's beginning, and for its first part.
    await stream.until(() => stream.hasMedia || stream.isClosed, this.#options.notFoundWaitMs + 2 * segmentMs);
    if (!stream.hasMedia) return false;
    const number = wholeNumber(query.get(BLOCKING));
    if (number === undefined) return true;
    if (!stream.has(number - MAX_AHEAD, 0)) return 'too-early';
    const part = wholeNumber(query.get('_HLS_part'));
    await stream.until(() => stream.has(number, part) || stream.isClosed, BLOCK_SEGMENTS * segmentMs);
    return !stream.isClosed;
  }

  /** A hinted part is asked for before it is there; and another edge may have given this viewer its playlist. */
  async #awaitFile({ stream }: Running, file: string): Promise<boolean> {
    const hinted = parseFileName(file);
    const isNext = hinted?.part !== undefined && stream.has(hinted.segment - MAX_AHEAD, 0);
    if (!stream.file(file) && (isNext || !stream.hasMedia)) {
      await stream.until(
        () => stream.file(file) !== undefined || stream.isClosed,
        BLOCK_SEGMENTS * this.#options.limits.segmentMs,
      );
    }
    return stream.file(file) !== undefined;
  }

  #sendPlaylist(
    { stream, viewers }: Running,
    { name, query, queryText }: Asked,
    isFirst: boolean,
    session: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): number {
    const last = encodeURIComponent(name.split('/').at(-1) ?? '');
    if (!query.has(BLOCKING)) {
      response.setHeader(VIEWER_HEADER.node, this.#options.node);
      response.setHeader(VIEWER_HEADER.connection, viewers.connectionOf(request, session) ?? '');
      response.setHeader('Access-Control-Expose-Headers', Object.values(VIEWER_HEADER).join(', '));
    }
    const files = fileQuery(queryText, session);
    const playlist = isFirst ? stream.choice(`${last}.m3u8${files}`) : stream.playlist(`${last}/${FOLDER}`, files);
    const caching = isFirst ? 'no-store' : 'no-cache';
    return this.#send(response, 200, PLAYLIST_TYPE, caching, playlist ? [playlist] : [], request);
  }

  #sendFile({ stream }: Running, file: string, request: IncomingMessage, response: ServerResponse): number {
    const type = file.endsWith('.mp4') ? 'video/mp4' : 'video/iso.segment';
    return this.#send(response, 200, type, FILES_LAST, stream.file(file) ?? [], request);
  }

  /** The same few paths are asked for by all viewers at once: each is taken apart once. */
  #parse(path: string, query: string): Asked | undefined {
    let parsed = this.#paths.get(path);
    if (!parsed) {
      parsed = parsePath(path);
      if (!parsed) return undefined;
      if (this.#paths.size >= MAX_PATHS) this.#paths.clear();
      this.#paths.set(path, parsed);
    }
    return { ...parsed, query: new URLSearchParams(query), queryText: query };
  }

  #refuse(response: ServerResponse, { status, error, message }: HlsRefusal): void {
    const body = `${JSON.stringify({ error, message })}\n`;
    this.#send(response, status, 'application/json', 'no-store', [Buffer.from(body)]);
  }

  /** Names that nobody is known to publish have a bound together, so that asking for many of them keeps nothing busy. */
  #mayRun(key: string): boolean {
    if (this.#running.get(key)?.stream.hasMedia || this.#options.isPublished?.(key)) return true;
    let unknown = 0;
    for (const [other, { stream }] of this.#running) if (other !== key && !stream.hasMedia) unknown += 1;
    return unknown < MAX_UNKNOWN;
  }

  #send(
    response: ServerResponse,
    status: number,
    type: string,
    caching: string,
    parts: readonly Buffer[],
    request?: IncomingMessage,
  ): number {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    response.writeHead(status, {
      // All a page elsewhere needs: these are simple requests.
      'Access-Control-Allow-Origin': '*',
      'Content-Type': type,
      'Cache-Control': caching,
      'Content-Length': size,
    });
    if (request?.method === 'HEAD') {
      response.end();
      return 0;
    }
    for (const part of parts.slice(0, -1)) response.write(part);
    response.end(parts.at(-1));
    return size;
  }

  #run({ app, name, key, query }: Asked): Running {
    const known = this.#running.get(key);
    if (known && !known.ended) {
      known.askedAtMs = Date.now();
      return known;
    }
    known?.viewers.close('stream-ended');
    const stream = new HlsStream(this.#options.limits);
    const viewers = new HlsViewers((socket, session, userAgent, kick) =>
      this.#options.connections.open({
        role: 'viewer',
        protocol: 'hls',
        app,
        stream: name,
        session,
        userAgent,
        socket,
        kick,
      }),
    );
    const running: Running = { stream, viewers, tap: { stop() {} }, askedAtMs: Date.now(), waiting: 0, ended: false };
    this.#running.set(key, running);
    running.tap = this.#options.tap(
      { app, name, query },
      {
        onMessage: (message) => stream.push(message),
        onEnd: () => {
          running.ended = true;
          stream.close();
          viewers.close('stream-ended');
        },
      },
    );
    return running;
  }

  #sweep(nowMs: number): void {
    for (const [key, { viewers, askedAtMs, ended }] of this.#running) {
      viewers.sweep(nowMs);
      if (ended || (viewers.count === 0 && nowMs - askedAtMs > ENDS_AFTER_MS)) this.#end(key, 'stream-ended');
    }
  }

  #end(key: string, reason: 'stream-ended' | 'shutdown'): void {
    const running = this.#running.get(key);
    if (!running) return;
    this.#running.delete(key);
    running.tap.stop();
    running.stream.close();
    running.viewers.close(reason);
  }
}

/** What a path names: the playlist (file '') or a file of a stream. */
interface ParsedPath {
  app: string;
  name: string;
  /** `app/name`. */
  key: string;
  file: string;
}

/** What a request is for. */
interface Asked extends ParsedPath {
  query: URLSearchParams;
  /** The same as it was sent. */
  queryText: string;
}

/** `/app/name.m3u8` or `/app/name/hls/<file>`. */
function parsePath(path: string): ParsedPath | undefined {
  const match = /^\/([^/]+)\/(.+)\.m3u8$/.exec(path) ?? /^\/([^/]+)\/(.+)\/hls\/([\w.-]+)$/.exec(path);
  if (!match) return undefined;
  const [, app = '', stream = '', file = ''] = match;
  try {
    const name = parseStreamName(decodeURIComponent(app), decodeURIComponent(stream).replaceAll('?', ''));
    return name && { app, name: name.name, key: streamKey(name), file };
  } catch {
    return undefined;
  }
}

/** What of the playlist's query its files are asked for with: the session, and a signature, say, that any edge can check. */
function fileQuery(queryText: string, session: string): string {
  const own = `${VIEWER_QUERY.session}=`;
  const rest = queryText.split('&').filter((part) => part !== '' && !part.startsWith('_HLS_') && !part.startsWith(own));
  if (session !== '') rest.push(own + encodeURIComponent(session));
  // In a playlist an address stands between quotation marks.
  return rest.length === 0 ? '' : `?${rest.join('&').replaceAll('"', '%22')}`;
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
