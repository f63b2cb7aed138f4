/** What telemetry says of itself: how much waits, and what it had to drop. */
import type { MetricSource } from './measurement.ts';
import type { DropReason, Outbox } from './outbox.ts';

const REASONS: readonly DropReason[] = ['size', 'age', 'disk', 'refused'];

/**
 * The outbox and the event queue as a source.
 * @param eventsDropped events dropped since start.
 */
export function outboxMetrics(outbox: Outbox, eventsDropped: () => number): MetricSource {
  let dropped = { size: 0, age: 0, disk: 0, refused: 0 };
  let events = 0;
  return {
    sample(measure) {
      measure('weir.outbox.messages', outbox.messages);
      measure('weir.outbox.size', outbox.bytes);
      const now = { ...outbox.dropped };
      for (const reason of REASONS) measure('weir.outbox.dropped', now[reason] - dropped[reason], { reason });
      dropped = now;
      const eventsNow = eventsDropped();
      measure('weir.events.dropped', eventsNow - events);
      events = eventsNow;
    },
  };
}
