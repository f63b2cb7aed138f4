/**
 * Newest first after an outage. A partition is read in order by one lane. When the next message is older than
 * `newestFirstAfterMs` by the clock of the stream, a second lane begins a few seconds before the stream's end and the two
 * take turns, so that people see the present while the past is written. What the second lane wrote is remembered as
 * ranges; the first passes over them, and when it has read through the last one, there is one lane again.
 *
 *   written ─────────► next lane            ahead lane ──► newest
 *   |====== done ======|..... backlog ......|== range ==|
 *
 * Messages whose rows depend on the ones before them (cumulative series of OTLP senders) are left to the first lane, also
 * inside of a range. Before it: two readers; after it: batches, each of one lane.
 */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import type { TelemetryMessage } from '../decode/batch.ts';
import type { AheadRange, Intent, ProgressRecord } from '../write/progress.ts';
import { openPartition, type PartitionReader } from './partition-reader.ts';

/** What {@link openLanes} needs. */
export interface LanesOptions {
  client: JetStreamClient;
  manager: JetStreamManager;
  partition: number;
  /** Payload bytes that may wait in each lane. */
  maxBytes: number;
  /** 0 = always in order. */
  newestFirstAfterMs: number;
}

export type Lane = 'next' | 'ahead';

/** Where a batch of the second lane stands, see {@link Intent}; undefined for one of the first. */
type Ahead = Intent['ahead'];

/** The second lane begins so long before the end of the stream, at most: a sample of every node lies in it. */
const BEGIN_BEFORE_END_MS = 10_000;
/** A pipeline that goes down again and again reads in order once it has left so many gaps. */
const MAX_RANGES = 32;
/** How often JetStream is asked where the stream ends. */
const LOOK_EVERY_MS = 1_000;

/** Opens the lanes where the record says that the written data end. @throws JetStreamApiError and others */
export async function openLanes(options: LanesOptions, record: ProgressRecord): Promise<Lanes> {
  const { done, intent, ahead = [] } = record;
  const next = await openPartition({ ...options, from: done + 1 });
  const lanes = new Lanes(options, next, done, ahead);
  const last = ahead.at(-1);
  try {
    if (intent?.ahead) await lanes.reopen(intent.from, intent.ahead);
    else if (last) await lanes.reopen(last.to + 1, 'continues');
    return lanes;
  } catch (error) {
    await lanes.close();
    throw error;
  }
}

/** The lanes of one partition and what is written of it, the batches on their way included. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #next: PartitionReader;
  #ahead: PartitionReader | undefined;
  #done: number;
  #ranges: AheadRange[];
  /** How the next batch of the second lane stands to those before. */
  #place: NonNullable<Ahead> = 'continues';
  #turn: Lane = 'next';
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LanesOptions, next: PartitionReader, done: number, ranges: readonly AheadRange[]) {
    this.#options = options;
    this.#next = next;
    this.#done = done;
    this.#ranges = [...ranges];
  }

  /** Messages of the partition that the first lane has not taken. */
  get lag(): number {
    return this.#next.lag;
  }

  /** True while a backlog is written and the newest are taken ahead of it. */
  get isCatchingUp(): boolean {
    return this.#ahead !== undefined;
  }

  /** All messages up to this sequence are written, or on their way. */
  get done(): number {
    return this.#done;
  }

  /** What is written beyond. */
  get ranges(): readonly AheadRange[] {
    return this.#ranges;
  }

  /** `ahead` only while {@link Lanes.isCatchingUp}. */
  reader(lane: Lane): PartitionReader {
    return lane === 'ahead' ? (this.#ahead as PartitionReader) : this.#next;
  }

  /** Whose batch is next: the lanes take turns. */
  nextTurn(): Lane {
    this.#turn = this.#ahead && this.#turn === 'next' ? 'ahead' : 'next';
    return this.#turn;
  }

  /** Whether `lane` leaves a message to the other one, or has it from there. */
  passes(lane: Lane, message: TelemetryMessage): boolean {
    const { sequence } = message;
    // the first lane may have read on while the second one was opened
    if (lane === 'ahead') return sequence <= this.#done || needsOrder(message);
    return !needsOrder(message) && this.#ranges.some(({ from, to }) => sequence >= from && sequence <= to);
  }

  /** Begins a second lane when `message`, the next of `lane`, is old. True when it did: the batch should begin anew. */
  async leap(lane: Lane, message: TelemetryMessage): Promise<boolean> {
    const { newestFirstAfterMs, manager } = this.#options;
    const { storedAtMs } = message;
    // a second leap leaves a gap behind that waits for the backlog: only when the lane is far behind itself
    const afterMs = lane === 'next' ? newestFirstAfterMs : 2 * newestFirstAfterMs;
    if (newestFirstAfterMs === 0 || Date.now() - storedAtMs < afterMs) return false;
    const isOpen = lane === 'next' ? this.#ahead !== undefined : this.#place === 'begins';
    if (isOpen || this.#ranges.length >= MAX_RANGES || performance.now() - this.#lookedAtMs < LOOK_EVERY_MS)
      return false;
    this.#lookedAtMs = performance.now();
    const { state } = await manager.streams.info(TELEMETRY_STREAM);
    const endMs = Date.parse(state.last_ts);
    // not ours but the stream's clock decides
    if (endMs - storedAtMs < afterMs) return false;
    // after the message, which the first lane reads
    await this.#open(
      new Date(Math.max(endMs - Math.min(BEGIN_BEFORE_END_MS, newestFirstAfterMs / 2), storedAtMs + 1)),
      'begins',
    );
    return true;
  }

  /** Opens the second lane at the stream sequence where a former owner left it. */
  async reopen(from: number, place: NonNullable<Ahead>): Promise<void> {
    await this.#open(from, place);
    this.#turn = 'next';
  }

  /** How a batch of `lane` that is gathered now stands to those before. */
  place(lane: Lane): Ahead {
    return lane === 'next' ? undefined : this.#place;
  }

  /** A batch of the messages `from` to `to` is on its way. True when the backlog is read with it. */
  took(place: Ahead, from: number, to: number): boolean {
    const last = this.#ranges.at(-1);
    if (place !== undefined) {
      if (last && place === 'continues') this.#ranges[this.#ranges.length - 1] = { from: last.from, to };
      else this.#ranges.push({ from, to });
      this.#place = 'continues';
      return false;
    }
    this.#done = to;
    this.#ranges = this.#ranges.filter((range) => range.to > to);
    return last !== undefined && this.#ranges.length === 0;
  }

  /** Ends the second lane; what it has read and not taken is read again by the first. */
  async join(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.close();
  }

  async close(): Promise<void> {
    await Promise.all([this.#next.close(), this.#ahead?.close()]);
  }

  async #open(from: number | Date, place: NonNullable<Ahead>): Promise<void> {
    await this.join();
    this.#ahead = await openPartition({ ...this.#options, from, isAhead: true });
    this.#place = place;
  }
}

/** Deltas of what senders count since their start come out of the points before, see decode/cumulative.ts. */
function needsOrder({ signal }: TelemetryMessage): boolean {
  return signal === 'otlp-metrics';
}
