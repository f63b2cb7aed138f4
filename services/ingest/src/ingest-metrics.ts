/**
 * What ingest tells about itself, as OpenTelemetry instruments out of the catalogue: shown in Prometheus' format on
 * `/metrics`, and read by whoever is handed in besides (self/). Updated per batch, never per sample.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { type IMetricReader, MeterProvider } from '@opentelemetry/sdk-metrics';
import { INGEST_METRICS, type IngestMetricName } from '@weir/contracts/ingest-metrics';
import type { TableName } from '@weir/contracts/tables';
import type { Batch, Fault, TablePayload } from './decode/batch.ts';
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
  readonly intent: { readonly messages: number };
  /** Payload bytes of them. */
  readonly bytes: number;
  /** When JetStream stored the last of them, Unix ms; 0 when none of a planned batch is there any more. */
  readonly newestStoredAtMs: number;
  readonly faults: readonly { fault: Fault }[];
  readonly repeats: number;
  readonly lost: number;
}

/** Who reads the instruments besides `/metrics`, and as whom they speak. */
export interface IngestMetricsOptions {
  readers?: readonly IMetricReader[];
  resource?: Resource;
}

const MICROS_PER_SECOND = 1_000_000;

/** Ingest's own instruments. */
export class IngestMetrics {
  readonly #exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  readonly #provider: MeterProvider;
  readonly #messages;
  readonly #bytes;
  readonly #batches;
  readonly #rows;
  readonly #repeats;
  readonly #lost;
  readonly #expired;
  readonly #deadLetters;
  readonly #skipped;
  readonly #brokenEvents;
  readonly #retries;
  readonly #sessions;
  readonly #faroPayloads;
  readonly #otlpRequests;
  readonly #otlpRejected;
  readonly #refused;
  readonly #deadManCalls;
  readonly #selfDropped;
  readonly #insertTime;
  readonly #insertDuration;
  readonly #delay;
  #batchesWritten = 0;

  constructor({ readers = [], resource }: IngestMetricsOptions = {}) {
    const all = [this.#exporter, ...readers];
    this.#provider = new MeterProvider({ readers: all, ...(resource === undefined ? {} : { resource }) });
    this.#messages = this.#counter('weir.ingest.messages');
    this.#bytes = this.#counter('weir.ingest.received');
    this.#batches = this.#counter('weir.ingest.batches');
    this.#rows = this.#counter('weir.ingest.rows');
    this.#repeats = this.#counter('weir.ingest.repeats');
    this.#lost = this.#counter('weir.ingest.lost');
    this.#expired = this.#counter('weir.ingest.expired');
    this.#deadLetters = this.#counter('weir.ingest.dead_letters');
    this.#skipped = this.#counter('weir.ingest.skipped');
    this.#brokenEvents = this.#counter('weir.ingest.broken_events');
    this.#retries = this.#counter('weir.ingest.retries');
    this.#sessions = this.#counter('weir.ingest.session.failures');
    this.#faroPayloads = this.#counter('weir.ingest.faro.payloads');
    this.#otlpRequests = this.#counter('weir.ingest.otlp.requests');
    this.#otlpRejected = this.#counter('weir.ingest.otlp.rejected');
    this.#refused = this.#counter('weir.ingest.series.refused');
    this.#deadManCalls = this.#counter('weir.ingest.deadman.calls');
    this.#selfDropped = this.#counter('weir.ingest.self.dropped');
    this.#insertTime = this.#counter('weir.ingest.insert.time');
    const { unit, description } = INGEST_METRICS['weir.ingest.insert.duration'];
    this.#insertDuration = this.#meter().createHistogram('weir.ingest.insert.duration', {
      unit,
      description,
      advice: { explicitBucketBoundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
    });
    this.#delay = this.#meter().createGauge('weir.ingest.delay', INGEST_METRICS['weir.ingest.delay']);
  }

  /** Batches this copy has written since it started. */
  get batchesWritten(): number {
    return this.#batchesWritten;
  }

  /** Begins to show `gauges` and what the process costs. */
  observe(gauges: IngestGauges): void {
    // the exporter goes on showing what was once observed: so a partition that was handed over is shown with 0
    const lag = this.#observable('weir.ingest.lag');
    const owned = this.#observable('weir.ingest.owned');
    this.#meter().addBatchObservableCallback(
      (result) => {
        for (const { partition, isOwned, lag: messages } of gauges.partitions()) {
          result.observe(lag, messages, { partition });
          result.observe(owned, isOwned ? 1 : 0, { partition });
        }
      },
      [lag, owned],
    );
    this.#observable('weir.ingest.series').addCallback((result) => result.observe(gauges.cachedSeries()));
    this.#observable('weir.ingest.memory').addCallback((result) => result.observe(process.memoryUsage.rss()));
    this.#meter()
      .createObservableCounter('weir.ingest.cpu.time', INGEST_METRICS['weir.ingest.cpu.time'])
      .addCallback((result) => {
        const { user, system } = process.cpuUsage();
        result.observe((user + system) / MICROS_PER_SECOND);
      });
  }

  batchWritten(figures: BatchFigures, batch: Batch, tables: readonly TablePayload[]): void {
    this.#batchesWritten++;
    this.#batches.add(1);
    this.#messages.add(figures.intent.messages);
    this.#bytes.add(figures.bytes);
    this.#repeats.add(figures.repeats);
    this.#lost.add(figures.lost);
    for (const { table, rows } of tables) this.#rows.add(rows, { table });
    // a zero is told too: whoever asks sees that there were none, not that nobody counted
    for (const counter of [this.#deadLetters, this.#retries]) counter.add(0);
    for (const { fault } of figures.faults) this.#deadLetters.add(1, { code: fault.code });
    for (const [reason, count] of batch.counts.skipped) this.#skipped.add(count, { reason });
    this.#brokenEvents.add(batch.counts.brokenEvents);
    if (figures.newestStoredAtMs > 0) this.#delay.record(Math.max(0, Date.now() - figures.newestStoredAtMs) / 1_000);
  }

  inserted(table: TableName, seconds: number): void {
    this.#insertTime.add(seconds);
    this.#insertDuration.record(seconds, { table });
  }

  /** @param code ClickHouse's, empty when it did not answer. */
  insertFailed(table: TableName, errorClass: InsertErrorClass, code: string): void {
    this.#retries.add(1, { table, class: errorClass, code });
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

  /** The dead man's switch called, tried to, or had no reason to. */
  deadManCalled(result: 'sent' | 'failed' | 'withheld'): void {
    this.#deadManCalls.add(1, { result });
  }

  /** Samples of ingest itself were given up. */
  selfDropped(messages: number): void {
    this.#selfDropped.add(messages);
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

  #meter() {
    return this.#provider.getMeter('weir.ingest');
  }

  #counter(name: IngestMetricName) {
    return this.#meter().createCounter(name, INGEST_METRICS[name]);
  }

  #observable(name: IngestMetricName) {
    return this.#meter().createObservableGauge(name, INGEST_METRICS[name]);
  }
}
