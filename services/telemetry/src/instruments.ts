/** Creates the OpenTelemetry instruments of the catalogue. Before it: the sources; after it: the metric reader. */
import type { Attributes, Meter } from '@opentelemetry/api';
import type { ViewOptions } from '@opentelemetry/sdk-metrics';
import { METRICS, type MetricDefinition, type MetricName } from '@weir/contracts/metrics';
import type { Measure } from './measurement.ts';

/**
 * Series one per-stream instrument may have in one sample (two per stream for some), ten times a full node; what is
 * beyond is folded into one series marked `otel.metric.overflow`. The SDK's default is 2,000.
 */
const STREAM_SERIES_LIMIT = 100_000;

/** Upper edges of the fail-over histogram, seconds. */
const GAP_BOUNDARIES = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30];

/** Views that raise the series limit of instruments with one series per stream. */
export const VIEWS: readonly ViewOptions[] = [
  { instrumentName: 'live.app.*', aggregationCardinalityLimit: STREAM_SERIES_LIMIT },
  { instrumentName: 'live.stream.*', aggregationCardinalityLimit: STREAM_SERIES_LIMIT },
];

/** Creates all instruments of the catalogue on `meter`; returns how to feed them. */
export function createInstruments(meter: Meter): Measure {
  const feeds = new Map<MetricName, Feed>();
  for (const definition of Object.values(METRICS)) feeds.set(definition.name as MetricName, feed(meter, definition));
  return (name, value, attributes) => feeds.get(name)?.(value, attributes);
}

type Feed = (value: number, attributes: Attributes | undefined) => void;

function feed(meter: Meter, definition: MetricDefinition): Feed {
  const raw = rawFeed(meter, definition);
  const { kind, resolution } = definition;
  if (resolution === undefined) return raw;
  if (kind !== 'counter') return (value, attributes) => raw(inSteps(value, resolution), attributes);
  // what is left of an increase goes to the next one, so that sums stay true; such counters have few series
  const rest = new Map<string, number>();
  return (value, attributes) => {
    const series = JSON.stringify(attributes);
    const whole = value + (rest.get(series) ?? 0);
    const told = Math.max(0, inSteps(whole, resolution));
    rest.set(series, whole - told);
    raw(told, attributes);
  };
}

/** The nearest multiple of `step`, a power of ten, as the double that a decimal number of so many digits means. */
export function inSteps(value: number, step: number): number {
  return step < 1 ? Math.round(value * Math.round(1 / step)) / Math.round(1 / step) : Math.round(value / step) * step;
}

function rawFeed(meter: Meter, definition: MetricDefinition): Feed {
  const { name, unit, description } = definition;
  switch (definition.kind) {
    case 'counter': {
      const counter = meter.createCounter(name, { unit, description });
      return (value, attributes) => counter.add(value, attributes);
    }
    case 'up-down-counter': {
      const counter = meter.createUpDownCounter(name, { unit, description });
      return (value, attributes) => counter.add(value, attributes);
    }
    case 'gauge': {
      const gauge = meter.createGauge(name, { unit, description });
      return (value, attributes) => gauge.record(value, attributes);
    }
    case 'histogram': {
      const advice = { explicitBucketBoundaries: GAP_BOUNDARIES };
      const histogram = meter.createHistogram(name, { unit, description, advice });
      return (value, attributes) => histogram.record(value, attributes);
    }
  }
}
