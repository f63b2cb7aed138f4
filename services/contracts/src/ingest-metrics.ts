/**
 * The part of the catalogue that ingest reports of itself: on `/metrics` in Prometheus' format and, as a resource of its
 * own, through the very pipeline it writes. Before it: nothing; after it: metrics.ts, which holds all of the catalogue.
 * Attributes are few on purpose (partitions, tables, codes): a copy of ingest has some 60 series.
 */
import type { MetricDefinition } from './metrics.ts';

const own = (
  kind: MetricDefinition['kind'],
  unit: string,
  description: string,
  attributes: readonly string[] = [],
): Omit<MetricDefinition, 'name'> => ({ kind, unit, scope: 'process', attributes, description });

/** What every copy of ingest tells of itself. */
export const INGEST_METRICS = {
  'weir.ingest.lag': own(
    'gauge',
    '{message}',
    'Messages not yet written; 0 from copies that do not own the partition',
    ['partition'],
  ),
  'weir.ingest.owned': own('gauge', '{partition}', '1 from the copy that owns the partition, 0 from the others', [
    'partition',
  ]),
  'weir.ingest.delay': own('gauge', 's', 'Age of the newest message at the moment it was written'),
  'weir.ingest.messages': own('counter', '{message}', 'Messages taken from JetStream and dealt with'),
  'weir.ingest.received': own('counter', 'By', 'Payload bytes of those messages'),
  'weir.ingest.batches': own('counter', '{batch}', 'Batches written to ClickHouse'),
  'weir.ingest.rows': own('counter', '{row}', 'Rows written to ClickHouse', ['table']),
  'weir.ingest.insert.time': own(
    'counter',
    's',
    'Time spent in inserts; divided by the batches it is the mean insert time',
  ),
  'weir.ingest.insert.duration': own('histogram', 's', 'Time of successful inserts, all views included', ['table']),
  'weir.ingest.retries': own(
    'counter',
    '{insert}',
    'Inserts that failed and were tried again, by class and ClickHouse’s code (empty: no answer)',
    ['table', 'class', 'code'],
  ),
  'weir.ingest.dead_letters': own('counter', '{message}', 'Messages put aside because they could not be used', [
    'code',
  ]),
  'weir.ingest.repeats': own('counter', '{message}', 'Messages recognised as sent before and left out'),
  'weir.ingest.lost': own(
    'counter',
    '{message}',
    'Messages an outbox numbered that never came (dropped by its bounds)',
  ),
  'weir.ingest.expired': own('counter', '{message}', 'Messages JetStream dropped while they were being written'),
  'weir.ingest.skipped': own('counter', '{point}', 'Points and log records left out', ['reason']),
  'weir.ingest.broken_events': own('counter', '{event}', 'Events with broken fields, stored as plain logs'),
  'weir.ingest.session.failures': own(
    'counter',
    '{session}',
    'Sessions of a partition that ended and began anew at its record',
  ),
  'weir.ingest.series': own('gauge', '{series}', 'Series in this copy’s cache'),
  'weir.ingest.series.refused': own('counter', '{point}', 'Points of series beyond ingest.seriesPerNode', ['node']),
  'weir.ingest.faro.payloads': own(
    'counter',
    '{payload}',
    'Payloads of browsers by status of the answer; duplicates were accepted before',
    ['status', 'duplicate'],
  ),
  'weir.ingest.otlp.requests': own('counter', '{request}', 'Requests by OTLP', ['signal', 'status']),
  'weir.ingest.otlp.rejected': own(
    'counter',
    '{point}',
    'Points and records that OTLP senders were told are not taken',
    ['signal'],
  ),
  'weir.ingest.deadman.calls': own(
    'counter',
    '{call}',
    'Calls of the dead man’s switch: sent, failed (no good answer), withheld (nothing was written)',
    ['result'],
  ),
  'weir.ingest.self.dropped': own(
    'counter',
    '{message}',
    'Samples of ingest itself dropped because NATS was away for too long; their counters are lost',
  ),
  'weir.ingest.cpu.time': own('counter', 's', 'CPU time of this copy'),
  'weir.ingest.memory': own('gauge', 'By', 'Resident memory of this copy'),
} as const satisfies Record<`weir.ingest.${string}`, Omit<MetricDefinition, 'name'>>;

/** Name of one of {@link INGEST_METRICS}. */
export type IngestMetricName = keyof typeof INGEST_METRICS;
