/**
 * The stream of dead letters as operators use it: read, played again, dropped. Before it: what ingest could not use, whole
 * and with the reason in its headers; after it: the telemetry stream again, or nothing.
 */
import {
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { WeirError } from '@weir/contracts/errors';
import {
  DEAD_LETTER_STREAM,
  DEAD_LETTER_SUBJECT_PREFIX,
  HEADER,
  otelSignal,
  parseTelemetrySubject,
  TELEMETRY_STREAM,
  TELEMETRY_SUBJECT_PREFIX,
} from '@weir/contracts/nats/names';

/** A dead letter without its payload. */
export interface Letter {
  /** Its sequence in the stream of dead letters: how it is named. */
  id: number;
  /** When it was put aside, ISO 8601. */
  time: string;
  /** Whose it is; empty when its subject was none of telemetry. */
  node: string;
  signal: string;
  code: string;
  reason: string;
  sizeBytes: number;
  /** Subject it came on. */
  subject: string;
}

/** A dead letter with its payload. */
export interface WholeLetter extends Letter {
  contentType: string;
  payload: Uint8Array;
}

/** Which letters an operator means. */
export interface LetterFilter {
  code?: string | undefined;
  node?: string | undefined;
}

const PULL = 256;
const PULL_EXPIRES_MS = 5_000;
const REPLAY_TIMEOUT_MS = 5_000;
const NO_MESSAGE = 10_037;
const STREAM_NOT_FOUND = 10_059;
const SIZE_HEADER = 'Nats-Msg-Size';
/** Code of letters whose rows for other tables are stored. */
export const PARTLY_STORED = 'REFUSED';

/** The dead letters of one cluster; JetStream does the keeping. */
export class DeadLetters {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;

  private constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.#connection = connection;
    this.#manager = manager;
  }

  static async open(connection: NatsConnection): Promise<DeadLetters> {
    return new DeadLetters(connection, await jetstreamManager(connection));
  }

  /** Letters that match, oldest first; payloads stay where they are. Empty when there was never one. */
  async *list(filter: LetterFilter = {}): AsyncGenerator<Letter> {
    const total = await this.#count();
    if (total === 0) return;
    const options = { deliver_policy: DeliverPolicy.All, headers_only: true };
    const consumer = await jetstream(this.#connection).consumers.get(DEAD_LETTER_STREAM, options);
    for (let seen = 0; seen < total; ) {
      const before = seen;
      const pull = await consumer.fetch({ max_messages: Math.min(PULL, total - seen), expires: PULL_EXPIRES_MS });
      for await (const message of pull) {
        seen++;
        const letter = letterOf(
          message.seq,
          message.subject,
          new Date(message.info.timestampNanos / 1e6),
          message.headers,
          Number(message.headers?.get(SIZE_HEADER)),
        );
        if (matches(letter, filter)) yield letter;
      }
      // somebody dropped the rest meanwhile
      if (seen === before) return;
    }
  }

  /** @throws WeirError `DEAD_LETTER_UNKNOWN` */
  async get(id: number): Promise<WholeLetter> {
    const stored = await this.#find(id);
    if (!stored) {
      throw new WeirError('DEAD_LETTER_UNKNOWN', `There is no dead letter ${id}; weir dead-letters list shows them.`);
    }
    return {
      ...letterOf(id, stored.subject, stored.time, stored.header, stored.data.length),
      contentType: stored.header.get(HEADER.contentType),
      payload: stored.data,
    };
  }

  /**
   * Puts a letter back into the telemetry stream, then removes it here. It goes without the number its outbox gave it:
   * that number was seen. Called again within JetStream's window for message ids (5 min) it is not stored twice.
   * @throws WeirError `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_REPLAY` when JetStream did not take it: it is still here.
   */
  async replay(id: number): Promise<void> {
    const letter = await this.get(id);
    const fields = headers();
    if (letter.contentType !== '') fields.set(HEADER.contentType, letter.contentType);
    const signal = parseTelemetrySubject(letter.subject)?.signal;
    if (signal !== undefined && signal !== 'faro') fields.set(HEADER.signal, otelSignal(signal));
    const { created } = await this.#manager.streams.info(DEAD_LETTER_STREAM);
    try {
      await jetstream(this.#connection, { timeout: REPLAY_TIMEOUT_MS }).publish(letter.subject, letter.payload, {
        headers: fields,
        msgID: `dead-letter-${Date.parse(created).toString(36)}-${id}`,
        expect: { streamName: TELEMETRY_STREAM },
      });
    } catch (error) {
      throw new WeirError(
        'DEAD_LETTER_REPLAY',
        `JetStream did not take the dead letter ${id} back into ${TELEMETRY_STREAM}; it is kept.`,
        { cause: error, retryable: true },
      );
    }
    await this.drop(id);
  }

  /** Removes a letter for good; false when it is gone already. */
  async drop(id: number): Promise<boolean> {
    try {
      return await this.#manager.streams.deleteMessage(DEAD_LETTER_STREAM, id, false);
    } catch (error) {
      if (error instanceof JetStreamApiError && isMissing(error)) return false;
      throw error;
    }
  }

  async #find(id: number): Promise<StoredMsg | undefined> {
    try {
      return (await this.#manager.streams.getMessage(DEAD_LETTER_STREAM, { seq: id })) ?? undefined;
    } catch (error) {
      if (error instanceof JetStreamApiError && isMissing(error)) return undefined;
      throw error;
    }
  }

  async #count(): Promise<number> {
    try {
      return (await this.#manager.streams.info(DEAD_LETTER_STREAM)).state.messages;
    } catch (error) {
      if (error instanceof JetStreamApiError && isMissing(error)) return 0;
      throw error;
    }
  }
}

/** Deleting what is gone answers with its own code, by status it is "not found" as well. */
function isMissing(error: JetStreamApiError): boolean {
  return error.code === NO_MESSAGE || error.code === STREAM_NOT_FOUND || error.code === NO_SUCH_SEQUENCE;
}

const NO_SUCH_SEQUENCE = 10_043;

function matches({ code, node }: Letter, filter: LetterFilter): boolean {
  return (filter.code === undefined || filter.code === code) && (filter.node === undefined || filter.node === node);
}

function letterOf(id: number, deadSubject: string, time: Date, fields: MsgHdrs | undefined, sizeBytes: number): Letter {
  const subject = `${TELEMETRY_SUBJECT_PREFIX}${deadSubject.slice(DEAD_LETTER_SUBJECT_PREFIX.length)}`;
  const parsed = parseTelemetrySubject(subject);
  return {
    id,
    time: time.toISOString(),
    node: parsed?.node ?? '',
    signal: parsed?.signal ?? '',
    code: fields?.get(HEADER.reasonCode) ?? '',
    reason: fields?.get(HEADER.reason) ?? '',
    sizeBytes,
    subject,
  };
}
