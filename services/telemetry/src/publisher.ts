/**
 * Carries the outbox to JetStream: strictly in order, one message at a time, each deleted only when JetStream has
 * acknowledged it. Ingest relies on that order: a sequence at or below the highest it has written is a repeat.
 * Before it: the outbox; after it: ingest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection, RequestError } from '@nats-io/transport-node';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { HEADER, otelSignal, type Signal, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import type { Outbox, OutboxMessage } from './outbox.ts';

/** What a publisher needs. */
export interface PublisherOptions {
  nats: NatsHandle;
  outbox: Outbox;
  subject: (signal: Signal) => string;
  logger: Logger;
  /** Told of each acknowledgement; must not throw. */
  onAcknowledged?: (acknowledged: Acknowledged) => void;
}

/** One message that JetStream has stored. */
export interface Acknowledged {
  subject: string;
  /** Sequence in the stream. */
  streamSequence: number;
  /** Unix time, ms, right before sending. */
  sentAtMs: number;
  /** Time until the acknowledgement. */
  rttMs: number;
  isRepeat: boolean;
}

/** A running publisher. */
export interface Publisher {
  /** Resolves when the outbox is empty or after `timeoutMs`, whichever is first. */
  published(timeoutMs: number): Promise<void>;
  /** Stops after the message under way (waits at most 1 s for it); the rest stays in the outbox. */
  close(): Promise<void>;
}

const ACK_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** Headers count towards what NATS takes; one message too large and it closes the connection. */
const HEADERS_MAX_BYTES = 1_024;
const OTLP_CONTENT_TYPE = 'application/x-protobuf';

/** Starts to publish what is in the outbox and all that comes. */
export function startPublisher(options: PublisherOptions): Publisher {
  return new StopAndWaitPublisher(options);
}

class StopAndWaitPublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #stopListening: () => void;
  #client: { connection: NatsConnection; jetstream: JetStreamClient } | undefined;
  #wake: () => void = () => {};
  #onEmpty: (() => void)[] = [];
  #waitingFor = '';

  constructor(options: PublisherOptions) {
    this.#options = options;
    options.outbox.onPut(() => this.#wake());
    this.#stopListening = options.nats.onChange(() => this.#wake());
    this.#running = this.#run();
  }

  async published(timeoutMs: number): Promise<void> {
    if (this.#options.outbox.messages === 0) return;
    const timeout = new AbortController();
    const empty = new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    await Promise.race([empty, sleep(timeoutMs, undefined, { signal: timeout.signal })]);
    timeout.abort();
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#stop.abort();
    this.#wake();
    // an acknowledgement that takes longer is not waited for: the message is sent again after the next start
    await Promise.race([this.#running, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const message = this.#take();
      if (message === 'unreadable') {
        await this.#woken(RETRY_MAX_MS);
        continue;
      }
      if (!message) {
        this.#isEmpty();
        await this.#woken();
        continue;
      }
      const failure = await this.#publish(message);
      if (failure === undefined) failures = 0;
      else await this.#woken(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures++));
    }
  }

  #take(): OutboxMessage | 'unreadable' | undefined {
    try {
      return this.#options.outbox.take();
    } catch (error) {
      this.#waits('the outbox cannot be read', error);
      return 'unreadable';
    }
  }

  /** Publishes and deletes `message`; what went wrong, or undefined. */
  async #publish(message: OutboxMessage): Promise<string | undefined> {
    const { nats, outbox, subject, logger } = this.#options;
    const connection = nats.connection;
    if (nats.state !== 'connected' || !connection) return this.#waits('NATS is away');
    if (message.payload.length + HEADERS_MAX_BYTES > (connection.info?.max_payload ?? Number.POSITIVE_INFINITY)) {
      logger.error(
        { bytes: message.payload.length },
        'dropped a telemetry message that NATS can never take; raise max_payload of the NATS servers',
      );
      outbox.remove(message, 'refused');
      return undefined;
    }
    const to = subject(message.signal);
    const sentAtMs = Date.now();
    const startedAt = performance.now();
    try {
      const acknowledgement = await this.#jetstream(connection).publish(to, message.payload, {
        msgID: `${message.outbox}:${message.sequence}`,
        headers: messageHeaders(message),
        expect: { streamName: TELEMETRY_STREAM },
        timeout: ACK_TIMEOUT_MS,
      });
      const rttMs = performance.now() - startedAt;
      outbox.remove(message);
      this.#flows();
      this.#options.onAcknowledged?.({
        subject: to,
        streamSequence: acknowledgement.seq,
        sentAtMs,
        rttMs,
        isRepeat: acknowledgement.duplicate,
      });
      return undefined;
    } catch (error) {
      return isTakenByNobody(error)
        ? this.#waits('no JetStream stream takes it yet')
        : this.#waits(reasonOf(error), error);
    }
  }

  #jetstream(connection: NatsConnection): JetStreamClient {
    if (this.#client?.connection !== connection) this.#client = { connection, jetstream: jetstream(connection) };
    return this.#client.jetstream;
  }

  /** Resolves on the next message or change of the connection, or after `timeoutMs`. */
  async #woken(timeoutMs?: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs).unref();
      this.#wake = () => {
        // a new message changes nothing while NATS is away or refuses: only the timer or the connection does
        if (timer && this.#options.nats.state !== 'connected' && !this.#stop.signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  #isEmpty(): void {
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Says once why nothing moves. */
  #waits(reason: string, error?: unknown): string {
    if (this.#waitingFor !== reason) {
      const why = error === undefined ? reason : `${reason} (${errorMessage(error)})`;
      this.#options.logger.warn(
        { reason: why, messages: this.#options.outbox.messages },
        'telemetry waits in the outbox',
      );
    }
    this.#waitingFor = reason;
    return reason;
  }

  #flows(): void {
    if (this.#waitingFor === '') return;
    this.#waitingFor = '';
    this.#options.logger.info({ messages: this.#options.outbox.messages }, 'telemetry is being published again');
  }
}

function messageHeaders(message: OutboxMessage): MsgHdrs {
  const fields = headers();
  fields.set(HEADER.contentType, OTLP_CONTENT_TYPE);
  if (message.signal !== 'faro') fields.set(HEADER.signal, otelSignal(message.signal));
  fields.set(HEADER.outbox, message.outbox);
  fields.set(HEADER.sequence, String(message.sequence));
  return fields;
}

/** All of these end by themselves or by an operator; the message stays until JetStream has it. */
function reasonOf(error: unknown): string {
  if (error instanceof JetStreamApiError) return `JetStream refuses, code ${error.code}`;
  return error instanceof Error ? error.name : 'unknown';
}

/** Nobody answers on the subject; the client's own words for it, "jetstream is not enabled", are a guess. */
function isTakenByNobody(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return [error, error.cause].some((one) => one instanceof RequestError && one.isNoResponders());
}
