/**
 * The OpenTelemetry SDK, wired to the outbox. Loaded lazily: `@opentelemetry/sdk-node` brings every exporter there is
 * and takes 0.15-0.35 s to load, which a node spends after its listeners are open. Before it: the sources; after: the outbox.
 */
import { context, logs, metrics, propagation, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { EVENT_QUEUE_MAX, type EventQueue } from './event-queue.ts';
import { GridReader } from './grid-reader.ts';
import { createInstruments, VIEWS } from './instruments.ts';
import type { MetricSource } from './measurement.ts';
import { outboxExporters } from './otlp-export.ts';
import type { Outbox } from './outbox.ts';
import type { ResourceAttributes } from './resource.ts';

/** What the SDK is wired to. */
export interface SdkOptions {
  resource: ResourceAttributes;
  intervalMs: number;
  /** Payload of one message at most. */
  maxPayloadBytes: number;
  sources: readonly MetricSource[];
  events: EventQueue;
  outbox: Outbox;
  logger: Logger;
}

/** The running SDK. */
export interface Sdk {
  /** Takes a sample now and writes all events; both are in the outbox afterwards. */
  flush(): Promise<void>;
  /** Flushes, then ends the SDK; nothing is recorded afterwards. */
  close(): Promise<void>;
}

const INSTRUMENTATION_SCOPE = '@weir/telemetry';
const EVENT_BATCH_SIZE = 512;
const EVENT_DELAY_MS = 1_000;

/**
 * Starts the SDK; the first sample is taken on the next line of the grid.
 * @throws WeirError `TELEMETRY_DISABLED` when `OTEL_SDK_DISABLED` is set, `TELEMETRY_TWICE` when this process has one.
 */
export function startSdk(options: SdkOptions): Sdk {
  const { events, logger } = options;
  const exporters = outboxExporters(options.outbox, options.maxPayloadBytes, (count) => events.written(count));
  const reader = new GridReader({
    intervalMs: options.intervalMs,
    exporter: exporters.metrics,
    logger,
    feed: async (moment, skipped) => {
      measure('weir.samples.skipped', skipped);
      for (const source of options.sources) {
        try {
          await source.sample(measure, moment);
        } catch (error) {
          // one source that fails must not cost the figures of the others
          logger.error({ err: error }, 'a source of metrics failed');
        }
      }
    },
  });
  const processor = new BatchLogRecordProcessor({
    exporter: exporters.logs,
    maxQueueSize: EVENT_QUEUE_MAX,
    maxExportBatchSize: EVENT_BATCH_SIZE,
    scheduledDelayMillis: EVENT_DELAY_MS,
  });
  const sdk = new NodeSDK({
    resource: resourceFromAttributes(options.resource),
    autoDetectResources: false,
    textMapPropagator: null,
    spanProcessors: [],
    metricReaders: [reader],
    views: [...VIEWS],
    logRecordProcessors: [processor],
  });
  const before = metrics.getMeterProvider();
  sdk.start();
  if (!reader.isBound) {
    throw new WeirError('TELEMETRY_DISABLED', 'Nothing is measured because OTEL_SDK_DISABLED is set; unset it.');
  }
  if (metrics.getMeterProvider() === before) {
    throw new WeirError('TELEMETRY_TWICE', 'This process measures already; run each node in a process of its own.');
  }
  const measure = createInstruments(metrics.getMeter(INSTRUMENTATION_SCOPE));
  events.attach(logs.getLogger(INSTRUMENTATION_SCOPE), measure);
  reader.start();

  const flush = async () => {
    await reader.sampleNow();
    await processor.forceFlush();
  };
  return {
    flush,
    async close() {
      await flush();
      await sdk.shutdown();
      disableGlobals();
    },
  };
}

/** What NodeSDK registered for the whole process, so that the next start in it is a new one. */
function disableGlobals(): void {
  for (const api of [metrics, logs, trace, context, propagation]) api.disable();
}
