/**
 * Events (OTLP log records) on their way into the SDK. Before it: whoever saw something happen, who is answered at once;
 * after it: the SDK's batch processor and the outbox. Until the SDK is loaded events wait in memory. More than
 * {@link EVENT_QUEUE_MAX} on their way are dropped and counted.
 */
import type { Attributes, Logger as EventLogger } from '@opentelemetry/api';
import type { Logger } from '@weir/contracts/logger';
import type { MetricName } from '@weir/contracts/metrics';
import type { Measure, SeriesAttributes } from './measurement.ts';

/** Events on their way at most: two full nodes whose connections all end at once. */
export const EVENT_QUEUE_MAX = 32_768;

/** One thing that happened. */
export interface TelemetryEvent {
  name: string;
  /** Unix time, ms, of the moment it tells of. */
  timeMs: number;
  attributes: Attributes;
  /** For people. */
  body?: string;
  /** An observation that goes with it. */
  observed?: { metric: MetricName; value: number; attributes: SeriesAttributes };
}

/** Takes events and feeds them into the SDK. */
export interface EventQueue {
  /** Records what `toEvent` makes of something that happened; never throws and never waits. */
  record(toEvent: () => TelemetryEvent): void;
  /** Events dropped since start. */
  readonly dropped: number;
  /** Hands over what waits and all that comes. */
  attach(logger: EventLogger, measure: Measure): void;
  /** Tells that the outbox has taken `count` records. */
  written(count: number): void;
}

export function createEventQueue(logger: Logger): EventQueue {
  const waiting: TelemetryEvent[] = [];
  let sink: { logger: EventLogger; measure: Measure } | undefined;
  let onTheirWay = 0;
  let dropped = 0;
  const emit = ({ name, timeMs, attributes, body, observed }: TelemetryEvent) => {
    const seconds = Math.floor(timeMs / 1_000);
    const timestamp: [number, number] = [seconds, Math.round((timeMs - seconds * 1_000) * 1e6)];
    sink?.logger.emit({ eventName: name, timestamp, attributes, ...(body === undefined ? {} : { body }) });
    if (observed) sink?.measure(observed.metric, observed.value, observed.attributes);
  };
  return {
    record(toEvent) {
      if (onTheirWay >= EVENT_QUEUE_MAX) {
        dropped++;
        return;
      }
      onTheirWay++;
      try {
        const event = toEvent();
        if (sink) emit(event);
        else waiting.push(event);
      } catch (error) {
        onTheirWay--;
        dropped++;
        logger.error({ err: error }, 'an event could not be recorded');
      }
    },
    get dropped() {
      return dropped;
    },
    attach(eventLogger, measure) {
      sink = { logger: eventLogger, measure };
      for (const event of waiting.splice(0)) emit(event);
    },
    written(count) {
      onTheirWay -= count;
    },
  };
}
