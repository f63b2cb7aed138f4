/**
 * Gathers one batch: takes messages of a lane, leaves out repeats, decodes the others as they come. Payloads are not kept:
 * what stays is rows. Goes on while the batch before is still being written, so that batches grow with the load by
 * themselves. Before it: consume/lanes.ts; after it: batch-writer.ts.
 */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Lane, Lanes } from '../consume/lanes.ts';
import type { OutboxMarks, OutboxMarksRecord } from '../consume/outbox-marks.ts';
import type { PartitionReader, ReadMessage } from '../consume/partition-reader.ts';
import type { Batch, Fault, TelemetryMessage } from '../decode/batch.ts';
import type { Intent, WrittenState } from './progress.ts';

/** When a batch ends. */
export interface GatherLimits {
  readonly maxMessages: number;
  /** Payload bytes. */
  readonly maxBytes: number;
  /** A batch waits so long for further messages after its first. */
  readonly maxDelayMs: number;
}

/** A batch to be written; its rows are in `batch`. */
export interface Gathered {
  readonly batch: Batch;
  readonly intent: Intent;
  readonly bytes: number;
  readonly newestStoredAtMs: number;
  readonly faults: { message: TelemetryMessage; fault: Fault }[];
  readonly repeats: number;
  readonly lost: number;
  /** With this batch the backlog is read: one lane is enough again. */
  readonly isCaughtUp: boolean;
  /** What the record says when it is written. */
  readonly after: WrittenState;
  /** Messages whose rows are in the batch; kept only where asked for. */
  readonly accepted: readonly TelemetryMessage[];
  /** Tells JetStream that all of it is written. */
  acknowledge(): void;
}

/** Where a batch comes from and what it is put into. */
export interface GatherSource {
  readonly lanes: Lanes;
  readonly marks: OutboxMarks;
  readonly batch: Batch;
  readonly limits: GatherLimits;
}

/** Decoding lets others run after so long. */
const YIELD_AFTER_MS = 10;
/** How often it is looked whether the batch before is written. */
const LOOK_MS = 20;
/** A lane that has nothing lets the other one have its turn after so long. */
const LANE_WAIT_MS = 100;

/**
 * Takes what is there up to the limits, waiting a little for more; undefined when there was nothing, or `signal` aborted.
 * @param isBusy true while the batch before is being written: then waiting for more costs nothing.
 */
export async function gather(
  source: GatherSource,
  lane: Lane,
  isBusy: () => boolean,
  signal: AbortSignal,
): Promise<Gathered | undefined> {
  const { lanes, limits, batch } = source;
  batch.clear();
  const reader = lanes.reader(lane);
  const first = await reader.take(signal, lanes.isCatchingUp ? performance.now() + LANE_WAIT_MS : undefined);
  if (!first) return undefined;
  if (await lanes.leap(lane, first)) {
    if (lane === 'next') reader.giveBack(first);
    return undefined;
  }
  // with a backlog there is no need to wait, and the other lane should not
  const share = lanes.isCatchingUp && lane === 'next' ? BACKLOG_SHARE : 1;
  const deadlineMs = performance.now() + (lanes.isCatchingUp ? 0 : limits.maxDelayMs);
  const collector = new Collector(source, lane, false);
  let yieldAtMs = performance.now() + YIELD_AFTER_MS;
  for (let message: ReadMessage | undefined = first; message; ) {
    collector.add(message);
    if (collector.isFull(share)) break;
    if (performance.now() > yieldAtMs) {
      await yieldToOthers();
      yieldAtMs = performance.now() + YIELD_AFTER_MS;
    }
    message = await more(reader, deadlineMs, isBusy, signal);
  }
  return signal.aborted ? undefined : collector.end();
}

/** Batches of a backlog are smaller: the newest wait for them. */
const BACKLOG_SHARE = 0.5;

async function more(
  reader: PartitionReader,
  deadlineMs: number,
  isBusy: () => boolean,
  signal: AbortSignal,
): Promise<ReadMessage | undefined> {
  let message = await reader.take(signal, deadlineMs);
  while (!message && isBusy() && !signal.aborted) message = await reader.take(signal, performance.now() + LOOK_MS);
  return message;
}

/**
 * The batch that a former session planned and perhaps partly wrote: the same messages, so the same rows and tokens. Keeps
 * the messages, because this is also how a batch whose rows are refused is looked into.
 */
export async function gatherAgain(
  source: GatherSource,
  intent: Intent,
  signal: AbortSignal,
): Promise<Gathered | undefined> {
  const lane: Lane = intent.ahead ? 'ahead' : 'next';
  const reader = source.lanes.reader(lane);
  const collector = new Collector(source, lane, true);
  source.batch.clear();
  for (let taken = 0; taken < reader.pendingAtOpen; taken++) {
    const message = await reader.take(signal);
    if (!message) return undefined;
    if (message.sequence > intent.to) {
      reader.giveBack(message);
      break;
    }
    collector.add(message);
    if (message.sequence === intent.to) break;
  }
  return collector.end(intent);
}

class Collector {
  readonly #source: GatherSource;
  readonly #lane: Lane;
  readonly #accepted: TelemetryMessage[] = [];
  readonly #keepsMessages: boolean;
  readonly #faults: { message: TelemetryMessage; fault: Fault }[] = [];
  #messages = 0;
  #bytes = 0;
  #repeats = 0;
  #lost = 0;
  #from = 0;
  #last: ReadMessage | undefined;

  constructor(source: GatherSource, lane: Lane, keepsMessages: boolean) {
    this.#source = source;
    this.#lane = lane;
    this.#keepsMessages = keepsMessages;
  }

  /** @param share of the limits */
  isFull(share: number): boolean {
    const { limits, batch } = this.#source;
    return (
      this.#messages >= limits.maxMessages * share || this.#bytes >= limits.maxBytes * share || batch.fill >= share
    );
  }

  add(message: ReadMessage): void {
    const { lanes, marks, batch } = this.#source;
    if (this.#messages === 0) this.#from = message.sequence;
    this.#messages++;
    this.#last = message;
    if (lanes.passes(this.#lane, message)) return;
    this.#bytes += message.payload.length;
    const seen = marks.see(message, this.#lane === 'ahead');
    if (seen.isRepeat) {
      this.#repeats++;
      return;
    }
    this.#lost += seen.lost;
    const fault = message.node === '' ? SUBJECT_FAULT : batch.add(message);
    if (fault) this.#faults.push({ message, fault });
    else if (this.#keepsMessages) this.#accepted.push(message);
  }

  /** @param planned the batch as it was planned, when it is repeated */
  end(planned?: Intent): Gathered {
    const { lanes, marks, batch } = this.#source;
    const ahead = planned ? planned.ahead : lanes.place(this.#lane);
    const from = planned?.from ?? this.#from;
    const to = planned?.to ?? (this.#last as ReadMessage).sequence;
    const isCaughtUp = lanes.took(ahead, from, to);
    if (isCaughtUp) this.#lost += marks.closeGaps();
    const outboxes: OutboxMarksRecord = marks.toRecord();
    const last = this.#last;
    return {
      batch,
      intent: { from, to, messages: this.#messages, ...(ahead ? { ahead } : {}) },
      bytes: this.#bytes,
      newestStoredAtMs: last?.storedAtMs ?? 0,
      faults: this.#faults,
      repeats: this.#repeats,
      lost: this.#lost,
      isCaughtUp,
      after: { done: lanes.done, ahead: [...lanes.ranges], outboxes },
      accepted: this.#accepted,
      acknowledge: () => last?.acknowledgeAll(),
    };
  }
}

const SUBJECT_FAULT: Fault = {
  code: 'SUBJECT',
  reason: 'The subject is none of telemetry: weir.telemetry.<partition>.<metrics|logs|faro>.<node>.',
};
