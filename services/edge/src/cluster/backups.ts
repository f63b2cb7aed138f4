/**
 * Primary and backup publishers of one stream, on one edge or two. Whoever publishes with `?backup=1` (as on YouTube), or in
 * an app of `stream.backups` finds the name taken, stands by and takes over when the one in force leaves, dies, falls silent
 * or is cut off; a publisher that is no backup takes the name back from one. Before it: sessions that want to publish;
 * after it: streams and claims, which know no difference but that a backup yields.
 */
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { Bucket } from '@weir/contracts/nats/bucket';
import { NODE_HEARTBEAT_MS, STREAM_REFRESH_MS, standbyKey } from '@weir/contracts/nats/names';
import type { StreamRecord } from '@weir/contracts/nats/records';
import type { Refusal } from '../access/check.ts';
import { type StreamName, streamKey } from '../rtmp/names.ts';
import type { Publication } from '../rtmp/session-host.ts';
import type { GopLimits } from '../stream/gop-cache.ts';
import type { StandbyDesk } from '../stream/name-rights.ts';
import type { Streams } from '../stream/streams.ts';
import type { Directory } from './directory.ts';
import { Standby } from './standby.ts';

/** Options of {@link Backups}. */
export interface BackupsOptions {
  /** This node. */
  node: string;
  streams(): Streams;
  directory: Directory;
  /** Where others see who stands by. */
  bucket: Bucket;
  /** Asks the node of a record whether it has the publisher; answers within some 100 ms. */
  isAlive(record: StreamRecord): Promise<boolean>;
  /** True for apps in which a second publisher stands by without having asked for it. */
  standsBy(app: string): boolean;
  /** Bounds of what is kept of each. */
  gop: GopLimits;
  /** A publisher that sends nothing for so long gives way to one that stands by. */
  stallTimeoutMs: number;
  logger: Logger;
}

/** Query parameter of a backup, in the app or the stream name: `?backup=1`. */
const PARAMETER = 'backup';
/** Standing by costs a GOP of memory: so many per stream and node, the one that publishes included. */
const MAX_PER_STREAM = 2;
const LOOK_MS = 250;
/** The node in force is asked so often whether it has its publisher … */
const PROBE_MS = 1_000;
/** … and so many times in a row it must not have said so. */
const PROBES_MISSED = 2;

/** All that stand by for one stream here. */
interface Bench {
  standbys: Set<Standby>;
  /** When the bucket is to be told next, Unix ms; 0 = at once, it does not know. */
  tellAtMs: number;
  probedMs: number;
  missed: number;
}

/** One per node. */
export class Backups implements StandbyDesk {
  readonly #options: BackupsOptions;
  readonly #benches = new Map<string, Bench>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(Date.now()), LOOK_MS).unref();
  }

  wants(name: StreamName): boolean {
    return isBackup(name) || this.#options.standsBy(name.app);
  }

  streams(): string[] {
    return [...this.#benches.keys()];
  }

  waiting(stream: string): number {
    const standbys = this.#benches.get(stream)?.standbys ?? [];
    return [...standbys].filter(({ isWaiting }) => isWaiting).length;
  }

  async enter(...[name, client, revoke, protocol]: Parameters<StandbyDesk['enter']>): Promise<Publication | Refusal> {
    const stream = streamKey(name);
    const bench = this.#benches.get(stream) ?? { standbys: new Set(), tellAtMs: 0, probedMs: 0, missed: 0 };
    if (bench.standbys.size >= MAX_PER_STREAM) {
      return { refused: 'stream-busy', description: `Enough publishers stand by for ${stream} already.` };
    }
    this.#benches.set(stream, bench);
    const streams = this.#options.streams();
    const connection = streams.openPublisher(name, client, revoke, protocol);
    const standby = new Standby({
      stream,
      connection,
      gop: this.#options.gop,
      close: revoke,
      isElsewhere: () => this.#holderOf(stream) !== undefined,
      onChange: (changed) => this.#changed(changed),
      publish: async (onRevoked) => {
        const answer = await streams.publishNow(name, { ...client, connection }, onRevoked, protocol, isBackup(name));
        return 'refused' in answer ? undefined : answer;
      },
    });
    bench.standbys.add(standby);
    await standby.try();
    if (standby.isWaiting) this.#options.logger.info({ stream }, 'a publisher stands by');
    return standby;
  }

  /** The directory says something new about a stream. */
  noticed(stream: string): void {
    const bench = this.#benches.get(stream);
    if (bench) this.#tryIfFree(stream, bench);
  }

  /** Somebody lost its connection to `node`: is what it published still there? */
  suspected(node: string): void {
    for (const [stream, bench] of this.#benches) {
      if (this.#holderOf(stream)?.node === node) void this.#probe(stream, bench);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const [stream, bench] of this.#benches) this.#untell(stream, bench);
    this.#benches.clear();
  }

  #changed(standby: Standby): void {
    const { stream } = standby;
    const bench = this.#benches.get(stream);
    if (!bench) return;
    const { isPublishing, isWaiting } = standby;
    if (!isPublishing && !isWaiting) bench.standbys.delete(standby);
    else this.#options.logger.info({ stream, publishes: isPublishing }, 'a backup changed its part');
    if (this.waiting(stream) === 0) this.#untell(stream, bench);
    if (bench.standbys.size === 0) this.#benches.delete(stream);
  }

  #look(nowMs: number): void {
    for (const [stream, bench] of this.#benches) {
      if (this.waiting(stream) === 0) continue;
      if (nowMs >= bench.tellAtMs) this.#tell(stream, bench);
      this.#tryIfFree(stream, bench);
      if (nowMs - bench.probedMs >= PROBE_MS) void this.#probe(stream, bench);
    }
    for (const { hub, publisher } of this.#options.streams().list()) {
      if (!publisher || publisher.idleMs(nowMs) < this.#options.stallTimeoutMs) continue;
      const stream = streamKey(hub);
      const elsewhere = this.#options.directory.standbysOf(stream).some((node) => node !== this.#options.node);
      if (elsewhere || this.waiting(stream) > 0) publisher.revoke('idle');
    }
  }

  /** Another node that holds the name; undefined when it is free, or held here. */
  #holderOf(stream: string): StreamRecord | undefined {
    const holder = this.#options.directory.publisherOf(stream);
    return holder?.node === this.#options.node ? undefined : holder;
  }

  #tryIfFree(stream: string, bench: Bench): void {
    const isHeld = this.#holderOf(stream) !== undefined;
    if (!isHeld && this.#options.streams().get(stream)?.publisher === undefined) this.#tryAll(bench);
  }

  #tryAll({ standbys }: Bench): void {
    for (const standby of standbys) {
      standby
        .try()
        .catch((error: unknown) => this.#options.logger.error({ err: error }, 'a backup could not take over'));
    }
  }

  /** A node that dies leaves its record behind; a node that is cut off says nothing at all. */
  async #probe(stream: string, bench: Bench): Promise<void> {
    const holder = this.#holderOf(stream);
    bench.probedMs = Date.now();
    if (!holder) return;
    const isAlive = await this.#options.isAlive(holder);
    bench.missed = isAlive ? 0 : bench.missed + 1;
    if (isAlive || this.#holderOf(stream)?.epoch !== holder.epoch) return;
    if (bench.missed < PROBES_MISSED) void this.#probe(stream, bench);
    else this.#tryAll(bench);
  }

  /** While NATS is away others do not see who stands by; it takes over all the same. */
  #tell(stream: string, bench: Bench): void {
    bench.tellAtMs = Date.now() + STREAM_REFRESH_MS;
    const { bucket, node, logger } = this.#options;
    const tell = async () => {
      const kv = await bucket.open();
      if (kv) await kv.put(standbyKey(stream, node), JSON.stringify({ stream, node }));
      else bench.tellAtMs = Date.now() + NODE_HEARTBEAT_MS;
    };
    tell().catch((error: unknown) => {
      bench.tellAtMs = Date.now() + NODE_HEARTBEAT_MS;
      logger.debug({ stream, reason: errorMessage(error) }, 'a standby was not told');
    });
  }

  #untell(stream: string, bench: Bench): void {
    if (bench.tellAtMs === 0) return;
    bench.tellAtMs = 0;
    const { bucket, node, logger } = this.#options;
    const untell = async () => (await bucket.open())?.delete(standbyKey(stream, node));
    untell().catch((error: unknown) => {
      logger.debug({ stream, reason: errorMessage(error) }, 'a standby was not taken back'); // its lease ends it
    });
  }
}

function isBackup({ query }: StreamName): boolean {
  const value = query.get(PARAMETER);
  return value !== null && value !== '0' && value !== 'false';
}
