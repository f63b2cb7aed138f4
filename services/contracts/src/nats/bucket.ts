/**
 * NATS KV buckets with a lease: opened anew for each connection NATS gives us, followed across reconnects, never waited
 * for longer than told. Before it: the NATS handle; after it: heartbeats, and an edge's claims and directory.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { NatsHandle } from './connect.ts';

/** What a bucket is made with when it does not exist. */
export interface BucketSettings {
  name: string;
  /** Keys not refreshed for so long vanish, without an event. */
  leaseMs: number;
  replicas: number;
}

/** One bucket. */
export class Bucket {
  readonly #nats: NatsHandle;
  readonly #settings: BucketSettings;
  readonly #logger: Logger;
  #opened: { connection: NatsConnection; kv: Promise<KV> } | undefined;

  constructor(nats: NatsHandle, settings: BucketSettings, logger: Logger) {
    this.#nats = nats;
    this.#settings = settings;
    this.#logger = logger;
  }

  /** The bucket, made when missing; undefined while NATS is not connected. Rejects when NATS answers with an error. */
  async open(): Promise<KV | undefined> {
    const { connection, state } = this.#nats;
    if (state !== 'connected' || !connection) return undefined;
    if (this.#opened?.connection !== connection) {
      const { name, leaseMs, replicas } = this.#settings;
      const kv = new Kvm(connection).create(name, { ttl: leaseMs, history: 1, replicas });
      const opened = { connection, kv };
      this.#opened = opened;
      kv.catch(() => {
        if (this.#opened === opened) this.#opened = undefined;
      });
    }
    return this.#opened.kv;
  }

  /** Forgets the opened bucket, so that it is looked for (and made) again. */
  reset(): void {
    this.#opened = undefined;
  }

  /**
   * Calls `onEntry` with every present entry and every later change, from each time NATS is connected until it is lost;
   * `onConnected` before the first of them. Returns how to stop.
   */
  follow(onEntry: (entry: KvWatchEntry) => void, onConnected: () => void): () => void {
    let stopped = false;
    let stopWatch: (() => void) | undefined;
    let retry: NodeJS.Timeout | undefined;
    let round = 0;

    const watch = async () => {
      stopWatch?.();
      clearTimeout(retry);
      round += 1;
      const mine = round;
      try {
        this.reset();
        const kv = await this.open();
        if (!kv || stopped || mine !== round || this.#nats.state !== 'connected') return;
        const entries = await this.#nats.settles(kv.watch());
        if (stopped || mine !== round) return entries.stop();
        stopWatch = () => entries.stop();
        onConnected();
        for await (const entry of entries) onEntry(entry);
      } catch (error) {
        this.#logger.debug({ bucket: this.#settings.name, reason: errorMessage(error) }, 'cannot watch a bucket yet');
      }
      if (!stopped && mine === round && this.#nats.state === 'connected') retry = setTimeout(run, RETRY_MS).unref();
    };
    const run = () => void watch();
    const stopListening = this.#nats.onChange((state) => {
      if (state === 'connected') run();
    });
    run();
    return () => {
      stopped = true;
      stopListening();
      clearTimeout(retry);
      stopWatch?.();
    };
  }
}

const RETRY_MS = 500;
/** Wrong last sequence: somebody wrote in between. */
const CONFLICT = 10_071;

/** The revision, or undefined when somebody else wrote the key. Other errors are thrown on. */
export async function unlessConflict(write: Promise<number>): Promise<number | undefined> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === CONFLICT) return undefined;
    throw error;
  }
}
