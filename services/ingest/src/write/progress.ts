/**
 * The progress of one partition in the KV bucket `weir_ingest_progress`: up to where data are written, and which batch
 * is being written. Exactly-once rests on it. Each change is a compare-and-set on the revision this owner wrote last,
 * so an owner that was replaced (its lease ran out, it hung) can't change anything any more: that is the fence.
 * The record needs NATS to keep what it acknowledged: with one server a power cut may lose the last two minutes
 * (`sync_interval`), three replicas do not.
 */
import type { KV } from '@nats-io/kv';
import { WeirError } from '@weir/contracts/errors';
import type { OutboxMarksRecord } from '../consume/outbox-marks.ts';
import { isConflict } from '../kv-conflict.ts';

/** A batch that is being written: all messages of the partition from `from` to `to`, stream sequences inclusive. */
export interface Intent {
  readonly from: number;
  readonly to: number;
  /** Messages in it; fewer on a repeat mean that JetStream dropped some (its bounds) before they were written. */
  readonly messages: number;
  /** The batch is of the newest messages, ahead of a backlog: a range of its own, or the last one continued. */
  readonly ahead?: 'begins' | 'continues';
}

/** Messages that were written ahead of a backlog: stream sequences of the partition, inclusive. */
export interface AheadRange {
  readonly from: number;
  readonly to: number;
}

/** What is stored, as JSON. */
export interface ProgressRecord {
  /** Last copy that took the partition, for people. */
  readonly owner: string;
  /** How often the partition was taken. */
  readonly epoch: number;
  /** When the stream was created: sequences of another stream of the same name mean nothing. */
  readonly stream: string;
  /** All messages up to this stream sequence are written. */
  readonly done: number;
  readonly intent?: Intent;
  /** What is written beyond `done`, ascending; see consume/lanes.ts. */
  readonly ahead?: readonly AheadRange[];
  readonly outboxes: OutboxMarksRecord;
}

/** What stands after a batch. */
export type WrittenState = Required<Pick<ProgressRecord, 'done' | 'ahead' | 'outboxes'>>;

/** The progress of a partition in the hands of its owner. Not for two calls at once. */
export interface Progress {
  readonly record: ProgressRecord;
  /**
   * Writes down a batch before its first insert.
   * @throws WeirError `INGEST_FENCED` when another copy has taken the partition, `INGEST_PLAN` when the plan before it
   * is not finished; others when NATS fails.
   */
  plan(intent: Intent): Promise<void>;
  /** Writes down that the batch is written, and with that all up to `done`. @throws as {@link Progress.plan} */
  finish(written: WrittenState): Promise<void>;
}

/**
 * Takes the partition: from here on its former owner can't change the record.
 * @param stream creation time of the telemetry stream; progress in another one is void.
 * @throws WeirError `INGEST_FENCED` when another copy was faster.
 */
export async function takeProgress(kv: KV, partition: number, owner: string, stream: string): Promise<Progress> {
  const key = `partition.${partition}`;
  const entry = await kv.get(key);
  const isThere = entry !== null && entry.operation === 'PUT';
  const before = isThere ? entry.json<ProgressRecord>() : undefined;
  const epoch = (before?.epoch ?? 0) + 1;
  const outboxes = before?.outboxes ?? {};
  const record: ProgressRecord =
    before?.stream === stream ? { ...before, owner, epoch } : { owner, epoch, stream, done: 0, outboxes };
  const progress = new KvProgress(kv, key, record, entry?.revision ?? 0);
  await progress.save(record);
  return progress;
}

class KvProgress implements Progress {
  record: ProgressRecord;
  readonly #kv: KV;
  readonly #key: string;
  #revision: number;

  constructor(kv: KV, key: string, record: ProgressRecord, revision: number) {
    this.#kv = kv;
    this.#key = key;
    this.record = record;
    this.#revision = revision;
  }

  async plan(intent: Intent): Promise<void> {
    // a batch may be half written under the plan that stands: only repeating it is safe
    if (this.record.intent) throw new WeirError('INGEST_PLAN', `${this.#key} has a plan that is not finished.`);
    await this.save({ ...this.record, intent });
  }

  finish({ done, ahead, outboxes }: WrittenState): Promise<void> {
    const { intent: _written, ahead: _before, ...rest } = this.record;
    return this.save({ ...rest, done, ...(ahead.length > 0 ? { ahead } : {}), outboxes });
  }

  async save(record: ProgressRecord): Promise<void> {
    try {
      // previousSeq 0 = the key must not exist
      this.#revision = await this.#kv.put(this.#key, JSON.stringify(record), { previousSeq: this.#revision });
    } catch (error) {
      if (!isConflict(error)) throw error;
      throw new WeirError('INGEST_FENCED', `Another copy of ingest has taken ${this.#key}; leaving it to that one.`, {
        cause: error,
        retryable: true,
      });
    }
    this.record = record;
  }
}
