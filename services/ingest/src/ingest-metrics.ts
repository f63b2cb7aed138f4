/**
 * What ingest tells about itself, as OpenTelemetry instruments shown in Prometheus' text format on `/metrics`.
 * Updated per batch, never per sample.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { DEAD_LETTER_SUBJECT_PREFIX } from '@weir/contracts/nats/names';
import type { TableName } from '@weir/contracts/tables';
import type { Batch, Fault, TablePayload, TelemetryMessage } from './decode/batch.ts';
import type { InsertErrorClass } from './write/insert-error.ts';

/** Figures that are looked up when somebody asks. */
export interface IngestGauges {
  /** Every partition: whether this copy owns it, and then how many of its messages wait. */
  partitions(): Iterable<{ readonly partition: number; readonly isOwned: boolean; readonly lag: number }>;
  /** Series in the cache. */
  cachedSeries(): number;
}

/** What a batch was made of. */
export interface BatchFigures {
  readonly messages: readonly TelemetryMessage[];
  readonly faults: readonly { fault: Fault }[];
  readonly repeats: number;
  readonly lost: number;
}

/** Ingest's own instruments. */
export class IngestMetrics {
  readonly #exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  readonly #provider = new MeterProvider({ readers: [this.#exporter] });
  readonly #meter = this.#provider.getMeter('weir.ingest');
  readonly #messages = this.#counter('messages', '{message}', 'Messages taken from JetStream and dealt with');
  readonly #bytes = this.#counter('received', 'By', 'Payload bytes of those messages');
  readonly #batches = this.#counter('batches', '{batch}', 'Batches written');
  readonly #rows = this.#counter('rows', '{row}', 'Rows written, by table');
  readonly #repeats = this.#counter('repeats', '{message}', 'Messages recognised as sent before and left out');
  readonly #lost = this.#counter(
    'lost',
    '{message}',
    'Messages an outbox numbered that never came (dropped by its bounds)',
  );
  readonly #expired = this.#counter('expired', '{message}', 'Messages JetStream dropped while they were being written');
  readonly #deadLetters = this.#counter(
    'dead_letters',
    '{message}',
    `Messages put aside on ${DEAD_LETTER_SUBJECT_PREFIX}.>, by code`,
  );
  readonly #skipped = this.#counter('skipped', '{point}', 'Points and log records left out, by reason');
  readonly #brokenEvents = this.#counter('broken_events', '{event}', 'Events with broken fields, stored as plain logs');
  readonly #failures = this.#counter(
    'insert.failures',
    '{insert}',
    'Inserts that failed and were tried again, by class and ClickHouse code',
  );
  readonly #sessions = this.#counter(
    'session.failures',
    '{session}',
    'Sessions of a partition that ended and began anew at its record',
  );
  readonly #faroPayloads = this.#counter(
    'faro.payloads',
    '{payload}',
    'Payloads of browsers, by status of the answer; duplicates were accepted before',
  );
  readonly #otlpRequests = this.#counter('otlp.requests', '{request}', 'Requests by OTLP, by signal and status');
  readonly #otlpRejected = this.#counter(
    'otlp.rejected',
    '{point}',
    'Points and records that OTLP senders were told are not taken',
  );
  readonly #refused = this.#counter(
    'series.refused',
    '{point}',
    'Points of series beyond ingest.seriesPerNode, by node',
  );
  readonly #seconds = this.#meter.createHistogram('weir.ingest.insert.duration', {
    unit: 's',
    description: 'Time of successful inserts, all views included, by table',
    advice: { explicitBucketBoundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });

  /** Begins to show `gauges`. */
  observe(gauges: IngestGauges): void {
    // the exporter goes on showing what was once observed: so a partition that was handed over is shown with 0
    const lag = this.#meter.createObservableGauge('weir.ingest.lag', {
      unit: '{message}',
      description: 'Messages not yet written, by partition; 0 from copies that do not own it',
    });
    const owned = this.#meter.createObservableGauge('weir.ingest.owned', {
      unit: '{partition}',
      description: '1 from the copy that owns the partition, 0 from the others',
    });
    this.#meter.addBatchObservableCallback(
      (result) => {
        for (const { partition, isOwned, lag: messages } of gauges.partitions()) {
          result.observe(lag, messages, { partition });
          result.observe(owned, isOwned ? 1 : 0, { partition });
        }
      },
      [lag, owned],
    );
    this.#meter
      .createObservableGauge('weir.ingest.series', { unit: '{series}', description: 'Series in this copy’s cache' })
      .addCallback((result) => result.observe(gauges.cachedSeries()));
  }

  batchWritten(figures: BatchFigures, batch: Batch, tables: readonly TablePayload[]): void {
    this.#batches.add(1);
    this.#messages.add(figures.messages.length);
    this.#bytes.add(figures.messages.reduce((sum, message) => sum + message.payload.length, 0));
    this.#repeats.add(figures.repeats);
    this.#lost.add(figures.lost);
    for (const { table, rows } of tables) this.#rows.add(rows, { table });
    for (const { fault } of figures.faults) this.#deadLetters.add(1, { code: fault.code });
    for (const [reason, count] of batch.counts.skipped) this.#skipped.add(count, { reason });
    this.#brokenEvents.add(batch.counts.brokenEvents);
  }

  inserted(table: TableName, seconds: number): void {
    this.#seconds.record(seconds, { table });
  }

  /** @param code ClickHouse's, empty when it did not answer. */
  insertFailed(table: TableName, errorClass: InsertErrorClass, code: string): void {
    this.#failures.add(1, { table, class: errorClass, code });
  }

  /** A browser's payload was answered. */
  faroAnswered(status: number, isDuplicate: boolean): void {
    this.#faroPayloads.add(1, { status, duplicate: isDuplicate });
  }

  /** A sender by OTLP was answered. */
  otlpAnswered(signal: string, status: number, rejected: number): void {
    this.#otlpRequests.add(1, { signal, status });
    if (rejected > 0) this.#otlpRejected.add(rejected, { signal });
  }

  /** Points of a node's further series were left out. */
  refusedSeries(node: string, points: number): void {
    this.#refused.add(points, { node });
  }

  expired(messages: number): void {
    this.#expired.add(messages);
  }

  sessionFailed(): void {
    this.#sessions.add(1);
  }

  /** Answers a request for `/metrics`. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.#exporter.getMetricsRequestHandler(request, response);
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
  }

  #counter(name: string, unit: string, description: string) {
    return this.#meter.createCounter(`weir.ingest.${name}`, { unit, description });
  }
}
