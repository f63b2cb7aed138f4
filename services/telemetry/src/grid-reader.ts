/**
 * The metric reader: on each line of the UTC grid it asks every source once, collects and exports, and stamps all data
 * points with the grid line, so that samples of all machines line up and 17,280 a day are due at 5 s. How late a sample
 * really was shows in `nodejs.eventloop.delay`. Before it: the sources; after it: the exporter.
 *
 * Sources add increases to synchronous instruments instead of answering observable callbacks: the SDK remembers every
 * attribute set an observable ever reported, so streams that come and go would use up its limit and leak, and the first
 * figure of an observable counter is its absolute value (bytes since boot!).
 */
import type { HrTime } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import {
  AggregationTemporality,
  MetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Logger } from '@weir/contracts/logger';
import type { SampleMoment } from './measurement.ts';
import { startUtcGrid, type UtcGrid } from './utc-grid.ts';

/** What a {@link GridReader} needs. */
export interface GridReaderOptions {
  intervalMs: number;
  exporter: PushMetricExporter;
  /** Feeds the instruments with the figures of this moment; `skipped` samples were due since the one before and not taken. */
  feed: (moment: SampleMoment, skipped: number) => Promise<void>;
  logger: Logger;
}

/** Samples on the grid once {@link start} was called, and whenever {@link sampleNow} is. */
export class GridReader extends MetricReader {
  readonly #options: GridReaderOptions;
  #grid: UtcGrid | undefined;
  #running: Promise<void> | undefined;
  #lastStampMs = Date.now();
  #lastSampleAt = performance.now();
  #skipped = 0;

  constructor(options: GridReaderOptions) {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA });
    this.#options = options;
  }

  /** False when the SDK did not take this reader (it is disabled by the environment). */
  isBound = false;

  protected override onInitialized(): void {
    this.isBound = true;
  }

  /** Starts the grid. */
  start(): void {
    this.#grid ??= startUtcGrid(this.#options.intervalMs, (tickMs, missed) => {
      this.#skipped += missed;
      if (!this.#running) {
        void this.#run(tickMs);
        return;
      }
      // a sample that takes longer than the interval: this one is skipped, its increases are in the next
      this.#skipped++;
      this.#options.logger.warn({ tickMs }, 'a sample is skipped, the one before still runs');
    });
  }

  /** Takes a sample of this very moment, off the grid, after the one that may be under way. */
  async sampleNow(): Promise<void> {
    while (this.#running) await this.#running;
    await this.#run(Date.now());
  }

  protected override async onForceFlush(): Promise<void> {
    await this.sampleNow();
  }

  /** Ends the grid; the last sample is the caller's to take before. */
  protected override async onShutdown(): Promise<void> {
    this.#grid?.stop();
    await this.#running;
    await this.#options.exporter.shutdown();
  }

  #run(stampMs: number): Promise<void> {
    const running = this.#sample(stampMs)
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'a sample failed'))
      .finally(() => {
        this.#running = undefined;
      });
    this.#running = running;
    return running;
  }

  async #sample(stampMs: number): Promise<void> {
    const now = performance.now();
    const moment = { stampMs, elapsedMs: now - this.#lastSampleAt };
    this.#lastSampleAt = now;
    const skipped = this.#skipped;
    this.#skipped = 0;
    await this.#options.feed(moment, skipped);
    const { resourceMetrics, errors } = await this.collect();
    if (errors.length > 0) this.#options.logger.warn({ err: errors[0], errors: errors.length }, 'some metrics failed');
    stamp(resourceMetrics, this.#lastStampMs, stampMs);
    this.#lastStampMs = stampMs;
    const result = await new Promise<ExportResult>((resolve) =>
      this.#options.exporter.export(resourceMetrics, resolve),
    );
    if (result.code !== ExportResultCode.SUCCESS) throw result.error ?? new Error('the export failed');
  }
}

/** Sets the time of all data points, which the SDK made for this collection only. */
function stamp(metrics: ResourceMetrics, fromMs: number, toMs: number): void {
  const times = { startTime: toHrTime(Math.min(fromMs, toMs)), endTime: toHrTime(toMs) };
  for (const scope of metrics.scopeMetrics) {
    for (const metric of scope.metrics) {
      for (const point of metric.dataPoints) Object.assign(point, times);
    }
  }
}

/** Unix time as seconds and nanoseconds. */
export function toHrTime(unixMs: number): HrTime {
  const seconds = Math.floor(unixMs / 1_000);
  return [seconds, Math.round((unixMs - seconds * 1_000) * 1e6)];
}
