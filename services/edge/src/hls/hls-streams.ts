/**
 * The streams that are muxed for HLS at the moment: each from its first request until nobody has asked for a while. Before
 * it: hls-route.ts; after it: one HlsStream and its viewers per stream, fed by a tap of the node's stream.
 */
import type { StreamName } from '../rtmp/names.ts';
import type { Connections } from '../stream/connections.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import type { HlsRequest } from './hls-request.ts';
import { type HlsLimits, HlsStream } from './hls-stream.ts';
import { HlsViewers } from './hls-viewers.ts';
import type { KickedViewers } from './kicked-viewers.ts';

/** Messages of a stream from its headers and newest GOP on, until `stop`. */
export type TapStream = (
  name: StreamName,
  tap: { onMessage(message: HubMessage): void; onEnd(): void },
) => { stop(): void };

/** A stream that is muxed. */
export interface RunningStream {
  readonly stream: HlsStream;
  readonly viewers: HlsViewers;
  tap: { stop(): void };
  askedAtMs: number;
  /** Requests that wait for its media. */
  waiting: number;
  ended: boolean;
}

/** Options of {@link HlsStreams}. */
export interface HlsStreamsOptions {
  tap: TapStream;
  connections: Connections;
  limits: HlsLimits;
  kicked: KickedViewers;
}

const ENDS_AFTER_MS = 20_000;
/** Streams that nobody is known to publish and that are waited for all the same: each costs a tap and a pull. */
const MAX_UNKNOWN = 64;

/** Of one node. */
export class HlsStreams {
  readonly #options: HlsStreamsOptions;
  readonly #running = new Map<string, RunningStream>();

  constructor(options: HlsStreamsOptions) {
    this.#options = options;
  }

  get(key: string): RunningStream | undefined {
    return this.#running.get(key);
  }

  /** Whether a further stream that nobody is known to publish may be waited for: their number has a bound. */
  hasRoomForUnknown(key: string): boolean {
    let unknown = 0;
    for (const [other, { stream }] of this.#running) if (other !== key && !stream.hasMedia) unknown += 1;
    return unknown < MAX_UNKNOWN;
  }

  /** The stream a request is for, begun when it is not running. */
  run(request: HlsRequest): RunningStream {
    const { app, name, key } = request.path;
    const known = this.#running.get(key);
    if (known && !known.ended) {
      known.askedAtMs = Date.now();
      return known;
    }
    known?.viewers.close('stream-ended');
    const { limits, connections, kicked, tap } = this.#options;
    const stream = new HlsStream(limits);
    const viewers = new HlsViewers(
      (socket, session, userAgent, kick) =>
        connections.open({
          role: 'viewer',
          protocol: 'hls',
          app,
          stream: name,
          session,
          userAgent,
          socket,
          kick,
        }),
      (viewer, session) => kicked.add(key, viewer, session),
    );
    const running: RunningStream = {
      ...{ stream, viewers, tap: { stop() {} } },
      ...{ askedAtMs: Date.now(), waiting: 0, ended: false },
    };
    this.#running.set(key, running);
    running.tap = tap(request.stream, {
      onMessage: (message) => stream.push(message),
      onEnd: () => {
        running.ended = true;
        stream.close();
        viewers.close('stream-ended');
      },
    });
    return running;
  }

  /** Nobody asks for what is not there again and again: its tap need not wait for that. */
  endIfEmpty(key: string, running: RunningStream): void {
    const isIdle = running.waiting === 0 && running.viewers.count === 0 && !running.stream.hasMedia;
    if (isIdle && this.#running.get(key) === running) this.#end(key, 'stream-ended');
  }

  /** Lets viewers and streams go that nobody asked for. */
  sweep(nowMs: number): void {
    for (const [key, { viewers, askedAtMs, ended }] of this.#running) {
      viewers.sweep(nowMs);
      if (ended || (viewers.count === 0 && nowMs - askedAtMs > ENDS_AFTER_MS)) this.#end(key, 'stream-ended');
    }
  }

  close(): void {
    for (const key of [...this.#running.keys()]) this.#end(key, 'shutdown');
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
