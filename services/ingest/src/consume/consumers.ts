/**
 * The pull consumers of the telemetry stream. `weir-ingest-<partition>` is durable and made anew by each owner of the
 * partition at the place where the written data end: nothing then depends on which messages a former owner was handed. Its
 * pending and unacknowledged messages are the lag that autoscalers read. A second consumer reads the newest messages while
 * that one works off a backlog. Before it: JetStream; after it: partition-reader.ts.
 */
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { ingestAheadConsumer, ingestConsumer, partitionSubject, TELEMETRY_STREAM } from '@weir/contracts/nats/names';

/** Redelivery only makes the consumer's figures look worse: an owner that failed opens the partition anew. */
const ACK_WAIT_NANOS = 3_600_000 * 1_000_000;
/** JetStream removes the second consumer of an owner that died after so long. */
const AHEAD_UNUSED_NANOS = 600_000 * 1_000_000;

/**
 * Makes the consumer of a partition anew, from a stream sequence or a time on; `isAhead`: the second one.
 * @throws JetStreamApiError and others when JetStream does not answer.
 */
export async function makeConsumer(
  manager: JetStreamManager,
  partition: number,
  from: number | Date,
  isAhead: boolean,
): Promise<ConsumerInfo> {
  const config = isAhead ? aheadConfig(partition) : consumerConfig(partition);
  await removeConsumer(manager, config.durable_name);
  return manager.consumers.add(TELEMETRY_STREAM, {
    ...config,
    ...(typeof from === 'number'
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }
      : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() }),
  });
}

/** Makes the consumers of all partitions that have none, so that autoscalers see a lag before any copy ran. */
export async function ensureConsumers(manager: JetStreamManager, partitions: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    try {
      await manager.consumers.info(TELEMETRY_STREAM, ingestConsumer(partition));
    } catch (error) {
      if (!isConsumerMissing(error)) throw error;
      await manager.consumers.add(TELEMETRY_STREAM, {
        ...consumerConfig(partition),
        deliver_policy: DeliverPolicy.All,
      });
    }
  }
}

function consumerConfig(partition: number) {
  return {
    durable_name: ingestConsumer(partition),
    description: `Ingest, partition ${partition}: what is not yet in ClickHouse`,
    filter_subject: partitionSubject(partition),
    ack_policy: AckPolicy.All,
    ack_wait: ACK_WAIT_NANOS,
    max_ack_pending: -1,
  };
}

function aheadConfig(partition: number) {
  return {
    durable_name: ingestAheadConsumer(partition),
    description: `Ingest, partition ${partition}: the newest, while a backlog is written`,
    filter_subject: partitionSubject(partition),
    ack_policy: AckPolicy.None,
    inactive_threshold: AHEAD_UNUSED_NANOS,
  };
}

/** Removes a consumer; nothing when there is none. */
export async function removeConsumer(manager: JetStreamManager, name: string): Promise<void> {
  try {
    await manager.consumers.delete(TELEMETRY_STREAM, name);
  } catch (error) {
    if (!isConsumerMissing(error)) throw error;
  }
}

function isConsumerMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound;
}
