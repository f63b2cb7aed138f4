/**
 * OpenTelemetry exporters whose far end is the outbox: an export is done when its OTLP protobuf is on disk. Samples too
 * large for one NATS message become several. Before them: the metric reader and the log processor; after: the outbox.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { ProtobufLogsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import type { LogRecordExporter, ReadableLogRecord } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  type MetricData,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Signal } from '@weir/contracts/nats/names';
import type { Outbox } from './outbox.ts';

/** Data points serialised in one turn of the event loop; media goes on in between. */
const POINTS_PER_TURN = 2_000;

type Done = (result: ExportResult) => void;

/**
 * Exporters for both signals.
 * @param maxPayloadBytes payload of one message at most, unless a single record is larger.
 * @param onLogsWritten told how many log records left the SDK.
 */
export function outboxExporters(
  outbox: Outbox,
  maxPayloadBytes: number,
  onLogsWritten: (count: number) => void = () => {},
): { metrics: PushMetricExporter; logs: LogRecordExporter } {
  const put = (signal: Signal, payload: Uint8Array) => outbox.put(signal, payload);
  return {
    metrics: new MetricExporter(put, maxPayloadBytes),
    logs: new LogExporter(put, maxPayloadBytes, onLogsWritten),
  };
}

class MetricExporter implements PushMetricExporter {
  readonly #put: (signal: Signal, payload: Uint8Array) => void;
  readonly #maxPayloadBytes: number;
  #running: Promise<void> = Promise.resolve();

  constructor(put: (signal: Signal, payload: Uint8Array) => void, maxPayloadBytes: number) {
    this.#put = put;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  export(metrics: ResourceMetrics, done: Done): void {
    this.#running = this.#running
      .then(() => this.#export(metrics))
      .then(
        () => done({ code: ExportResultCode.SUCCESS }),
        (error: Error) => done({ code: ExportResultCode.FAILED, error }),
      );
  }

  async #export(metrics: ResourceMetrics): Promise<void> {
    let isFirst = true;
    for (const part of slices(metrics, POINTS_PER_TURN)) {
      if (!isFirst) await nextTurn();
      isFirst = false;
      this.#write(part);
    }
  }

  #write(metrics: ResourceMetrics): void {
    const payload = ProtobufMetricsSerializer.serializeRequest(metrics);
    if (!payload) return;
    const points = countPoints(metrics);
    if (payload.length <= this.#maxPayloadBytes || points === 1) this.#put('metrics', payload);
    else for (const half of slices(metrics, Math.ceil(points / 2))) this.#write(half);
  }

  selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.DELTA;
  }

  forceFlush(): Promise<void> {
    return this.#running;
  }

  shutdown(): Promise<void> {
    return this.#running;
  }
}

class LogExporter implements LogRecordExporter {
  readonly #put: (signal: Signal, payload: Uint8Array) => void;
  readonly #maxPayloadBytes: number;
  readonly #onWritten: (count: number) => void;

  constructor(
    put: (signal: Signal, payload: Uint8Array) => void,
    maxPayloadBytes: number,
    onWritten: (count: number) => void,
  ) {
    this.#put = put;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#onWritten = onWritten;
  }

  export(records: ReadableLogRecord[], done: Done): void {
    // the answer a turn later: the processor sends its next batch from there
    setImmediate(() => {
      try {
        this.#write(records);
        done({ code: ExportResultCode.SUCCESS });
      } catch (error) {
        done({ code: ExportResultCode.FAILED, error: error as Error });
      } finally {
        this.#onWritten(records.length);
      }
    });
  }

  #write(records: ReadableLogRecord[]): void {
    const payload = ProtobufLogsSerializer.serializeRequest(records);
    if (!payload) return;
    const half = Math.ceil(records.length / 2);
    if (payload.length <= this.#maxPayloadBytes || records.length === 1) this.#put('logs', payload);
    else for (const part of [records.slice(0, half), records.slice(half)]) this.#write(part);
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}

/** `metrics` in order, in parts of at most `maxPoints` data points, none of them empty. */
function* slices(metrics: ResourceMetrics, maxPoints: number): Generator<ResourceMetrics> {
  let scopes: ResourceMetrics['scopeMetrics'] = [];
  let room = maxPoints;
  for (const { scope, metrics: all } of metrics.scopeMetrics) {
    for (const metric of all) {
      for (let from = 0; from < metric.dataPoints.length; ) {
        const dataPoints = metric.dataPoints.slice(from, from + room);
        from += dataPoints.length;
        room -= dataPoints.length;
        if (scopes.at(-1)?.scope !== scope) scopes.push({ scope, metrics: [] });
        scopes.at(-1)?.metrics.push({ ...metric, dataPoints } as MetricData);
        if (room > 0) continue;
        yield { resource: metrics.resource, scopeMetrics: scopes };
        scopes = [];
        room = maxPoints;
      }
    }
  }
  if (scopes.length > 0) yield { resource: metrics.resource, scopeMetrics: scopes };
}

function countPoints(metrics: ResourceMetrics): number {
  return metrics.scopeMetrics
    .flatMap((scope) => scope.metrics)
    .reduce((sum, metric) => sum + metric.dataPoints.length, 0);
}
