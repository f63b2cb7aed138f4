/**
 * A node's telemetry without the node: real OTLP payloads from OpenTelemetry's own serializers, published to JetStream
 * as an outbox does it. Before it: a test's figures; after it: ingest.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { ProtobufLogsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  DataPointType,
  InstrumentType,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { HEADER, partitionOf, type Signal, telemetrySubject } from '@weir/contracts/nats/names';
import { RESOURCE } from '@weir/contracts/resource';

/** Who sends; the machine is named after the node unless it is given. */
export interface Sender {
  node: string;
  machineId?: string;
  cluster?: string;
  site?: string;
  /** Resource attributes besides. */
  resource?: Record<string, string | number | string[]>;
}

/** One point to be sent. */
export interface TestPoint {
  metric: string;
  /** counter: delta sum; cumulative: monotonic sum since the start; gauge as it is. */
  kind: 'counter' | 'gauge' | 'cumulative' | 'up-down-counter';
  value: number;
  timeMs: number;
  /** Since when it is counted; default: as `timeMs`. */
  startMs?: number;
  unit?: string;
  attributes?: Record<string, string | number | boolean>;
}

/** One histogram point (delta). */
export interface TestHistogram {
  metric: string;
  timeMs: number;
  bounds: number[];
  counts: number[];
  sum: number;
  min?: number;
  max?: number;
  attributes?: Record<string, string>;
}

/** One log record or event. */
export interface TestRecord {
  timeMs: number;
  eventName?: string;
  body?: string;
  severityNumber?: number;
  attributes?: Record<string, string | number | boolean>;
}

/** OTLP protobuf of an ExportMetricsServiceRequest. */
export function metricsPayload(
  sender: Sender,
  points: readonly TestPoint[],
  histograms: readonly TestHistogram[] = [],
): Uint8Array {
  const metrics: ResourceMetrics['scopeMetrics'][number]['metrics'] = [];
  const byMetric = Map.groupBy(points, ({ metric, kind }) => `${kind} ${metric}`);
  for (const group of byMetric.values()) {
    const [{ metric, kind, unit = '' }] = group as [TestPoint];
    const dataPoints = group.map(({ timeMs, startMs = timeMs, value, attributes = {} }) => ({
      startTime: hrTime(startMs),
      endTime: hrTime(timeMs),
      attributes,
      value,
    }));
    const descriptor = { name: metric, unit, description: '', valueType: 1 };
    if (kind === 'gauge') {
      metrics.push({
        descriptor: { ...descriptor, type: InstrumentType.GAUGE },
        aggregationTemporality: AggregationTemporality.DELTA,
        dataPointType: DataPointType.GAUGE,
        dataPoints,
      } as never);
    } else {
      metrics.push({
        descriptor: { ...descriptor, type: InstrumentType.COUNTER },
        aggregationTemporality: kind === 'counter' ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.SUM,
        isMonotonic: kind !== 'up-down-counter',
        dataPoints,
      } as never);
    }
  }
  for (const { metric, timeMs, bounds, counts, sum, min, max, attributes = {} } of histograms) {
    metrics.push({
      descriptor: { name: metric, unit: 's', description: '', valueType: 1, type: InstrumentType.HISTOGRAM },
      aggregationTemporality: AggregationTemporality.DELTA,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: [
        {
          startTime: hrTime(timeMs),
          endTime: hrTime(timeMs),
          attributes,
          value: { buckets: { boundaries: bounds, counts }, count: counts.reduce((a, b) => a + b, 0), sum, min, max },
        },
      ],
    } as never);
  }
  const resourceMetrics: ResourceMetrics = {
    resource: resourceOf(sender),
    scopeMetrics: [{ scope: { name: 'test' }, metrics }],
  };
  return ProtobufMetricsSerializer.serializeRequest(resourceMetrics) as Uint8Array;
}

/** OTLP protobuf of an ExportLogsServiceRequest. */
export function logsPayload(sender: Sender, records: readonly TestRecord[]): Uint8Array {
  const resource = resourceOf(sender);
  const readable = records.map(
    ({ timeMs, attributes = {}, ...record }) =>
      ({
        ...record,
        hrTime: hrTime(timeMs),
        hrTimeObserved: hrTime(timeMs),
        resource,
        instrumentationScope: { name: 'test' },
        attributes,
        droppedAttributesCount: 0,
      }) as ReadableLogRecord,
  );
  return ProtobufLogsSerializer.serializeRequest(readable) as Uint8Array;
}

/** How a message deviates from what an outbox sends next. */
export interface SendOptions {
  /** Sent under this sequence instead of the next one. */
  sequence?: number;
  /** On the subject of this node instead of the sender's. */
  subjectNode?: string;
  /** Without a message id JetStream can't recognise a repeat. */
  withoutMessageId?: boolean;
}

/** Publishes under a node's name with numbered messages, one acknowledged after the other. */
export class TestOutbox {
  readonly id = randomUUID();
  readonly sender: Sender;
  readonly #connection: () => NatsConnection;
  readonly #partitions: number;
  #sequence = 0;

  constructor(connection: NatsConnection | (() => NatsConnection), sender: Sender, partitions: number) {
    this.#connection = typeof connection === 'function' ? connection : () => connection;
    this.sender = sender;
    this.#partitions = partitions;
  }

  /** Highest sequence sent. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Numbers `messages` that are never sent, as an outbox does that dropped them at its bounds. */
  skip(messages: number): void {
    this.#sequence += messages;
  }

  /** Publishes and resolves with the stream sequence when JetStream has it; tries on while NATS is away. */
  async send(signal: Signal, payload: Uint8Array, options: SendOptions = {}): Promise<number> {
    const sequence = options.sequence ?? ++this.#sequence;
    const node = options.subjectNode ?? this.sender.node;
    const fields = headers();
    fields.set(HEADER.contentType, 'application/x-protobuf');
    fields.set(HEADER.outbox, this.id);
    fields.set(HEADER.sequence, String(sequence));
    const subject = telemetrySubject(partitionOf(this.sender.node, this.#partitions), signal, node);
    const msgID = options.withoutMessageId ? {} : { msgID: `${this.id}:${sequence}` };
    const giveUpAtMs = performance.now() + GIVE_UP_MS;
    for (;;) {
      try {
        const { seq } = await jetstream(this.#connection()).publish(subject, payload, {
          headers: fields,
          timeout: 2_000,
          ...msgID,
        });
        return seq;
      } catch (error) {
        if (performance.now() > giveUpAtMs) throw error;
        // while servers choose a leader they refuse at once
        await sleep(RETRY_MS);
      }
    }
  }
}

const GIVE_UP_MS = 40_000;
const RETRY_MS = 100;

function resourceOf(sender: Sender) {
  return resourceFromAttributes({
    [RESOURCE.cluster]: sender.cluster ?? 'test',
    [RESOURCE.site]: sender.site ?? 'lab',
    [RESOURCE.machineId]: sender.machineId ?? `machine-of-${sender.node}`,
    [RESOURCE.node]: sender.node,
    ...sender.resource,
  });
}

function hrTime(timeMs: number): [number, number] {
  return [Math.floor(timeMs / 1_000), (timeMs % 1_000) * 1_000_000];
}
