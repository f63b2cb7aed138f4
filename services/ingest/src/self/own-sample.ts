/**
 * Reads ingest's own instruments as a node's are read: increases since the last sample, stamped with a line of the UTC
 * grid, as OTLP protobuf under a resource that is no media node and no machine. Before it: ingest-metrics.ts; after it:
 * self-telemetry.ts, which sends the sample.
 */
import { hostname } from 'node:os';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, MetricReader } from '@opentelemetry/sdk-metrics';
import type { Config } from '@weir/contracts/config/schema';
import { INGEST_ROLE, RESOURCE } from '@weir/contracts/resource';
import manifest from '../../package.json' with { type: 'json' };

/** `service.name` of ingest. */
const SERVICE_NAME = 'weir-ingest';
const MS_PER_SECOND = 1_000;
const NANOS_PER_MS = 1_000_000;

/** Who a copy of ingest is. It has no `host.id`: where it runs is no machine of the cluster because of that. */
export function ownResource(config: Pick<Config, 'cluster' | 'site'>, node: string): Resource {
  return resourceFromAttributes({
    [RESOURCE.serviceName]: SERVICE_NAME,
    [RESOURCE.serviceVersion]: manifest.version,
    [RESOURCE.cluster]: config.cluster,
    [RESOURCE.site]: config.site,
    [RESOURCE.node]: node,
    [RESOURCE.role]: INGEST_ROLE,
    [RESOURCE.hostName]: hostname(),
    [RESOURCE.processId]: process.pid,
  });
}

/** The reader; counters and histograms come as increases since it was read last. */
export class OwnSample extends MetricReader {
  #lastStampMs = Date.now();

  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA });
  }

  /** OTLP protobuf (ExportMetricsServiceRequest) of what was counted since the last call, as of `stampMs` (Unix time). */
  async take(stampMs: number): Promise<Uint8Array | undefined> {
    const { resourceMetrics } = await this.collect();
    const times = { startTime: hrTime(Math.min(this.#lastStampMs, stampMs)), endTime: hrTime(stampMs) };
    this.#lastStampMs = stampMs;
    // the points were made for this collection only
    for (const { metrics } of resourceMetrics.scopeMetrics)
      for (const { dataPoints } of metrics) for (const point of dataPoints) Object.assign(point, times);
    return ProtobufMetricsSerializer.serializeRequest(resourceMetrics);
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

function hrTime(unixMs: number): [seconds: number, nanos: number] {
  const seconds = Math.floor(unixMs / MS_PER_SECOND);
  return [seconds, (unixMs - seconds * MS_PER_SECOND) * NANOS_PER_MS];
}
