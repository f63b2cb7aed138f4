/**
 * Puts Faro payloads into JetStream and waits for its word. Before it: the receiver; after it: the telemetry stream, where
 * a message id that was seen within its window (five minutes) is not stored again.
 */
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { HEADER, partitionOf, telemetrySubject } from '@weir/contracts/nats/names';
import type { FaroPiece } from './pieces.ts';

/** What became of a payload. */
export type PublishOutcome = 'stored' | 'duplicate' | 'unavailable';

/** Options of {@link FaroPublisher}. */
export interface FaroPublisherOptions {
  nats: NatsHandle;
  /** Name of this copy of ingest. */
  copy: string;
  /** Partitions of the telemetry stream. */
  partitions: number;
  logger: Logger;
}

const ACK_TIMEOUT_MS = 5_000;
/** Payloads on their way at once; more are asked to come later. At most 512 KiB each. */
const MAX_IN_FLIGHT = 2_048;
const MAX_IN_FLIGHT_BYTES = 134_217_728;

/** One per copy of ingest. */
export class FaroPublisher {
  readonly #options: FaroPublisherOptions;
  readonly #subject: string;
  #inFlight = 0;
  #inFlightBytes = 0;
  #isFailing = false;

  constructor(options: FaroPublisherOptions) {
    this.#options = options;
    const sender = subjectName(options.copy);
    this.#subject = telemetrySubject(partitionOf(sender, options.partitions), 'faro', sender);
  }

  /**
   * Publishes all pieces of a payload. `unavailable` when one was not stored: the sender tries again, and those that were
   * are then known by their ids.
   */
  async publishAll(
    pieces: readonly FaroPiece[],
    typeOf: (piece: FaroPiece) => string,
    id: string | undefined,
  ): Promise<PublishOutcome> {
    const outcomes = await Promise.all(
      pieces.map((piece, index) =>
        this.publish(piece.data, typeOf(piece), id === undefined || index === 0 ? id : `${id}/${index}`),
      ),
    );
    if (outcomes.includes('unavailable')) return 'unavailable';
    return outcomes.includes('stored') ? 'stored' : 'duplicate';
  }

  /**
   * Resolves when JetStream has stored the message, or won't.
   * @param id message id for de-duplication; undefined = none.
   */
  async publish(payload: Uint8Array, contentType: string, id: string | undefined): Promise<PublishOutcome> {
    const { nats, logger } = this.#options;
    const { connection } = nats;
    const isFull = this.#inFlight >= MAX_IN_FLIGHT || this.#inFlightBytes + payload.length > MAX_IN_FLIGHT_BYTES;
    if (!connection || nats.state !== 'connected' || isFull) return 'unavailable';
    this.#inFlight += 1;
    this.#inFlightBytes += payload.length;
    try {
      const head = headers();
      head.set(HEADER.contentType, contentType);
      const acknowledged = await jetstream(connection, { timeout: ACK_TIMEOUT_MS }).publish(this.#subject, payload, {
        headers: head,
        ...(id === undefined ? {} : { msgID: id }),
      });
      this.#isFailing = false;
      return acknowledged.duplicate ? 'duplicate' : 'stored';
    } catch (error) {
      if (!this.#isFailing) logger.warn({ err: error, subject: this.#subject }, 'JetStream takes no Faro payloads');
      this.#isFailing = true;
      return 'unavailable';
    } finally {
      this.#inFlight -= 1;
      this.#inFlightBytes -= payload.length;
    }
  }
}

/** A copy's name as one subject token; the names of copies may hold dots. */
function subjectName(copy: string): string {
  const name = `faro-${copy.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`;
  return name.slice(0, 63);
}
