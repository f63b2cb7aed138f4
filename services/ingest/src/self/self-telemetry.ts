/**
 * Sends ingest's own samples the way nodes send theirs: numbered, in order, each until JetStream has it, so that they are
 * stored exactly once like all others. What is sent is one message per interval whatever is written, so a copy that writes
 * its own samples does not feed on itself. Ingest keeps nothing on disk: while NATS is away samples wait in memory, up to
 * a bound. Before it: own-sample.ts; after it: the telemetry stream, and some copy of ingest.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { HEADER, otelSignal, partitionOf, TELEMETRY_STREAM, telemetrySubject } from '@weir/contracts/nats/names';
import type { OwnSample } from './own-sample.ts';

/** What {@link startSelfTelemetry} needs. */
export interface SelfTelemetryOptions {
  config: Pick<Config['telemetry'], 'intervalMs' | 'partitions'>;
  /** Node name of this copy. */
  node: string;
  sample: OwnSample;
  /** Not closed here. */
  nats: NatsHandle;
  /** Told how many samples were given up. */
  onDropped: (messages: number) => void;
  logger: Logger;
}

/** Running self-telemetry. */
export interface SelfTelemetry {
  /** Takes the last sample and gives NATS, if it is there, a moment to take what waits. */
  close(): Promise<void>;
}

/** Samples that wait at most: an hour of them at 5 s, some 3 MB. Beyond, the oldest go and are counted. */
const MAX_WAITING = 720;
const ACK_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** Takes a sample on every line of the UTC grid. */
export function startSelfTelemetry(options: SelfTelemetryOptions): SelfTelemetry {
  return new Sender(options);
}

class Sender implements SelfTelemetry {
  readonly #options: SelfTelemetryOptions;
  readonly #subject: string;
  /** A copy has no disk to number on: each start is an outbox of its own. */
  readonly #outbox = randomUUID();
  readonly #waiting: { sequence: number; payload: Uint8Array }[] = [];
  #lastSequence = 0;
  #timer: NodeJS.Timeout | undefined;
  #sampling: Promise<void> = Promise.resolve();
  #sending: Promise<void> | undefined;
  #isFailing = false;

  constructor(options: SelfTelemetryOptions) {
    this.#options = options;
    this.#subject = telemetrySubject(partitionOf(options.node, options.config.partitions), 'metrics', options.node);
    this.#arm();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#sample(Date.now());
    await this.#sampling;
    await Promise.race([this.#sending, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  #arm(): void {
    const { intervalMs } = this.#options.config;
    const nextMs = (Math.floor(Date.now() / intervalMs) + 1) * intervalMs;
    this.#timer = setTimeout(() => {
      this.#sample(nextMs);
      this.#arm();
    }, nextMs - Date.now()).unref();
  }

  #sample(stampMs: number): void {
    this.#sampling = this.#sampling
      .then(async () => {
        const payload = await this.#options.sample.take(stampMs);
        if (payload) this.#waiting.push({ sequence: ++this.#lastSequence, payload });
        const excess = this.#waiting.length - MAX_WAITING;
        if (excess > 0) this.#options.onDropped(this.#waiting.splice(0, excess).length);
        this.#sending ??= this.#send().finally(() => {
          this.#sending = undefined;
        });
      })
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'ingest could not be sampled'));
  }

  /** Sends what waits, oldest first; what fails waits for the next sample. */
  async #send(): Promise<void> {
    const { nats, logger } = this.#options;
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        const { connection } = nats;
        if (!connection || nats.state !== 'connected') return;
        const head = headers();
        head.set(HEADER.contentType, 'application/x-protobuf');
        head.set(HEADER.signal, otelSignal('metrics'));
        head.set(HEADER.outbox, this.#outbox);
        head.set(HEADER.sequence, String(next.sequence));
        await jetstream(connection).publish(this.#subject, next.payload, {
          headers: head,
          msgID: `${this.#outbox}:${next.sequence}`,
          expect: { streamName: TELEMETRY_STREAM },
          timeout: ACK_TIMEOUT_MS,
        });
        // it may have been given up meanwhile
        if (this.#waiting[0] === next) this.#waiting.shift();
        this.#isFailing = false;
      }
    } catch (error) {
      if (!this.#isFailing) logger.warn({ reason: errorMessage(error) }, 'samples of ingest itself wait for JetStream');
      this.#isFailing = true;
    }
  }
}
