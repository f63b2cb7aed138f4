/**
 * Puts the messages of an OTLP request into JetStream and waits for its word on all of them. A message's id is the hash of
 * its bytes, so a request that is sent again after a lost answer is stored once (within five minutes; cumulative sums and
 * histograms for ever, their times tell). Before it: the receiver; after it: the telemetry stream.
 */
import { createHash } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { HEADER, otelSignal, partitionOf, telemetrySubject } from '@weir/contracts/nats/names';
import type { OtlpMessage } from './split.ts';

/** Options of {@link OtlpPublisher}. */
export interface OtlpPublisherOptions {
  nats: NatsHandle;
  /** Partitions of the telemetry stream. */
  partitions: number;
  logger: Logger;
}

const ACK_TIMEOUT_MS = 5_000;
/** Bytes on their way at once; a request beyond is asked to come later. */
const MAX_IN_FLIGHT_BYTES = 67_108_864;

/** One per copy of ingest. */
export class OtlpPublisher {
  readonly #options: OtlpPublisherOptions;
  #inFlightBytes = 0;
  #isFailing = false;

  constructor(options: OtlpPublisherOptions) {
    this.#options = options;
  }

  /** True when JetStream has stored all messages; else some may be there, and the whole request may come again. */
  async publish(signal: 'metrics' | 'logs', messages: readonly OtlpMessage[]): Promise<boolean> {
    const { nats, partitions, logger } = this.#options;
    const { connection } = nats;
    const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0);
    const isFull = this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > MAX_IN_FLIGHT_BYTES;
    if (!connection || nats.state !== 'connected' || isFull) return false;
    this.#inFlightBytes += bytes;
    try {
      const client = jetstream(connection, { timeout: ACK_TIMEOUT_MS });
      const stored = await Promise.allSettled(
        messages.map(({ node, payload }) => {
          const head = headers();
          head.set(HEADER.contentType, 'application/x-protobuf');
          head.set(HEADER.signal, otelSignal(signal));
          const msgID = createHash('sha256').update(node).update(payload).digest('base64url');
          const subject = telemetrySubject(partitionOf(node, partitions), `otlp-${signal}`, node);
          return client.publish(subject, payload, { headers: head, msgID });
        }),
      );
      const failure = stored.find((outcome) => outcome.status === 'rejected');
      if (failure && !this.#isFailing) logger.warn({ err: failure.reason }, 'JetStream takes no OTLP messages');
      this.#isFailing = failure !== undefined;
      return failure === undefined;
    } finally {
      this.#inFlightBytes -= bytes;
    }
  }
}
