/**
 * Reads back what nodes published to JetStream, decoded as plain objects; and media figures to feed telemetry with.
 * Before it: the telemetry stream of a test's nats-server; after it: assertions.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { HEADER, parseTelemetrySubject, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { type Attributes, readAttributes } from '@weir/contracts/otlp/attributes';
import { type LogRecord, walkLogs } from '@weir/contracts/otlp/logs';
import type { MetricHead, PointBase } from '@weir/contracts/otlp/metric-points';
import { attributesField, walkMetrics } from '@weir/contracts/otlp/metrics';
import { nanosToMillis, WireReader } from '@weir/contracts/otlp/wire';
import type { MediaSnapshot, StreamSnapshot } from '@weir/edge/stats';

/** One data point; of a histogram `value` is its sum. */
export interface Sample {
  metric: string;
  unit: string;
  kind: MetricHead['kind'];
  temporality: number;
  timeMs: number;
  value: number;
  attributes: Record<string, unknown>;
}

/** One message of the telemetry stream. */
export interface TelemetryMessage {
  node: string;
  signal: string;
  outbox: string;
  sequence: number;
  messageId: string;
  sizeBytes: number;
  resource: Record<string, unknown>;
  samples: Sample[];
  records: LogRecord[];
}

/** All messages of the stream in its order. */
export async function readTelemetry(connection: NatsConnection): Promise<TelemetryMessage[]> {
  const jsm = await jetstreamManager(connection);
  const { state } = await jsm.streams.info(TELEMETRY_STREAM);
  const messages: TelemetryMessage[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    const stored = await jsm.streams.getMessage(TELEMETRY_STREAM, { seq });
    if (!stored) continue;
    const subject = parseTelemetrySubject(stored.subject);
    if (!subject) throw new Error(`not a telemetry subject: ${stored.subject}`);
    messages.push({
      node: subject.node,
      signal: subject.signal,
      outbox: stored.header.get(HEADER.outbox),
      sequence: Number(stored.header.get(HEADER.sequence)),
      messageId: stored.header.get('Nats-Msg-Id'),
      sizeBytes: stored.data.length,
      ...(subject.signal === 'metrics' ? decodeMetrics(stored.data) : decodeLogs(stored.data)),
    });
  }
  return messages;
}

/** The messages as ingest counts them: of the same outbox and sequence only the first. */
export function withoutRepeats(messages: readonly TelemetryMessage[]): TelemetryMessage[] {
  const seen = new Set<string>();
  return messages.filter(({ outbox, sequence }) => {
    const key = `${outbox}:${sequence}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

/** Sum over all samples of `metric` whose attributes include `attributes`. */
export function total(
  messages: readonly TelemetryMessage[],
  metric: string,
  attributes: Record<string, unknown> = {},
): number {
  return samplesOf(messages, metric, attributes).reduce((sum, sample) => sum + sample.value, 0);
}

/** All samples of `metric` whose attributes include `attributes`. */
export function samplesOf(
  messages: readonly TelemetryMessage[],
  metric: string,
  attributes: Record<string, unknown> = {},
): Sample[] {
  return messages
    .flatMap((message) => message.samples)
    .filter((sample) => sample.metric === metric && includes(sample.attributes, attributes));
}

/** Media figures, all zero but `some`. */
export function mediaSnapshot(some: Partial<MediaSnapshot> = {}): MediaSnapshot {
  return {
    connections: [],
    closed: [],
    refused: [],
    connectionLimit: 8_000,
    io: [],
    apps: [],
    streams: [],
    framesDropped: 0,
    sendQueueBytes: 0,
    mergeWindowMs: 0,
    longestFlushMs: 0,
    relayPulls: [],
    relaySwitches: [],
    relayHops: 0,
    relayRefusals: [],
    weight: 100,
    externals: { links: [], failures: [], framesDropped: 0 },
    ...some,
  };
}

/** A stream's figures, all zero but `some`. */
export function streamSnapshot(name: string, some: Partial<StreamSnapshot> = {}): StreamSnapshot {
  const zero = { viewers: 0, bytesIn: 0, bytesOut: 0, videoFrames: 0, audioFrames: 0 };
  return { app: 'live', name, source: 'publisher', ...zero, ...some };
}

function includes(attributes: Record<string, unknown>, wanted: Record<string, unknown>): boolean {
  return Object.entries(wanted).every(([key, value]) => attributes[key] === value);
}

function decodeMetrics(data: Uint8Array): Pick<TelemetryMessage, 'resource' | 'samples' | 'records'> {
  let resource: Record<string, unknown> = {};
  let head: MetricHead | undefined;
  const samples: Sample[] = [];
  const add = (point: PointBase, value: number) => {
    if (!head) throw new Error('a point before its metric');
    const reader = new WireReader(point.source);
    reader.pos = point.start;
    const attributes = plain(readAttributes(reader, point.end, attributesField(head.kind)));
    const { name: metric, unit, kind, temporality } = head;
    samples.push({
      metric,
      unit,
      kind,
      temporality,
      timeMs: nanosToMillis(point.timeLow, point.timeHigh),
      value,
      attributes,
    });
  };
  walkMetrics(data, {
    resource(bytes) {
      resource = resourceOf(bytes);
      return true;
    },
    metric(found) {
      head = found;
      return true;
    },
    number: (point) => add(point, point.value),
    histogram: (point) => add(point, point.sum),
  });
  return { resource, samples, records: [] };
}

function decodeLogs(data: Uint8Array): Pick<TelemetryMessage, 'resource' | 'samples' | 'records'> {
  let resource: Record<string, unknown> = {};
  const records: LogRecord[] = [];
  walkLogs(data, {
    resource(bytes) {
      resource = resourceOf(bytes);
      return true;
    },
    record: (record) => records.push(record),
  });
  return { resource, samples: [], records };
}

function resourceOf(bytes: Uint8Array): Record<string, unknown> {
  const reader = new WireReader(bytes);
  return plain(readAttributes(reader, reader.length, 1));
}

function plain(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(attributes);
}
