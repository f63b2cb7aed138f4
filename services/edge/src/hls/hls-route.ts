/**
 * HLS over the node's HTTP port: `/app/name.m3u8`, and its files under `/app/name/hls/`. A stream is muxed from its first
 * request until nobody has asked for a while. Before it: http/server.ts; after it: one HlsStream per stream.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { VIEWER_QUERY } from '@weir/contracts/viewer';
import { parseStreamName, type StreamName, streamKey } from '../rtmp/names.ts';
import type { Connections } from '../stream/connections.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import { type HlsLimits, HlsStream } from './hls-stream.ts';
import { HlsViewers } from './hls-viewers.ts';

/** Messages of a stream from its headers and newest GOP on, until `stop`. */
export type TapStream = (
  name: StreamName,
  tap: { onMessage(message: HubMessage): void; onEnd(): void },
) => { stop(): void };

/** Options of {@link HlsRoute}. */
export interface HlsRouteOptions {
  tap: TapStream;
  connections: Connections;
  limits: HlsLimits;
  /** How long the first request of a stream waits for it beyond what the first segment takes. */
  notFoundWaitMs: number;
  headers: Readonly<Record<string, string>>;
}

interface Running {
  stream: HlsStream;
  viewers: HlsViewers;
  tap: { stop(): void };
  askedAtMs: number;
  ended: boolean;
}

const SWEEP_MS = 1_000;
const ENDS_AFTER_MS = 20_000;
const FOLDER = 'hls/';
/** A part that does not come is given up after so many segments. */
const BLOCK_SEGMENTS = 3;
/** A request for what is that far ahead is a mistake (RFC 8216bis §6.2.5.2). */
const MAX_AHEAD = 2;
const FILES_LAST = 'public, max-age=3600, immutable';

/** One per node. */
export class HlsRoute {
  readonly #options: HlsRouteOptions;
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: HlsRouteOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(Date.now()), SWEEP_MS).unref();
  }

  /** Answers a request when it is for HLS; false = it is not. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const asked = parsePath(pathname);
    if (!asked) return false;
    const answering =
      asked.file === ''
        ? this.#playlist(asked.name, searchParams, request, response)
        : this.#file(asked, request, response);
    answering.catch(() => response.destroy());
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const key of [...this.#running.keys()]) this.#end(key, 'shutdown');
  }

  async #playlist(
    name: StreamName,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const running = this.#run(name);
    const { stream, viewers } = running;
    const { segmentMs } = this.#options.limits;
    if (!stream.hasMedia) {
      // A newcomer waits for the next segment's beginning, and for its first part.
      await stream.until(() => stream.hasMedia || running.ended, this.#options.notFoundWaitMs + 2 * segmentMs);
    }
    const number = wholeNumber(query.get('_HLS_msn'));
    const part = wholeNumber(query.get('_HLS_part'));
    if (number !== undefined) {
      if (stream.has(number - MAX_AHEAD, 0)) {
        await stream.until(() => stream.has(number, part) || running.ended, BLOCK_SEGMENTS * segmentMs);
      } else if (stream.hasMedia) {
        this.#send(response, 400, 'text/plain', 'no-store', [Buffer.from('asked for too far ahead\n')]);
        return;
      }
    }
    const playlist = stream.playlist(`${name.name.split('/').at(-1)}/${FOLDER}`);
    if (playlist === undefined) {
      this.#send(response, 404, 'application/json', 'no-store', [Buffer.from('{"error":"stream-not-found"}\n')]);
      return;
    }
    viewers.asked(request, query.get(VIEWER_QUERY.session) ?? '');
    const sent = this.#send(
      response,
      200,
      'application/vnd.apple.mpegurl',
      'no-cache',
      [Buffer.from(playlist)],
      request,
    );
    viewers.gave(request, sent);
  }

  async #file(
    { name, file }: { name: StreamName; file: string },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const running = this.#run(name);
    const { stream, viewers } = running;
    const hinted = /^(\d+)\.(\d+)\.m4s$/.exec(file);
    // A hinted part may be asked for before it is there.
    if (hinted && !stream.file(file) && stream.has(Number(hinted[1]) - MAX_AHEAD, 0)) {
      await stream.until(
        () => stream.file(file) !== undefined || running.ended,
        BLOCK_SEGMENTS * this.#options.limits.segmentMs,
      );
    } else if (!stream.hasMedia) {
      // Another edge gave this viewer its playlist.
      await stream.until(
        () => stream.file(file) !== undefined || running.ended,
        BLOCK_SEGMENTS * this.#options.limits.segmentMs,
      );
    }
    const parts = stream.file(file);
    if (!parts) {
      this.#send(response, 404, 'application/json', 'no-store', [Buffer.from('{"error":"not-found"}\n')]);
      return;
    }
    const type = file.endsWith('.mp4') ? 'video/mp4' : 'video/iso.segment';
    viewers.gave(request, this.#send(response, 200, type, FILES_LAST, parts, request));
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
      ...this.#options.headers,
      'Content-Type': type,
      'Cache-Control': caching,
      'Content-Length': size,
    });
    if (request?.method === 'HEAD') {
      response.end();
      return 0;
    }
    for (const part of parts) response.write(part);
    response.end();
    return size;
  }

  #run(name: StreamName): Running {
    const key = streamKey(name);
    const known = this.#running.get(key);
    if (known && !known.ended) {
      known.askedAtMs = Date.now();
      return known;
    }
    known?.viewers.close('stream-ended');
    const stream = new HlsStream(this.#options.limits);
    const viewers = new HlsViewers((socket, session, userAgent) =>
      this.#options.connections.open({
        role: 'viewer',
        protocol: 'hls',
        app: name.app,
        stream: name.name,
        session,
        userAgent,
        socket,
      }),
    );
    const running: Running = { stream, viewers, tap: { stop() {} }, askedAtMs: Date.now(), ended: false };
    this.#running.set(key, running);
    running.tap = this.#options.tap(name, {
      onMessage: (message) => stream.push(message),
      onEnd: () => {
        running.ended = true;
        stream.close();
        viewers.close('stream-ended');
      },
    });
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

/** `/app/name.m3u8` (file '') or `/app/name/hls/<file>`. */
function parsePath(pathname: string): { name: StreamName; file: string } | undefined {
  const match = /^\/([^/]+)\/(.+)\.m3u8$/.exec(pathname) ?? /^\/([^/]+)\/(.+)\/hls\/([\w.-]+)$/.exec(pathname);
  if (!match) return undefined;
  try {
    const name = parseStreamName(
      decodeURIComponent(match[1] ?? ''),
      decodeURIComponent(match[2] ?? '').replaceAll('?', ''),
    );
    return name && { name, file: match[3] ?? '' };
  } catch {
    return undefined;
  }
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
