/**
 * Carries one partition from JetStream into ClickHouse, exactly once. A session takes the progress record (the fence),
 * repeats the batch its predecessor may have left half written, and then goes on batch by batch: while one is written
 * (batch-writer.ts), the next is gathered and decoded (gather.ts); they are written strictly one after the other.
 *
 * Whatever fails ends the session; the next one begins at the record again. So there is one way to recover, and it is
 * taken at every start. Before it: consume/; after it: ClickHouse.
 */
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { errorCode } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { BUCKET, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { readHistory } from '../consume/history.ts';
import { type Lanes, openLanes } from '../consume/lanes.ts';
import { OutboxMarks } from '../consume/outbox-marks.ts';
import { Batch, type BatchLimits } from '../decode/batch.ts';
import { CumulativeState, HORIZON_MS } from '../decode/cumulative.ts';
import { Reports } from '../decode/reports.ts';
import type { ResourceCache } from '../decode/resource-cache.ts';
import type { IngestMetrics } from '../ingest-metrics.ts';
import { BatchWriter, retryPause } from './batch-writer.ts';
import type { ClickHouseWriter } from './clickhouse-writer.ts';
import { type Gathered, type GatherLimits, gather, gatherAgain } from './gather.ts';
import { type Intent, type Progress, takeProgress } from './progress.ts';

/** Bounds of a partition's memory, see {@link partitionLimits}. */
export interface PartitionLimits extends GatherLimits, BatchLimits {
  /** Payload bytes that wait here for each lane. */
  readonly readAheadBytes: number;
  /** Age of the next message from which on the newest are taken first, ms; 0 = never. */
  readonly newestFirstAfterMs: number;
}

/** What a {@link PartitionWriter} needs. */
export interface PartitionWriterOptions {
  partition: number;
  /** Name of this copy. */
  copy: string;
  limits: PartitionLimits;
  nats: NatsHandle;
  clickhouse: ClickHouseWriter;
  cache: ResourceCache;
  metrics: IngestMetrics;
  logger: Logger;
}

/** What the batches of a session have in common. */
interface Session {
  readonly lanes: Lanes;
  readonly progress: Progress;
  readonly marks: OutboxMarks;
  readonly writer: BatchWriter;
  /** One is written while the other one is filled. */
  readonly batches: readonly [Batch, Batch];
}

/** A session that lasted so long was none that failed at once. */
const LASTING_MS = 5_000;
/** A batch under way has so long to end when the partition is to be handed over. */
const HAND_OVER_MS = 2_000;

/** Writes one partition while this copy owns it. */
export class PartitionWriter {
  readonly #options: PartitionWriterOptions;
  #lanes: Lanes | undefined;
  #problem: string | undefined;
  /** Aborts requests that a copy which is to go has waited for long enough. */
  readonly #giveUp = new AbortController();

  constructor(options: PartitionWriterOptions) {
    this.#options = options;
  }

  /** Messages that wait for this writer, as far as it knows. */
  get lag(): number {
    return this.#lanes?.lag ?? 0;
  }

  /** Why nothing is written at the moment, one sentence. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Writes until `signal` aborts; the batch under way is finished when ClickHouse takes it soon. A writer runs once. */
  async run(signal: AbortSignal): Promise<void> {
    const giveUpLater = () => setTimeout(() => this.#giveUp.abort(), HAND_OVER_MS).unref();
    signal.addEventListener('abort', giveUpLater, { once: true });
    let failures = 0;
    while (!signal.aborted) {
      const startedAtMs = performance.now();
      try {
        await this.#session(signal);
      } catch (error) {
        if (signal.aborted) break;
        if (errorCode(error) === 'INGEST_REFUSED') this.#options.logger.warn(error);
        else
          this.#options.logger.warn({ err: error }, 'a session of the partition ended; beginning anew at its record');
        this.#options.metrics.sessionFailed();
      }
      failures = performance.now() - startedAtMs > LASTING_MS ? 0 : failures + 1;
      await retryPause(failures, signal);
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { nats, partition, copy, limits, clickhouse, cache, metrics, logger } = this.#options;
    const connection = nats.connection;
    if (!connection || nats.state !== 'connected') return;
    const client = jetstream(connection);
    const manager = await jetstreamManager(connection);
    const { created } = await manager.streams.info(TELEMETRY_STREAM);
    const kv = await new Kvm(client).open(BUCKET.progress);
    const progress = await takeProgress(kv, partition, copy, created);
    const { done, intent, epoch, outboxes } = progress.record;
    logger.info({ epoch, done, intent }, 'partition writer starts');
    const sums = await this.#recall(client, manager, done, signal);
    // what a former session described may not have been written
    cache.forgetAnnouncements();
    const { readAheadBytes: maxBytes, newestFirstAfterMs } = limits;
    const lanes = await openLanes({ client, manager, partition, maxBytes, newestFirstAfterMs }, progress.record);
    this.#lanes = lanes;
    const reports = new Reports();
    const newBatch = () => new Batch(cache, sums, reports, limits);
    const common = { partition, progress, client, clickhouse, cache, sums, metrics, logger };
    const onProblem = (problem: string | undefined) => {
      this.#problem = problem;
    };
    const session: Session = {
      lanes,
      progress,
      marks: new OutboxMarks(outboxes),
      writer: new BatchWriter({ ...common, streamId: Date.parse(created).toString(36), onProblem }),
      batches: [newBatch(), newBatch()],
    };
    try {
      if (!intent || (await this.#repeat(session, intent, signal))) await this.#goOn(session, signal);
    } finally {
      this.#lanes = undefined;
      await lanes.close();
    }
  }

  /** Learns what the former owner knew of cumulative series; nothing of it is written again. */
  async #recall(
    client: JetStreamClient,
    manager: JetStreamManager,
    done: number,
    signal: AbortSignal,
  ): Promise<CumulativeState> {
    const { partition, cache, limits } = this.#options;
    const sums = new CumulativeState();
    if (done === 0) return sums;
    const batch = new Batch(cache, sums, new Reports(), limits);
    for await (const message of readHistory({ client, manager, partition, until: done, spanMs: HORIZON_MS })) {
      if (signal.aborted) return sums;
      if (message.node !== '') batch.add(message);
      if (batch.fill >= 1) batch.clear();
    }
    sums.commit();
    return sums;
  }

  /** False when `signal` aborted before the batch was there. */
  async #repeat(session: Session, intent: Intent, signal: AbortSignal): Promise<boolean> {
    const source = { ...session, batch: session.batches[0], limits: this.#options.limits };
    const gathered = await gatherAgain(source, intent, signal);
    // to be handed over: the plan stands, and nothing may be planned in its place
    if (!gathered) return false;
    const missing = intent.messages - gathered.intent.messages;
    if (missing > 0) {
      this.#options.metrics.expired(missing);
      this.#options.logger.error({ intent, missing }, 'JetStream dropped messages before they were written');
    }
    await session.writer.write(gathered, signal, this.#giveUp.signal, true);
    await this.#settle(session.lanes, gathered);
    return true;
  }

  async #goOn({ lanes, marks, writer, batches }: Session, signal: AbortSignal): Promise<void> {
    const { limits } = this.#options;
    let writing: Promise<void> | undefined;
    // a write that fails ends the gathering beside it
    const failed = new AbortController();
    const stop = () => failed.abort();
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    try {
      for (let turn = 0; !failed.signal.aborted; ) {
        const lane = lanes.nextTurn();
        const batch = batches[turn % 2] as Batch;
        const gathered = await gather(
          { lanes, marks, batch, limits },
          lane,
          () => writing !== undefined,
          failed.signal,
        );
        if (!gathered) continue;
        await writing;
        if (failed.signal.aborted) break;
        await this.#settle(lanes, gathered);
        writing = writer.write(gathered, signal, this.#giveUp.signal, false).then(() => {
          writing = undefined;
        });
        writing.catch(stop);
        turn++;
      }
      await writing;
    } finally {
      signal.removeEventListener('abort', stop);
      // whatever else failed, nobody else may begin while an insert of ours is under way
      await writing?.catch(() => undefined);
    }
  }

  async #settle(lanes: Lanes, { isCaughtUp }: Gathered): Promise<void> {
    if (!isCaughtUp) return;
    await lanes.join();
    this.#options.logger.info({ done: lanes.done }, 'the backlog is written');
  }
}
