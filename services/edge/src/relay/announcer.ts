/**
 * Tells the configured origins what is published here, over one relay connection each: so that an origin that has never
 * seen NATS finds the publishing edge. Before it: this node's claims; after it: announcements.ts on the origin.
 *
 *   publish `weir/announce`, signed as a pull of that name would be; then data messages `onWeirAnnounce` with one object:
 *   { stream, epoch, relay }   published here, to be pulled at `host:port`
 *   { stream, epoch: 0 }       no longer
 *   { }                        a sign of life
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { NODE_HEARTBEAT_MS } from '@weir/contracts/nats/names';
import type { StreamRecord } from '@weir/contracts/nats/records';
import { type AmfObject, asAmfObject, decodeAmf, encodeAmf } from '../rtmp/amf0.ts';
import { RtmpClient } from '../rtmp/client.ts';
import { TYPE } from '../rtmp/message.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { KeyRing } from './key-ring.ts';
import type { ConfiguredOrigin } from './route.ts';

/** App and name announcements are published under, as `app/name`. */
export const ANNOUNCE_STREAM = 'weir/announce';
const MESSAGE = 'onWeirAnnounce';
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

/** Options of {@link Announcer}. */
export interface AnnouncerOptions {
  node: string;
  ring: KeyRing;
  origins: readonly ConfiguredOrigin[];
  protocol: Protocol;
  connectTimeoutMs: number;
  /** What is published here now. */
  records(): StreamRecord[];
  logger: Logger;
}

interface Line {
  client: RtmpClient;
  /** Epoch by stream, as told to the other side. */
  told: Map<string, number>;
}

/** One per node. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #stop = new AbortController();
  readonly #lines = new Set<Line>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    for (const origin of options.origins) if (origin.node !== options.node) void this.#keep(origin);
    this.#timer = setInterval(() => this.#showLife(), NODE_HEARTBEAT_MS).unref();
  }

  /** Something was published or ended here. */
  changed(): void {
    for (const line of this.#lines) this.#tell(line);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop.abort();
    for (const { client } of this.#lines) client.close();
  }

  /** Keeps a connection to one origin. */
  async #keep(origin: ConfiguredOrigin): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#talk(origin, () => {
          retryMs = RETRY_MIN_MS;
        });
      } catch (error) {
        this.#options.logger.debug({ origin: origin.node, reason: errorMessage(error) }, 'an origin cannot be told');
      }
      await sleep(retryMs, undefined, { ref: false, signal: this.#stop.signal }).catch(() => {});
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }

  /** Resolves when the connection ends. */
  async #talk({ host, port }: ConfiguredOrigin, onConnected: () => void): Promise<void> {
    const { node, ring, protocol, connectTimeoutMs: timeoutMs } = this.#options;
    const [app = '', name = ''] = ANNOUNCE_STREAM.split('/');
    const closed = Promise.withResolvers<void>();
    const onClose = () => closed.resolve();
    const { signal } = this.#stop;
    const client = await RtmpClient.connect({ host, port, app, protocol, timeoutMs, signal, onClose });
    const line: Line = { client, told: new Map() };
    try {
      await client.publish(`${name}?${ring.sign({ node, stream: ANNOUNCE_STREAM, hops: 0 })}`);
      onConnected();
      this.#lines.add(line);
      this.#tell(line);
      await closed.promise;
    } finally {
      this.#lines.delete(line);
      client.close();
    }
  }

  /** Sends what the other side does not know yet. */
  #tell({ client, told }: Line): void {
    const now = new Map(this.#options.records().map((record) => [record.stream, record]));
    for (const { stream, epoch, relay } of now.values()) {
      if (told.get(stream) === epoch) continue;
      told.set(stream, epoch);
      send(client, { stream, epoch, relay });
    }
    for (const stream of told.keys()) {
      if (now.has(stream)) continue;
      told.delete(stream);
      send(client, { stream, epoch: 0 });
    }
  }

  #showLife(): void {
    for (const { client } of this.#lines) send(client, {});
  }
}

function send(client: RtmpClient, message: AmfObject): void {
  client.send(TYPE.data, 0, encodeAmf(MESSAGE, message));
}

/** The object of an announcement, or undefined when it is some other message. @throws ProtocolError for broken AMF. */
export function parseAnnouncement(payload: Buffer): AmfObject | undefined {
  const [name, fields] = decodeAmf(payload);
  return name === MESSAGE ? asAmfObject(fields) : undefined;
}
