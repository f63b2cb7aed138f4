/**
 * The metric catalogue: every metric Weir itself reports, with its OpenTelemetry instrument, unit (UCUM) and attributes.
 * The edge creates its instruments from it, ingest decides by it whose figure a metric is, dashboards and docs take names
 * from it. Host and process names are OpenTelemetry's (semantic conventions 1.44); `live.*` is Weir's proposal for live media.
 */

import { HOST_METRICS } from './host-metrics.ts';
import { INGEST_METRICS } from './ingest-metrics.ts';
import { LIVE_METRICS } from './live-metrics.ts';
import { SITE_METRICS } from './site-metrics.ts';

export type InstrumentKind = 'counter' | 'up-down-counter' | 'gauge' | 'histogram';

/**
 * Whose figure it is. `machine`: reported once per machine by its elected reporter, stored with an empty `node`;
 * `node`: one node's media; `process`: one process of a node (a worker has its number in the attribute `weir.worker`).
 */
export type MetricScope = 'machine' | 'node' | 'process';

export interface MetricDefinition {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** UCUM. */
  readonly unit: string;
  readonly scope: MetricScope;
  readonly attributes: readonly string[];
  readonly description: string;
  /**
   * Smallest step that means anything, a power of ten in {@link unit}: figures are told in multiples of it. Digits beyond
   * are noise (a share of some hundred clock ticks has no 17 digits) and cost six bytes a sample on disk.
   */
  readonly resolution?: number;
}

function define<const T extends Record<string, Omit<MetricDefinition, 'name'>>>(
  definitions: T,
): { readonly [K in keyof T]: MetricDefinition } {
  const entries = Object.entries(definitions).map(([name, definition]) => [name, { name, ...definition }]);
  return Object.freeze(Object.fromEntries(entries));
}

/** All metrics by name. Counters travel as deltas, gauges as they are. */
export const METRICS = define({
  ...HOST_METRICS,
  ...LIVE_METRICS,
  'weir.samples.skipped': {
    kind: 'counter',
    unit: '{sample}',
    scope: 'process',
    attributes: [],
    description:
      'Samples that were due and not taken, because the process or its machine was too busy; increases of that time are in the next sample',
  },
  'weir.outbox.messages': {
    kind: 'gauge',
    unit: '{message}',
    scope: 'process',
    attributes: [],
    description: 'Telemetry messages waiting in the outbox',
  },
  'weir.outbox.size': {
    kind: 'gauge',
    unit: 'By',
    scope: 'process',
    attributes: [],
    description: 'Bytes waiting in the outbox',
  },
  'weir.outbox.dropped': {
    kind: 'counter',
    unit: '{message}',
    scope: 'process',
    attributes: ['reason'],
    description:
      'Telemetry messages the outbox had to drop, by reason: size, age, disk (could not be written), refused (too large for NATS)',
  },
  'weir.events.dropped': {
    kind: 'counter',
    unit: '{event}',
    scope: 'process',
    attributes: [],
    description: 'Connection and fail-over events that came faster than they could be written to the outbox',
  },
  ...INGEST_METRICS,
  ...SITE_METRICS,
});

export type MetricName = keyof typeof METRICS;

/** Scope of any metric, also of one that is not ours: `system.*` and `hw.*` describe the machine, all else the node. */
export function metricScope(name: string): MetricScope {
  const known = (METRICS as Record<string, MetricDefinition>)[name];
  if (known) return known.scope;
  return name.startsWith('system.') || name.startsWith('hw.') ? 'machine' : 'node';
}
