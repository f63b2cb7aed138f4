/**
 * HLS over the node's HTTP port: who may have what, and the answer. Before it: http/server.ts; after it: the stream's
 * muxing (hls-streams.ts) and its viewers.
 *
 * Who asks without a session gets a multivariant playlist (codecs, bitrate, size) that gives it one; with a session the
 * same address is the media playlist, whose files are asked for with the session too: so each viewer's bytes are its own.
 * A cache in front may leave `session` out of its keys: names and bytes do not depend on it.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { VIEWER_HEADER } from '@weir/contracts/viewer';
import type { StreamName } from '../rtmp/names.ts';
import type { Connections } from '../stream/connections.ts';
import { type HlsRefusal, sendFile, sendPlaylist, sendRefusal } from './hls-answers.ts';
import { HlsPaths, type HlsRequest } from './hls-request.ts';
import type { HlsLimits } from './hls-stream.ts';
import { HlsStreams, type RunningStream, type TapStream } from './hls-streams.ts';
import type { HlsGrant, HlsViewer } from './hls-viewers.ts';
import { KickedViewers } from './kicked-viewers.ts';
import { type Presence, type WaitLimits, whenThere } from './when-there.ts';

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

const SWEEP_MS = 1_000;
const FOLDER = 'hls/';
const NOT_FOUND: HlsRefusal = { status: 404, error: 'stream-not-found' };
const TOO_EARLY: HlsRefusal = { status: 400, error: 'too-early' };
const KICKED: HlsRefusal = { status: 403, error: 'kicked', message: 'An operator closed this session.' };
const TOO_MANY_UNKNOWN: HlsRefusal = {
  status: 503,
  error: 'limit',
  message: 'Too many streams that nobody publishes are asked for: try again in a moment.',
};
/** Headers a page elsewhere may read. */
const EXPOSED = Object.values(VIEWER_HEADER).join(', ');

/** One per node. */
export class HlsRoute {
  readonly #options: HlsRouteOptions;
  readonly #waits: WaitLimits;
  readonly #paths = new HlsPaths();
  readonly #kicked = new KickedViewers();
  readonly #streams: HlsStreams;
  readonly #timer: NodeJS.Timeout;

  constructor(options: HlsRouteOptions) {
    const { tap, connections, limits, notFoundWaitMs } = options;
    this.#options = options;
    this.#waits = { segmentMs: limits.segmentMs, notFoundWaitMs };
    this.#streams = new HlsStreams({ tap, connections, limits, kicked: this.#kicked });
    this.#timer = setInterval(() => {
      this.#streams.sweep(Date.now());
      this.#kicked.sweep(Date.now());
    }, SWEEP_MS).unref();
  }

  /** Answers a request when it is for HLS; false = it is not. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const asked = this.#paths.parse(request.url ?? '');
    if (!asked) return false;
    const running = this.#streams.get(asked.path.key);
    // Who asks for a session becomes a viewer of its own.
    const viewer = asked.isFirst ? undefined : running?.viewers.find(request, asked.session);
    const failed = () => response.destroy();
    if (!running || !viewer) {
      this.#admit(asked, request, response).catch(failed);
      return true;
    }
    // Who is here already: most requests, answered without a detour where nothing has to be waited for.
    viewer.seenAtMs = running.askedAtMs = Date.now();
    const presence = whenThere(running.stream, asked, this.#waits);
    if (typeof presence !== 'string') {
      presence.then((later) => this.#serve(running, viewer, asked, later, request, response)).catch(failed);
      return true;
    }
    try {
      this.#serve(running, viewer, asked, presence, request, response);
    } catch {
      // One request must not end the process.
      failed();
    }
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#streams.close();
  }

  /** A newcomer: let in, and a viewer when there is something to watch. */
  async #admit(asked: HlsRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { key } = asked.path;
    if (this.#kicked.has(key, request, asked.session)) return sendRefusal(request, response, KICKED);
    const grant = (await this.#options.enter?.(asked.stream, request)) ?? { end() {} };
    if ('status' in grant) return sendRefusal(request, response, grant);
    if (!this.#mayRun(key)) {
      this.#turnAway(grant, 'limit');
      return sendRefusal(request, response, TOO_MANY_UNKNOWN);
    }
    const running = this.#streams.run(asked);
    running.waiting += 1;
    const presence = await whenThere(running.stream, asked, this.#waits);
    running.waiting -= 1;
    if (presence !== 'there' || running.ended) {
      this.#turnAway(grant, 'stream-not-found');
      this.#sayMissing(presence, request, response);
      this.#streams.endIfEmpty(key, running);
      return;
    }
    const session = asked.isFirst ? randomUUID() : asked.session;
    const viewer = running.viewers.enter(request, session, grant);
    this.#serve(running, viewer, asked, presence, request, response);
  }

  #serve(
    running: RunningStream,
    viewer: HlsViewer,
    asked: HlsRequest,
    presence: Presence,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const { file } = asked.path;
    // It may have been kicked while it waited.
    if (viewer.left === 'kicked') sendRefusal(request, response, KICKED);
    else if (presence !== 'there' || running.ended) this.#sayMissing(presence, request, response);
    else {
      viewer.seenAtMs = Date.now();
      viewer.socket.bytesWritten +=
        file === ''
          ? this.#sendPlaylist(running, viewer, asked, request, response)
          : sendFile(request, response, file, running.stream.file(asked.path) ?? []);
    }
  }

  #sendPlaylist(
    { stream }: RunningStream,
    { session, connection }: HlsViewer,
    asked: HlsRequest,
    request: IncomingMessage,
    response: ServerResponse,
  ): number {
    const last = encodeURIComponent(asked.path.name.split('/').at(-1) ?? '');
    if (!asked.isBlocking) {
      response.setHeader(VIEWER_HEADER.node, this.#options.node);
      response.setHeader(VIEWER_HEADER.connection, connection.id);
      response.setHeader('Access-Control-Expose-Headers', EXPOSED);
    }
    const files = asked.fileQuery(session);
    return asked.isFirst
      ? sendPlaylist(request, response, stream.choice(`${last}.m3u8${files}`), 'no-store')
      : sendPlaylist(request, response, stream.playlist(`${last}/${FOLDER}`, files), 'no-cache');
  }

  #turnAway(grant: HlsGrant, reason: 'limit' | 'stream-not-found'): void {
    grant.end(reason);
    this.#options.connections.refuse('hls', reason);
  }

  #sayMissing(presence: Presence, request: IncomingMessage, response: ServerResponse): void {
    sendRefusal(request, response, presence === 'too-early' ? TOO_EARLY : NOT_FOUND);
  }

  /** Names that nobody is known to publish have a bound together, so that asking for many of them keeps nothing busy. */
  #mayRun(key: string): boolean {
    if (this.#streams.get(key)?.stream.hasMedia || this.#options.isPublished?.(key)) return true;
    return this.#streams.hasRoomForUnknown(key);
  }
}
