/**
 * Pulls one stream from other nodes into a hub for as long as somebody watches it, and changes the source under the
 * viewers when it fails. Before it: route.ts says whom to ask; after it: the hub, which drops what it had before.
 *
 *   idle ──opened──▶ connecting ──media──▶ live ──source lost──▶ switching ──media──▶ live
 *                        │                   │                       │
 *                        └── all failed ──┐  └─ publisher away ─┐    └── all failed ──┐
 *                                         ▼                     ▼                     ▼
 *                                      waiting ◀────────────────┴─────────────────────┘
 *                                         └──── the directory changed, or a while has passed ────▶ connecting
 */

import type { Logger } from '@weir/contracts/logger';
import { signRelay } from '@weir/contracts/relay-auth';
import { RtmpClient } from '../rtmp/client.ts';
import { type RtmpMessage, TYPE } from '../rtmp/message.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Hub } from '../stream/hub.ts';
import type { Upstream, UpstreamEvents } from '../stream/live-stream.ts';
import { toMedia } from '../stream/media.ts';
import { parseRelayMark, type RelayPosition } from './mark.ts';
import type { Source, Suspects } from './route.ts';

/** Why a source was left; the values of the attribute `cause`. */
export type SwitchCause = 'refused' | 'disconnected' | 'stalled' | 'moved' | 'outdated' | 'ended';

/** A change of the source with viewers attached. */
export interface Switched {
  cause: SwitchCause;
  from: string;
  to: string;
  /** Unix time, ms, of the moment the loss was noticed. */
  noticedAtMs: number;
  gapMs: number;
}

/** Options of {@link Pull}. */
export interface PullOptions {
  hub: Hub;
  /** `app/name`. */
  stream: string;
  /** This node, and what it says of itself. */
  node: string;
  hops: number;
  key: string;
  maxMessageBytes: number;
  protocol: Protocol;
  /** Whom to ask now, best first. */
  route(): Source[];
  /** Epoch the directory knows for the stream, 0 = none. */
  knownEpoch(): number;
  suspects: Suspects;
  events: UpstreamEvents;
  connectTimeoutMs: number;
  stallTimeoutMs: number;
  onSwitched(switched: Switched): void;
  /** Bytes received since the last call, for the node's counters. */
  onBytes(bytesIn: number, bytesOut: number): void;
  onClosed(): void;
  logger: Logger;
}

interface Outcome {
  cause: SwitchCause;
  hadMedia: boolean;
}

interface Attempt {
  source: Source;
  client?: RtmpClient;
  leave(cause: SwitchCause): void;
}

const CLAIM_VALID_S = 30;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 2_000;

/** One per pulled stream; runs until closed. */
export class Pull implements Upstream {
  state: Upstream['state'] = 'idle';
  readonly #options: PullOptions;
  readonly #stop = new AbortController();
  #wakeUp: (() => void) | undefined;
  #woken = false;
  #current: Attempt | undefined;
  #bytesIn = 0;
  /** The source media last came from, and when. */
  #lastNode = '';
  #lastMediaMs = 0;
  #lost: { cause: SwitchCause; from: string; atMs: number } | undefined;

  constructor(options: PullOptions) {
    this.#options = options;
    void this.#run();
  }

  get bytesIn(): number {
    return this.#bytesIn + (this.#current?.client?.socket.bytesRead ?? 0);
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
    const current = this.#current;
    // A newer publisher on another node: whoever pulls from the old one goes there at once.
    if (current?.source.kind !== 'publisher' || this.#options.knownEpoch() <= this.#options.hub.epoch) return;
    const publisher = this.#options.route().find((source) => source.kind === 'publisher');
    if (publisher && publisher.node !== current.source.node) current.leave('moved');
  }

  close(): void {
    this.state = 'idle';
    this.#stop.abort();
    this.#wakeUp?.();
    this.#current?.leave('ended');
    this.#options.onClosed();
  }

  async #run(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      const worked = await this.#tryAll();
      if (worked === 'over' || this.#stop.signal.aborted) return;
      if (worked === 'had-media') {
        retryMs = RETRY_MIN_MS;
        continue;
      }
      this.state = 'waiting';
      this.#options.events.interrupted();
      await this.#rest(retryMs);
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }

  /** Asks every source once, until one had media and was lost. */
  async #tryAll(): Promise<'had-media' | 'nobody' | 'over'> {
    for (const source of this.#options.route()) {
      if (this.#stop.signal.aborted) return 'over';
      this.state = this.#lastNode === '' ? 'connecting' : 'switching';
      const { cause, hadMedia } = await this.#pullFrom(source);
      if (this.#stop.signal.aborted) return 'over';
      if (hadMedia) this.#lost ??= { cause, from: source.node, atMs: Date.now() };
      if (cause === 'ended' && this.#options.knownEpoch() <= this.#options.hub.epoch) {
        this.#options.events.ended();
        return 'over';
      }
      if (cause !== 'moved' && cause !== 'ended') this.#options.suspects.add(source.node);
      if (hadMedia) return 'had-media';
    }
    return 'nobody';
  }

  #rest(ms: number): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wakeUp = () => {
        clearTimeout(timer);
        this.#wakeUp = undefined;
        resolve();
      };
    });
  }

  /** Pulls from one source until that ends, for whatever reason. */
  #pullFrom(source: Source): Promise<Outcome> {
    const { hub, stream, connectTimeoutMs, stallTimeoutMs } = this.#options;
    return new Promise((resolve) => {
      let hadMedia = false;
      let position: RelayPosition | undefined;
      let lastBytes = 0;
      let lastBytesMs = Date.now();
      const current: Attempt = { source, leave: (cause) => leave(cause) };
      this.#current = current;

      const watchdog = setInterval(() => {
        const bytes = current.client?.socket.bytesRead ?? 0;
        if (bytes !== lastBytes) {
          lastBytes = bytes;
          lastBytesMs = Date.now();
        } else if (current.client && Date.now() - lastBytesMs >= stallTimeoutMs) leave('stalled');
      }, stallTimeoutMs / 4);
      watchdog.unref();

      const leave = (cause: SwitchCause) => {
        if (this.#current !== current) return;
        clearInterval(watchdog);
        this.#count(current.client);
        this.#current = undefined;
        current.client?.close();
        resolve({ cause, hadMedia });
      };

      const onMessage = (message: RtmpMessage) => {
        if (this.#current !== current) return;
        const mark = message.type === TYPE.data ? parseRelayMark(message.payload) : undefined;
        if (mark?.kind === 'position') {
          if (mark.epoch < hub.epoch && mark.epoch !== this.#options.knownEpoch()) return leave('outdated');
          if (mark.epoch !== hub.epoch) hub.beginEpoch(mark.epoch);
          hub.hops = mark.hops;
          position = mark;
        } else if (mark) {
          if (mark.kind === 'waiting') this.#publisherAway();
        } else if (position) {
          const media = toMedia(message.type, message.timestamp, message.payload);
          if (media && position.sequence < 0) hub.pushHeader(media);
          else if (media) {
            if (!hadMedia) this.#arrived(source);
            hadMedia = true;
            this.state = 'live';
            this.#lastMediaMs = Date.now();
            hub.push(media, position.sequence);
            position.sequence += 1;
          } else if (position.sequence >= 0) position.sequence += 1;
        }
      };

      const [app = '', ...name] = stream.split('/');
      const claim = {
        node: this.#options.node,
        stream,
        expires: Math.floor(Date.now() / 1_000) + CLAIM_VALID_S,
        hops: this.#options.hops,
      };
      void RtmpClient.connect({
        host: source.host,
        port: source.port,
        app,
        protocol: this.#options.protocol,
        timeoutMs: connectTimeoutMs,
        maxMessageBytes: this.#options.maxMessageBytes,
        signal: this.#stop.signal,
        onMessage,
        onStatus: ({ code }) => {
          if (code === 'NetStream.Play.UnpublishNotify') leave('ended');
          else if (code === 'NetStream.Play.StreamNotFound') leave('refused');
        },
        onClose: () => leave('disconnected'),
      })
        .then(async (client) => {
          if (this.#current !== current) return client.close();
          current.client = client;
          await client.play(`${name.join('/')}?${signRelay(claim, this.#options.key)}`);
        })
        .catch((error: unknown) => {
          this.#options.logger.debug({ stream, from: source.node, err: error }, 'a source did not give the stream');
          leave('refused');
        });
    });
  }

  #publisherAway(): void {
    if (this.state === 'live') this.state = 'waiting';
    this.#options.events.interrupted();
  }

  /** The first media of a source. */
  #arrived(source: Source): void {
    this.#options.suspects.clear(source.node);
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost) {
      const gapMs = Math.max(0, Date.now() - this.#lastMediaMs);
      this.#options.onSwitched({ cause: lost.cause, from: lost.from, to: source.node, noticedAtMs: lost.atMs, gapMs });
      this.#options.logger.info({ stream: this.#options.stream, ...lost, to: source.node, gapMs }, 'source changed');
    }
    this.#lastNode = source.node;
  }

  #count(client: RtmpClient | undefined): void {
    if (!client) return;
    this.#bytesIn += client.socket.bytesRead;
    this.#options.onBytes(client.socket.bytesRead, client.socket.bytesWritten);
  }
}
