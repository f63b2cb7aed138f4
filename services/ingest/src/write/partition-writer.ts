/**
 * Carries one partition from JetStream into ClickHouse, exactly once. A session takes the progress record (the fence),
 * repeats the batch its predecessor may have left half written, and then goes on batch by batch:
 *
 *   gather → plan (record: from, to) → insert each table with a token made of from and to → finish (record: done) → ack
 *
 * Whatever fails ends the session; the next one begins at the record again. So there is one way to recover, and it is
 * taken at every start. Before it: consume/; after it: ClickHouse.
 */
import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { BUCKET, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { readHistory } from '../consume/history.ts';
import { OutboxMarks } from '../consume/outbox-marks.ts';
import { openPartition, type PartitionReader, type ReadMessage } from '../consume/partition-reader.ts';
import { Batch, type Fault, type TablePayload, type TelemetryMessage } from '../decode/batch.ts';
import { CumulativeState, HORIZON_MS } from '../decode/cumulative.ts';
import type { ResourceCache } from '../decode/resource-cache.ts';
import type { IngestMetrics } from '../ingest-metrics.ts';
import type { ClickHouseWriter } from './clickhouse-writer.ts';
import { publishDeadLetter } from './dead-letters.ts';
import { InsertError } from './insert-error.ts';
import { type Intent, type Progress, takeProgress } from './progress.ts';

/** What a {@link PartitionWriter} needs. */
export interface PartitionWriterOptions {
  partition: number;
  /** Name of this copy. */
  copy: string;
  limits: Pick<Config['ingest'], 'batchMaxMessages' | 'batchMaxBytes' | 'batchMaxDelayMs'>;
  nats: NatsHandle;
  clickhouse: ClickHouseWriter;
  cache: ResourceCache;
  metrics: IngestMetrics;
  logger: Logger;
}

/** Messages of one batch. */
interface Gathered {
  readonly messages: ReadMessage[];
  /** Those of them whose rows are in the batch. */
  readonly accepted: TelemetryMessage[];
  readonly faults: { message: TelemetryMessage; fault: Fault }[];
  repeats: number;
  lost: number;
}

/** A part of a batch: its messages from index `from` up to but not with `to`. */
interface MessageRange {
  readonly messages: readonly TelemetryMessage[];
  readonly from: number;
  readonly to: number;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** A batch under way has so long to end when the partition is to be handed over. */
const HAND_OVER_MS = 2_000;
/** Decoding lets others run after so long. */
const YIELD_AFTER_MS = 10;
/** Data are called bad only when ClickHouse says so this often in a row: a cut connection can look like bad data. */
const VERDICTS = 2;

/** Writes one partition while this copy owns it. */
export class PartitionWriter {
  readonly #options: PartitionWriterOptions;
  /** Of the session at hand; likewise the batch, which fills it. */
  #sums = new CumulativeState();
  #batch: Batch;
  #reader: PartitionReader | undefined;
  #problem: string | undefined;
  /** Aborts requests that a copy which is to go has waited for long enough. */
  readonly #giveUp = new AbortController();

  constructor(options: PartitionWriterOptions) {
    this.#options = options;
    this.#batch = new Batch(options.cache, this.#sums);
  }

  /** Messages that wait for this writer, as far as it knows. */
  get lag(): number {
    return this.#reader?.lag ?? 0;
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
        this.#options.logger.warn({ err: error }, 'a session of the partition ended; beginning anew at its record');
        this.#options.metrics.sessionFailed();
      }
      failures = performance.now() - startedAtMs > RETRY_MAX_MS ? 0 : failures + 1;
      await this.#pause(failures, signal);
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { nats, partition, copy, limits, cache, logger } = this.#options;
    const connection = nats.connection;
    if (!connection || nats.state !== 'connected') return;
    const client = jetstream(connection);
    const manager = await jetstreamManager(connection);
    const { created } = await manager.streams.info(TELEMETRY_STREAM);
    const kv = await new Kvm(client).open(BUCKET.progress);
    const progress = await takeProgress(kv, partition, copy, created);
    const { done, intent, epoch } = progress.record;
    logger.info({ epoch, done, intent }, 'partition writer starts');
    await this.#recall(client, manager, done, signal);
    // what a former session described may not have been written
    cache.forgetAnnouncements();
    const reader = await openPartition({ client, manager, partition, from: done + 1, maxBytes: limits.batchMaxBytes });
    this.#reader = reader;
    const streamId = Date.parse(created).toString(36);
    try {
      if (intent) await this.#repeat(reader, progress, intent, client, streamId, signal);
      while (!signal.aborted) {
        const marks = new OutboxMarks(progress.record.outboxes);
        const gathered = await this.#gather(reader, marks, signal);
        if (gathered.messages.length > 0) await this.#write(gathered, marks, progress, client, streamId, signal);
      }
    } finally {
      this.#reader = undefined;
      this.#batch.clear();
      await reader.close();
    }
  }

  /** Learns what the former owner knew of cumulative series; nothing of it is written again. */
  async #recall(client: JetStreamClient, manager: JetStreamManager, done: number, signal: AbortSignal): Promise<void> {
    const { partition, cache } = this.#options;
    this.#sums = new CumulativeState();
    this.#batch = new Batch(cache, this.#sums);
    if (done === 0) return;
    for await (const message of readHistory({ client, manager, partition, until: done, spanMs: HORIZON_MS })) {
      if (signal.aborted) return;
      if (message.node !== '') this.#batch.add(message);
      if (this.#batch.isFull) this.#batch.clear();
    }
    this.#batch.clear();
    this.#sums.commit();
  }

  /** The batch that was planned and perhaps partly written: the same messages, so the same rows and tokens. */
  async #repeat(
    reader: PartitionReader,
    progress: Progress,
    intent: Intent,
    client: JetStreamClient,
    streamId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const marks = new OutboxMarks(progress.record.outboxes);
    const gathered = newGathered();
    this.#batch.clear();
    for (let taken = 0; taken < reader.pendingAtOpen; taken++) {
      const message = await reader.take(signal);
      if (!message) return;
      if (message.sequence > intent.to) {
        reader.giveBack(message);
        break;
      }
      this.#add(gathered, message, marks);
      if (message.sequence === intent.to) break;
    }
    const missing = intent.messages - gathered.messages.length;
    if (missing > 0) {
      this.#options.metrics.expired(missing);
      this.#options.logger.error({ intent, missing }, 'JetStream dropped messages before they were written');
    }
    await this.#write(gathered, marks, progress, client, streamId, signal, intent);
  }

  /** Takes what is there up to the limits, waiting a little for more. */
  async #gather(reader: PartitionReader, marks: OutboxMarks, signal: AbortSignal): Promise<Gathered> {
    const { limits, cache } = this.#options;
    const gathered = newGathered();
    this.#batch.clear();
    cache.trim();
    const first = await reader.take(signal);
    if (!first) return gathered;
    const deadlineMs = performance.now() + limits.batchMaxDelayMs;
    let bytes = 0;
    let yieldAtMs = performance.now() + YIELD_AFTER_MS;
    for (let message: ReadMessage | undefined = first; message; ) {
      bytes += message.payload.length;
      this.#add(gathered, message, marks);
      if (gathered.messages.length >= limits.batchMaxMessages || bytes >= limits.batchMaxBytes || this.#batch.isFull)
        break;
      if (performance.now() > yieldAtMs) {
        await yieldToOthers();
        yieldAtMs = performance.now() + YIELD_AFTER_MS;
      }
      message = await reader.take(signal, deadlineMs);
    }
    return gathered;
  }

  #add(gathered: Gathered, message: ReadMessage, marks: OutboxMarks): void {
    gathered.messages.push(message);
    const seen = marks.see(message);
    if (seen.isRepeat) {
      gathered.repeats++;
      return;
    }
    gathered.lost += seen.lost;
    const fault = message.node === '' ? SUBJECT_FAULT : this.#batch.add(message);
    if (fault) gathered.faults.push({ message, fault });
    else gathered.accepted.push(message);
  }

  async #write(
    gathered: Gathered,
    marks: OutboxMarks,
    progress: Progress,
    client: JetStreamClient,
    streamId: string,
    signal: AbortSignal,
    planned?: Intent,
  ): Promise<void> {
    const { partition, metrics } = this.#options;
    const { messages, faults } = gathered;
    const last = messages.at(-1);
    const from = planned?.from ?? (messages[0] as ReadMessage).sequence;
    const to = planned?.to ?? (last as ReadMessage).sequence;
    const tokenBase = `${streamId}-${partition}-${from}-${to}`;
    const tables = this.#batch.tables();
    if (tables.length > 0 && !planned) await progress.plan({ from, to, messages: messages.length });
    for (const payload of tables) {
      const isWritten = await this.#insert(payload, `${tokenBase}-${payload.table}`, signal);
      if (!isWritten) {
        const all = { messages: gathered.accepted, from: 0, to: gathered.accepted.length };
        faults.push(...(await this.#isolate(payload.table, all, streamId, signal)));
        this.#decode(all);
      }
    }
    for (const { message, fault } of faults) {
      const id = `${streamId}-${message.sequence}-${fault.code}`;
      await publishDeadLetter(client, message, fault, id);
      const { code, cause } = fault;
      const fields = { node: message.node, code, sequence: message.sequence, ...(cause ? { err: cause } : {}) };
      this.#options.logger.warn(fields, fault.reason);
    }
    await progress.finish(to, marks.toRecord());
    this.#sums.commit();
    last?.acknowledgeAll();
    metrics.batchWritten(gathered, this.#batch, tables);
    for (const { node, points } of this.#options.cache.takeRefused()) {
      metrics.refusedSeries(node, points);
      const message = 'a node has more series than ingest.seriesPerNode; points of further ones are left out';
      this.#options.logger.warn({ node, points }, message);
    }
  }

  /**
   * Inserts until it is done; false when the rows themselves are refused.
   * @throws WeirError `INGEST_STOPPED` when `signal` aborted before: the plan stands and the next owner repeats it.
   */
  async #insert(payload: TablePayload, token: string, signal: AbortSignal): Promise<boolean> {
    const { clickhouse, metrics, logger } = this.#options;
    let verdicts = 0;
    for (let failures = 0; ; failures++) {
      const startedAtMs = performance.now();
      try {
        await clickhouse.insert(payload, token, this.#giveUp.signal);
        metrics.inserted(payload.table, (performance.now() - startedAtMs) / 1_000);
        this.#problem = undefined;
        return true;
      } catch (error) {
        if (!(error instanceof InsertError)) throw error;
        metrics.insertFailed(payload.table, error.errorClass, error.clickhouseCode);
        verdicts = error.errorClass === 'data' ? verdicts + 1 : 0;
        if (verdicts >= VERDICTS) return false;
        if (this.#problem !== error.message)
          logger.warn({ table: payload.table, code: error.clickhouseCode }, error.message);
        this.#problem = error.message;
        // an operator needs minutes, a restart seconds
        await this.#pause(error.errorClass === 'operator' ? failures + 4 : failures, signal);
        if (signal.aborted)
          throw new WeirError('INGEST_STOPPED', 'The partition was handed over before its batch was written.');
      }
    }
  }

  /**
   * Finds the messages whose rows for `table` are refused by halving. Every step has its own token, and a range with a
   * refused message always fails as a whole, so a repeat takes the same steps and writes nothing twice.
   */
  async #isolate(
    table: TablePayload['table'],
    range: MessageRange,
    streamId: string,
    signal: AbortSignal,
  ): Promise<{ message: TelemetryMessage; fault: Fault }[]> {
    const { messages, from, to } = range;
    const first = messages[from];
    if (first === undefined) return [];
    if (to - from === 1) {
      const reason = `ClickHouse refuses the rows of this message for ${table}; its rows for other tables are stored.`;
      return [{ message: first, fault: { code: 'REFUSED', reason } }];
    }
    const refused: { message: TelemetryMessage; fault: Fault }[] = [];
    const middle = from + Math.ceil((to - from) / 2);
    for (const half of [
      { messages, from, to: middle },
      { messages, from: middle, to },
    ]) {
      this.#options.cache.forgetAnnouncements();
      const payload = this.#decode(half).find((candidate) => candidate.table === table);
      if (!payload) continue;
      const [start, end] = [messages[half.from]?.sequence, messages[half.to - 1]?.sequence];
      const token = `${streamId}-${this.#options.partition}-${start}-${end}-${table}-half`;
      if (!(await this.#insert(payload, token, signal)))
        refused.push(...(await this.#isolate(table, half, streamId, signal)));
    }
    return refused;
  }

  /** Tables of a part of the batch's messages. Cumulative points in it follow on those of the part before. */
  #decode({ messages, from, to }: MessageRange): TablePayload[] {
    this.#sums.rollback();
    const batch = new Batch(this.#options.cache, this.#sums);
    for (const message of messages.slice(0, from)) batch.add(message);
    batch.clear();
    this.#options.cache.forgetAnnouncements();
    for (const message of messages.slice(from, to)) batch.add(message);
    return batch.tables();
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const timeMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10)) * (0.75 + Math.random() / 2);
    await sleep(timeMs, undefined, { signal, ref: false }).catch((error: unknown) => {
      if (!signal.aborted) throw new WeirError('INGEST_PAUSE', errorMessage(error), { cause: error });
    });
  }
}

const SUBJECT_FAULT: Fault = {
  code: 'SUBJECT',
  reason: 'The subject is none of telemetry: weir.telemetry.<partition>.<metrics|logs|faro>.<node>.',
};

function newGathered(): Gathered {
  return { messages: [], accepted: [], faults: [], repeats: 0, lost: 0 };
}
