/**
 * Messages that were written before, read once more from the telemetry stream: what a new owner of a partition needs to
 * know what the last one knew (decode/cumulative.ts). Before it: the stream, which keeps what was read; after it: the state.
 */
import { DeliverPolicy, JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { TELEMETRY_STREAM, TELEMETRY_SUBJECT_PREFIX } from '@weir/contracts/nats/names';
import type { TelemetryMessage } from '../decode/batch.ts';
import { toMessage } from './partition-reader.ts';

const PULL = 256;
const PULL_EXPIRES_MS = 10_000;

/** What {@link readHistory} needs. */
export interface HistoryOptions {
  client: JetStreamClient;
  manager: JetStreamManager;
  partition: number;
  /** Last message of the partition that is written. */
  until: number;
  /** How long before that one to begin. */
  spanMs: number;
}

/**
 * Metrics of OTLP senders in the partition that JetStream stored in the `spanMs` up to the message `until`, in order.
 * What the stream has dropped is not among them.
 */
export async function* readHistory(options: HistoryOptions): AsyncGenerator<TelemetryMessage> {
  const { client, manager, partition, until, spanMs } = options;
  const last = await storedAt(manager, until);
  // gone from the stream, and so is all before it
  if (last === undefined) return;
  const consumer = await client.consumers.get(TELEMETRY_STREAM, {
    // as text: a list needs NATS 2.10
    filter_subjects: `${TELEMETRY_SUBJECT_PREFIX}.${partition}.otlp-metrics.>`,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(last - spanMs).toISOString(),
  });
  for (let pending = (await consumer.info()).num_pending; pending > 0; ) {
    let received = 0;
    const pull = await consumer.fetch({ max_messages: Math.min(PULL, pending), expires: PULL_EXPIRES_MS });
    for await (const raw of pull) {
      received++;
      if (raw.info.streamSequence > until) return;
      yield toMessage(raw);
    }
    // expired meanwhile
    if (received === 0) return;
    pending -= received;
  }
}

async function storedAt(manager: JetStreamManager, sequence: number): Promise<number | undefined> {
  try {
    return (await manager.streams.getMessage(TELEMETRY_STREAM, { seq: sequence }))?.time.getTime();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
}

const NO_MESSAGE_FOUND = 10_037;
