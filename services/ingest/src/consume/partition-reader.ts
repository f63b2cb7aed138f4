/**
 * The messages of one partition in the order of the stream, from a given place on, without holes: pulled by the
 * consumers of consumers.ts, waiting here within a bound. Before it: JetStream; after it: lanes.ts.
 */
import {
  type Consumer,
  type JetStreamClient,
  JetStreamError,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { WeirError } from '@weir/contracts/errors';
import { HEADER, parseTelemetrySubject, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import type { TelemetryMessage } from '../decode/batch.ts';
import { makeConsumer, removeConsumer } from './consumers.ts';

/** What {@link openPartition} needs. */
export interface PartitionReaderOptions {
  client: JetStreamClient;
  manager: JetStreamManager;
  partition: number;
  /** First stream sequence to read, or the time from which on. */
  from: number | Date;
  /** Reads ahead of a backlog: by a consumer of its own, which nobody takes for the lag and which goes when closed. */
  isAhead?: boolean;
  /** No further messages are asked for while so many payload bytes wait here. */
  maxBytes: number;
}

/** Reads one partition; `take` yields each message once. */
export interface PartitionReader {
  /** Messages that were in the partition when it was opened. */
  readonly pendingAtOpen: number;
  /** Messages of the partition that have not been taken: in JetStream and here. */
  readonly lag: number;
  /**
   * The next message; undefined when `deadlineMs` (of `performance.now()`) passed or `signal` was aborted first.
   * @throws WeirError `INGEST_READ` when messages were lost on the way or JetStream fails: open it again then.
   */
  take(signal: AbortSignal, deadlineMs?: number): Promise<ReadMessage | undefined>;
  /** Puts a message back that was taken last. */
  giveBack(message: ReadMessage): void;
  /** Stops reading; the consumer stays for autoscalers to look at, but not one that reads ahead. */
  close(): Promise<void>;
}

/** A message and how to tell JetStream that it and all before it are written (without effect where it reads ahead). */
export interface ReadMessage extends TelemetryMessage {
  acknowledgeAll(): void;
}

/**
 * Messages of one pull at most; fewer when the largest message seen so far would make them too many bytes. (A pull
 * limited by bytes does not end in @nats-io/jetstream 3.4 when its 100 messages came before its bytes.) So a partition
 * holds `maxBytes`, plus one pull in which every message is larger than all before it.
 */
const MAX_PULL = 256;
const FIRST_PULL = 16;
/** A pull waits so long for messages before it is renewed. */
const PULL_EXPIRES_MS = 30_000;
const RETRY_PULL_MS = 100;
/** How often JetStream is asked for the lag while nothing is pulled; else each message tells it. */
const LAG_EVERY_MS = 2_000;

/**
 * Makes the consumer start at `from` and begins to read.
 * @throws JetStreamApiError and others when JetStream does not answer.
 */
export async function openPartition(options: PartitionReaderOptions): Promise<PartitionReader> {
  const { manager, client, partition, from, isAhead = false } = options;
  const { name, num_pending } = await makeConsumer(manager, partition, from, isAhead);
  return new PullReader(await client.consumers.get(TELEMETRY_STREAM, name), name, options, num_pending);
}

class PullReader implements PartitionReader {
  readonly pendingAtOpen: number;
  readonly #consumer: Consumer;
  readonly #manager: JetStreamManager;
  readonly #partition: number;
  readonly #name: string;
  readonly #isAhead: boolean;
  readonly #maxBytes: number;
  readonly #queue: ReadMessage[] = [];
  readonly #running: Promise<void>;
  #queuedBytes = 0;
  #largestBytes = 0;
  #pending: number;
  #lastSequence: number;
  #lastDelivery = 0;
  #failure: WeirError | undefined;
  #isClosed = false;
  #stopPull: () => void = () => {};
  #wakeTaker: () => void = () => {};
  #wakePuller: () => void = () => {};

  constructor(consumer: Consumer, name: string, options: PartitionReaderOptions, pending: number) {
    this.#consumer = consumer;
    this.#manager = options.manager;
    this.#partition = options.partition;
    this.#isAhead = options.isAhead ?? false;
    this.#name = name;
    this.#maxBytes = options.maxBytes;
    this.#lastSequence = typeof options.from === 'number' ? options.from - 1 : 0;
    this.pendingAtOpen = pending;
    this.#pending = pending;
    this.#running = this.#pull().catch((error: unknown) => this.#fail('JetStream failed', error));
  }

  get lag(): number {
    return this.#pending + this.#queue.length;
  }

  async take(signal: AbortSignal, deadlineMs?: number): Promise<ReadMessage | undefined> {
    while (this.#queue.length === 0) {
      if (this.#failure) throw this.#failure;
      if (signal.aborted || !(await this.#arrival(signal, deadlineMs))) return undefined;
    }
    const message = this.#queue.shift() as ReadMessage;
    this.#queuedBytes -= message.payload.length;
    if (this.#queuedBytes < this.#maxBytes) this.#wakePuller();
    return message;
  }

  giveBack(message: ReadMessage): void {
    this.#queue.unshift(message);
    this.#queuedBytes += message.payload.length;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopPull();
    this.#wakePuller();
    await this.#running;
    if (this.#isAhead) await removeConsumer(this.#manager, this.#name).catch(() => undefined);
  }

  /** One pull after the other, each for no more than may wait. */
  async #pull(): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (this.#queuedBytes >= this.#maxBytes) {
          await this.#room();
          continue;
        }
        const messages = await this.#consumer.fetch({ max_messages: this.#pullSize(), expires: PULL_EXPIRES_MS });
        this.#stopPull = () => messages.stop();
        if (this.#isClosed) messages.stop();
        for await (const message of messages) this.#enqueue(message);
      } catch (error) {
        if (!(error instanceof JetStreamError) || this.#isClosed) throw error;
        // the pull ended early because the server or the consumer went: asking for the consumer tells which
        await this.#manager.consumers.info(TELEMETRY_STREAM, this.#name);
        if (this.#queue.length === 0) await pause(RETRY_PULL_MS);
      }
    }
  }

  /** Resolves when messages were taken, or after a while in which none was: then the lag has grown unheard. */
  async #room(): Promise<void> {
    const isTaken = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), LAG_EVERY_MS).unref();
      this.#wakePuller = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    if (isTaken || this.#isClosed) return;
    // when NATS is away, the next pull says so
    const info = await this.#manager.consumers.info(TELEMETRY_STREAM, this.#name).catch(() => undefined);
    if (info) this.#pending = info.num_pending;
  }

  #pullSize(): number {
    if (this.#largestBytes === 0) return FIRST_PULL;
    const fitting = Math.floor((this.#maxBytes - this.#queuedBytes) / this.#largestBytes);
    return Math.min(MAX_PULL, Math.max(1, fitting));
  }

  #enqueue(raw: JsMsg): void {
    if (this.#isClosed || this.#failure) return;
    const { info } = raw;
    if (info.deliverySequence !== this.#lastDelivery + 1) {
      this.#fail(`delivery ${info.deliverySequence} came after ${this.#lastDelivery}`, undefined);
      this.#stopPull();
      return;
    }
    this.#lastDelivery = info.deliverySequence;
    this.#pending = info.pending;
    // delivered again because it waits here for long: it is still here
    if (info.streamSequence <= this.#lastSequence) return;
    this.#lastSequence = info.streamSequence;
    const message = toMessage(raw);
    this.#queue.push(message);
    this.#queuedBytes += message.payload.length;
    this.#largestBytes = Math.max(this.#largestBytes, message.payload.length);
    this.#wakeTaker();
  }

  #fail(what: string, cause: unknown): void {
    this.#failure ??= new WeirError(
      'INGEST_READ',
      `Reading partition ${this.#partition} of ${TELEMETRY_STREAM} broke off: ${what}; it begins again where the written data end.`,
      { cause, retryable: true },
    );
    this.#wakeTaker();
  }

  /** True when there may be something to take, false when the time is up. */
  #arrival(signal: AbortSignal, deadlineMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (hasNews: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        this.#wakeTaker = () => {};
        resolve(hasNews);
      };
      const stop = () => done(false);
      const timer =
        deadlineMs === undefined ? undefined : setTimeout(stop, Math.max(0, deadlineMs - performance.now())).unref();
      signal.addEventListener('abort', stop, { once: true });
      this.#wakeTaker = () => done(true);
    });
  }
}

/** A message of the telemetry stream as ingest sees it. */
export function toMessage(raw: JsMsg): ReadMessage {
  const parsed = parseTelemetrySubject(raw.subject);
  const id = raw.headers?.get(HEADER.outbox) ?? '';
  const sequence = Number(raw.headers?.get(HEADER.sequence));
  return {
    sequence: raw.info.streamSequence,
    subject: raw.subject,
    node: parsed?.node ?? '',
    signal: parsed?.signal ?? '',
    payload: raw.data,
    contentType: raw.headers?.get(HEADER.contentType) ?? '',
    storedAtMs: Math.floor(raw.info.timestampNanos / 1_000_000),
    outbox: id !== '' && Number.isSafeInteger(sequence) && sequence > 0 ? { id, sequence } : undefined,
    acknowledgeAll: () => raw.ack(),
  };
}

function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs).unref());
}
