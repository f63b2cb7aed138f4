/**
 * The writing half of ingest: prepares streams, buckets and consumers as soon as NATS answers, then keeps a partition
 * writer for every partition this copy owns. Starts while NATS is away and waits for it.
 */
import { hostname } from 'node:os';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { BUCKET, INGEST_LEASE_MS } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { ensureConsumers } from '../consume/consumers.ts';
import { type Ownership, startOwnership } from '../consume/ownership.ts';
import { BATCH_LIMITS } from '../decode/batch.ts';
import { ResourceCache } from '../decode/resource-cache.ts';
import type { IngestMetrics } from '../ingest-metrics.ts';
import type { ClickHouseWriter } from './clickhouse-writer.ts';
import { type PartitionLimits, PartitionWriter } from './partition-writer.ts';

/** What {@link startWriters} needs. */
export interface WritersOptions {
  config: Pick<Config, 'cluster' | 'site' | 'ingest' | 'nats' | 'telemetry'>;
  /** Name of this copy. */
  copy: string;
  nats: NatsHandle;
  clickhouse: ClickHouseWriter;
  metrics: IngestMetrics;
  logger: Logger;
}

/** A partition as this copy sees it; `lag` = messages that wait, 0 when it is not owned. */
export interface PartitionState {
  readonly partition: number;
  readonly isOwned: boolean;
  readonly lag: number;
}

/** Running writers. */
export interface Writers {
  /** Why data don't flow, one sentence each. */
  problems(): string[];
  /** Every partition, owned or not. */
  partitions(): PartitionState[];
  cachedSeries(): number;
  /** Hands all partitions over and stops. */
  close(): Promise<void>;
}

const PREPARE_RETRY_MS = 1_000;

/** A name no other copy has, when none is configured. */
export function copyName(configured: string): string {
  return configured === '' ? `${hostname()}-${process.pid}` : configured;
}

/** What all partitions of a copy hold together at most, twice: a batch that is written and one that is filled. */
const COPY_SAMPLES = 240_000;
const COPY_JSON_BYTES = 8_388_608;
/** Payload bytes that wait to be decoded. */
const COPY_READ_AHEAD_BYTES = 8_388_608;
const MIN_SAMPLES = 2_000;
const MIN_BYTES = 262_144;

/**
 * The share of one partition, so that a copy's memory does not depend on how many it owns: 480,000 samples of 44 bytes,
 * 16 MiB of other rows and 8 MiB of payloads in all (the least shares count from some 64 partitions on).
 */
export function partitionLimits(ingest: Config['ingest'], partitions: number): PartitionLimits {
  const share = (whole: number, least: number, most: number) =>
    Math.min(most, Math.max(least, Math.floor(whole / partitions)));
  return {
    maxMessages: ingest.batchMaxMessages,
    maxBytes: ingest.batchMaxBytes,
    maxDelayMs: ingest.batchMaxDelayMs,
    newestFirstAfterMs: ingest.newestFirstAfterMs,
    maxSamples: share(COPY_SAMPLES, MIN_SAMPLES, BATCH_LIMITS.maxSamples),
    maxJsonBytes: share(COPY_JSON_BYTES, MIN_BYTES, BATCH_LIMITS.maxJsonBytes),
    readAheadBytes: share(COPY_READ_AHEAD_BYTES, MIN_BYTES, ingest.batchMaxBytes),
  };
}

/** Starts writing; returns at once. */
export function startWriters(options: WritersOptions): Writers {
  return new PartitionWriters(options);
}

class PartitionWriters implements Writers {
  readonly #options: WritersOptions;
  readonly #cache: ResourceCache;
  readonly #writers = new Map<number, PartitionWriter>();
  readonly #stop = new AbortController();
  readonly #starting: Promise<void>;
  #ownership: Ownership | undefined;
  #problem: string | undefined = 'The streams and buckets of NATS are not prepared yet.';

  constructor(options: WritersOptions) {
    this.#options = options;
    const { cluster, site, ingest } = options.config;
    this.#cache = new ResourceCache({ cluster, site }, ingest.seriesPerNode);
    this.#starting = this.#start();
  }

  problems(): string[] {
    const problems = [...this.#writers.values()].map((writer) => writer.problem);
    return [...new Set([this.#problem, ...problems])].filter((problem) => problem !== undefined);
  }

  partitions(): PartitionState[] {
    return Array.from({ length: this.#options.config.telemetry.partitions }, (_, partition) => {
      const writer = this.#writers.get(partition);
      return { partition, isOwned: writer !== undefined, lag: writer?.lag ?? 0 };
    });
  }

  cachedSeries(): number {
    return this.#cache.seriesCount;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#starting;
    await this.#ownership?.close();
  }

  async #start(): Promise<void> {
    const { nats, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        if (nats.state === 'connected') {
          const kv = await this.#prepare();
          this.#problem = undefined;
          this.#own(kv);
          return;
        }
      } catch (error) {
        this.#problem = errorMessage(error);
        logger.warn({ err: error }, 'NATS could not be prepared; trying on');
      }
      await this.#pause();
    }
  }

  /** All that ingest needs in NATS; what is there already stays. */
  async #prepare(): Promise<KV> {
    const { nats, config } = this.#options;
    const connection = await nats.ready();
    const manager = await jetstreamManager(connection);
    await ensureTelemetryStreams(manager, config);
    await ensureConsumers(manager, config.telemetry.partitions);
    const kvm = new Kvm(jetstream(connection));
    const { replicas } = config.nats;
    await kvm.create(BUCKET.progress, {
      replicas,
      history: 1,
      description: 'Ingest: how far each partition is written',
    });
    return kvm.create(BUCKET.owners, {
      replicas,
      history: 1,
      ttl: INGEST_LEASE_MS,
      description: 'Ingest: copies and what they own',
    });
  }

  #own(kv: KV): void {
    const { config, copy, logger } = this.#options;
    if (this.#stop.signal.aborted) return;
    this.#ownership = startOwnership({
      kv,
      copy,
      partitions: config.telemetry.partitions,
      logger,
      own: (partition, signal) => this.#write(partition, signal),
    });
  }

  async #write(partition: number, signal: AbortSignal): Promise<void> {
    const { config, copy, nats, clickhouse, metrics, logger } = this.#options;
    const writer = new PartitionWriter({
      partition,
      copy,
      limits: partitionLimits(config.ingest, config.telemetry.partitions),
      nats,
      clickhouse,
      cache: this.#cache,
      metrics,
      logger: logger.child({ partition }),
    });
    this.#writers.set(partition, writer);
    try {
      await writer.run(signal);
    } finally {
      if (this.#writers.get(partition) === writer) this.#writers.delete(partition);
    }
  }

  async #pause(): Promise<void> {
    const { nats } = this.#options;
    const { signal } = this.#stop;
    await new Promise<void>((resolve) => {
      const stopListening = nats.onChange((state) => {
        if (state === 'connected') wake();
      });
      const wake = () => {
        clearTimeout(timer);
        stopListening();
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, PREPARE_RETRY_MS).unref();
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
