/**
 * Writes one gathered batch, exactly once:
 *
 *   plan (record: from, to) → insert all tables at once, each with a token made of from and to → finish (record) → ack
 *
 * Rows that ClickHouse refuses are narrowed down to their messages, which become dead letters; that needs the messages, so
 * it is done when the batch is repeated. Before it: gather.ts; after it: ClickHouse.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamClient } from '@nats-io/jetstream';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { Batch, type Fault, type TablePayload, type TelemetryMessage } from '../decode/batch.ts';
import type { CumulativeState } from '../decode/cumulative.ts';
import type { ResourceCache } from '../decode/resource-cache.ts';
import type { IngestMetrics } from '../ingest-metrics.ts';
import type { ClickHouseWriter } from './clickhouse-writer.ts';
import { publishDeadLetter } from './dead-letters.ts';
import type { Gathered } from './gather.ts';
import { InsertError } from './insert-error.ts';
import type { Progress } from './progress.ts';

/** What a {@link BatchWriter} needs; it lives as long as a session of the partition. */
export interface BatchWriterOptions {
  partition: number;
  /** Tells streams of one name apart. */
  streamId: string;
  progress: Progress;
  client: JetStreamClient;
  clickhouse: ClickHouseWriter;
  cache: ResourceCache;
  sums: CumulativeState;
  metrics: IngestMetrics;
  logger: Logger;
  /** Told why nothing can be written at the moment, and undefined when it can. */
  onProblem: (problem: string | undefined) => void;
}

/** A part of a batch: its messages from index `from` up to but not with `to`. */
interface MessageRange {
  readonly messages: readonly TelemetryMessage[];
  readonly from: number;
  readonly to: number;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** Data are called bad only when ClickHouse says so this often in a row: a cut connection can look like bad data. */
const VERDICTS = 2;

/** Writes batches one after the other. */
export class BatchWriter {
  readonly #options: BatchWriterOptions;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the batch is written and the record says so. Inserts are tried for ever unless the rows are bad.
   * @param stop no further try is begun; `giveUp` breaks off one under way. The plan stands then.
   * @param isRepeat the batch is planned already, and its messages are at hand.
   * @throws WeirError `INGEST_REFUSED` when rows are refused and it is no repeat, `INGEST_STOPPED`, `INGEST_FENCED`
   */
  async write(gathered: Gathered, stop: AbortSignal, giveUp: AbortSignal, isRepeat: boolean): Promise<void> {
    const { partition, streamId, progress, client, sums, metrics } = this.#options;
    const { intent, faults, batch, accepted } = gathered;
    const tables = batch.tables();
    if (tables.length > 0 && !isRepeat) await progress.plan(intent);
    const tokenBase = `${streamId}-${partition}-${intent.from}-${intent.to}`;
    const refused = await this.#insertAll(tables, tokenBase, stop, giveUp);
    if (refused.length > 0 && !isRepeat) {
      const reason = `ClickHouse refuses rows for ${refused.join(', ')}; the batch is looked into.`;
      throw new WeirError('INGEST_REFUSED', reason, { retryable: true });
    }
    for (const table of refused) {
      const all = { messages: accepted, from: 0, to: accepted.length };
      faults.push(...(await this.#isolate(table, all, stop, giveUp)));
    }
    // what was taken apart leaves the state of cumulative series somewhere in between
    if (refused.length > 0) this.#decode({ messages: accepted, from: 0, to: accepted.length });
    for (const { message, fault } of faults) {
      await publishDeadLetter(client, message, fault, `${streamId}-${message.sequence}-${fault.code}`);
      const { code, cause } = fault;
      const fields = { node: message.node, code, sequence: message.sequence, ...(cause ? { err: cause } : {}) };
      this.#options.logger.warn(fields, fault.reason);
    }
    await progress.finish(gathered.after);
    sums.commit();
    gathered.acknowledge();
    metrics.batchWritten(gathered, batch, tables);
    this.#tellRefusedSeries();
  }

  /** Inserts into all tables at once; gives those whose rows are refused. */
  async #insertAll(
    tables: readonly TablePayload[],
    tokenBase: string,
    stop: AbortSignal,
    giveUp: AbortSignal,
  ): Promise<TablePayload['table'][]> {
    const outcomes = await Promise.allSettled(
      tables.map((payload) => this.#insert(payload, `${tokenBase}-${payload.table}`, stop, giveUp)),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
    return tables
      .filter((_, at) => (outcomes[at] as PromiseFulfilledResult<boolean>).value === false)
      .map(({ table }) => table);
  }

  /** Inserts until it is done; false when the rows themselves are refused. */
  async #insert(payload: TablePayload, token: string, stop: AbortSignal, giveUp: AbortSignal): Promise<boolean> {
    const { clickhouse, metrics, logger, onProblem } = this.#options;
    let verdicts = 0;
    let told = '';
    for (let failures = 0; ; failures++) {
      const startedAtMs = performance.now();
      try {
        await clickhouse.insert(payload, token, giveUp);
        metrics.inserted(payload.table, (performance.now() - startedAtMs) / 1_000);
        onProblem(undefined);
        return true;
      } catch (error) {
        if (!(error instanceof InsertError)) throw error;
        metrics.insertFailed(payload.table, error.errorClass, error.clickhouseCode);
        verdicts = error.errorClass === 'data' ? verdicts + 1 : 0;
        if (verdicts >= VERDICTS) return false;
        if (told !== error.message) logger.warn({ table: payload.table, code: error.clickhouseCode }, error.message);
        told = error.message;
        onProblem(error.message);
        // an operator needs minutes, a restart seconds
        await retryPause(error.errorClass === 'operator' ? failures + 4 : failures, stop);
        if (stop.aborted)
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
    stop: AbortSignal,
    giveUp: AbortSignal,
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
      const payload = this.#decode(half).find((candidate) => candidate.table === table);
      if (!payload) continue;
      const [start, end] = [messages[half.from]?.sequence, messages[half.to - 1]?.sequence];
      const token = `${this.#options.streamId}-${this.#options.partition}-${start}-${end}-${table}-half`;
      if (!(await this.#insert(payload, token, stop, giveUp)))
        refused.push(...(await this.#isolate(table, half, stop, giveUp)));
    }
    return refused;
  }

  /** Tables of a part of the batch's messages. Cumulative points in it follow on those of the part before. */
  #decode({ messages, from, to }: MessageRange): TablePayload[] {
    const { cache, sums } = this.#options;
    sums.rollback();
    const batch = new Batch(cache, sums);
    for (const message of messages.slice(0, from)) batch.add(message);
    batch.clear();
    cache.forgetAnnouncements();
    for (const message of messages.slice(from, to)) batch.add(message);
    return batch.tables();
  }

  #tellRefusedSeries(): void {
    const { cache, metrics, logger } = this.#options;
    for (const { node, points } of cache.takeRefused()) {
      metrics.refusedSeries(node, points);
      const message = 'a node has more series than ingest.seriesPerNode; points of further ones are left out';
      logger.warn({ node, points }, message);
    }
  }
}

/** Waits longer with each failure in a row, 5 s at most; ends early when `signal` aborts. */
export async function retryPause(failures: number, signal: AbortSignal): Promise<void> {
  const timeMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10)) * (0.75 + Math.random() / 2);
  await sleep(timeMs, undefined, { signal, ref: false }).catch((error: unknown) => {
    if (!signal.aborted) throw new WeirError('INGEST_PAUSE', errorMessage(error), { cause: error });
  });
}
