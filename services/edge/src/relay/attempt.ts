/**
 * One connection to one source of one stream: signs in, hands on what comes, and notices when nothing comes any more.
 * Before it: pull.ts, which decides whom to ask; after it: numbered media for the hub.
 */
import { RtmpClient, RtmpClientError } from '../rtmp/client.ts';
import { type RtmpMessage, TYPE } from '../rtmp/message.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import { type MediaMessage, toMedia } from '../stream/media.ts';
import type { KeyRing } from './key-ring.ts';
import { parseRelayMark, type RelayPosition } from './mark.ts';
import type { Source } from './route.ts';

/** Why a source was left; the values of the attribute `cause`. */
export type SwitchCause = 'refused' | 'unreachable' | 'disconnected' | 'stalled' | 'moved' | 'outdated' | 'ended';

/** What an attempt tells; nothing after `onLeft`. */
export interface AttemptEvents {
  /** Where the media that follows belongs. */
  onPosition(attempt: Attempt, position: RelayPosition): void;
  /** A message with its number; -1 = a header ahead of the media. */
  onMedia(attempt: Attempt, media: MediaMessage, sequence: number): void;
  /** The source lives and has no publisher at present. */
  onAway(attempt: Attempt): void;
  /** Called once, never before the constructor has returned. */
  onLeft(attempt: Attempt, cause: SwitchCause): void;
}

/** What all attempts of a pull share. */
export interface AttemptOptions {
  /** `app/name`. */
  stream: string;
  /** This node, and what it says of itself. */
  node: string;
  hops: number;
  /** Signs the claim. */
  ring: KeyRing;
  maxMessageBytes: number;
  protocol: Protocol;
  connectTimeoutMs: number;
  stallTimeoutMs: number;
  signal: AbortSignal;
  /** The source did not give the stream. */
  onFailed(source: Source, error: unknown): void;
}

/** See the head of the file; begins to connect at once. */
export class Attempt {
  readonly source: Source;
  /** True once there was a numbered message. */
  hadMedia = false;
  readonly #options: AttemptOptions;
  readonly #events: AttemptEvents;
  readonly #watchdog: NodeJS.Timeout;
  #client: RtmpClient | undefined;
  #position: RelayPosition | undefined;
  #lastBytes = 0;
  #lastBytesMs = Date.now();
  #left = false;

  constructor(source: Source, options: AttemptOptions, events: AttemptEvents) {
    this.source = source;
    this.#options = options;
    this.#events = events;
    this.#watchdog = setInterval(() => this.#watch(), options.stallTimeoutMs / 4).unref();
    this.#connect().catch((error: unknown) => {
      options.onFailed(source, error);
      this.leave(error instanceof RtmpClientError && error.status ? 'refused' : 'unreachable');
    });
  }

  /** Bytes read from and written to the source. */
  get io(): { bytesIn: number; bytesOut: number } {
    const socket = this.#client?.socket;
    return { bytesIn: socket?.bytesRead ?? 0, bytesOut: socket?.bytesWritten ?? 0 };
  }

  /** Ends it. Later calls do nothing. */
  leave(cause: SwitchCause): void {
    if (this.#left) return;
    this.#left = true;
    clearInterval(this.#watchdog);
    this.#events.onLeft(this, cause);
    this.#client?.close();
  }

  async #connect(): Promise<void> {
    const { stream, node, hops, ring, protocol, connectTimeoutMs, maxMessageBytes, signal } = this.#options;
    const { host, port } = this.source;
    const slash = stream.indexOf('/');
    const client = await RtmpClient.connect({
      host,
      port,
      app: stream.slice(0, slash),
      protocol,
      timeoutMs: connectTimeoutMs,
      maxMessageBytes,
      signal,
      onMessage: (message) => this.#receive(message),
      onStatus: ({ code }) => {
        if (code === 'NetStream.Play.UnpublishNotify') this.leave('ended');
        else if (code === 'NetStream.Play.StreamNotFound') this.leave('refused');
      },
      onClose: () => this.leave('disconnected'),
    });
    if (this.#left) return client.close();
    this.#client = client;
    await client.play(`${stream.slice(slash + 1)}?${ring.sign({ node, stream, hops })}`);
  }

  #watch(): void {
    const bytes = this.io.bytesIn;
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#lastBytesMs = Date.now();
    } else if (this.#client && Date.now() - this.#lastBytesMs >= this.#options.stallTimeoutMs) this.leave('stalled');
  }

  #receive(message: RtmpMessage): void {
    if (this.#left) return;
    const mark = message.type === TYPE.data ? parseRelayMark(message.payload) : undefined;
    if (mark?.kind === 'position') {
      this.#position = mark;
      this.#events.onPosition(this, mark);
    } else if (mark) {
      if (mark.kind === 'waiting') this.#events.onAway(this);
    } else if (this.#position) {
      const media = toMedia(message.type, message.timestamp, message.payload);
      const { sequence } = this.#position;
      if (sequence >= 0) this.#position.sequence += 1;
      if (!media) return;
      this.hadMedia ||= sequence >= 0;
      this.#events.onMedia(this, media, sequence);
    }
  }
}
