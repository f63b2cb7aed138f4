/** Pipeline: can the figures be trusted? Freshness, lag, outboxes, dead letters, and what all of it costs on disk. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { linesSql } from '../build/lines-sql.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';
import { SILENCE_STEP } from '../cluster/health.ts';
import { SILENT } from './copies.ts';

const fresh = `SELECT max(stale_seconds) AS stale FROM ${VIEW.pipelineMinutes}(from = $__toTime - 60, to = $__toTime, step = ${SILENCE_STEP}) WHERE ${picked('cluster', 'cluster')}`;

/** Of batches that were written: what of them per batch. */
const perBatch = (metric: 'weir.ingest.rows' | 'weir.ingest.insert.time', name: string): string => {
  const lines = linesSql([
    { metric, fold: 'rate', across: 'sum', as: 'what' },
    { metric: 'weir.ingest.batches', fold: 'rate', across: 'sum', as: 'batches' },
  ]);
  return `SELECT time, what / batches AS \`${name}\` FROM (${lines}) WHERE batches > 0 ORDER BY time`;
};

const tables = `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, if(rows = 0, 0, bytes / rows) AS bytes_per_row, nullIf(min(if(min_time = toDateTime(0), toDateTime(min_date), min_time)), toDateTime(0)) AS oldest, count() AS parts
FROM system.parts
WHERE database = currentDatabase() AND active
GROUP BY table
ORDER BY bytes DESC
LIMIT 100`;

const perSample = `SELECT sum(bytes_on_disk) / greatest(1, sum(rows)) AS raw, sumIf(bytes_on_disk, 1) AS bytes FROM system.parts WHERE database = currentDatabase() AND active AND table = '${TABLE.metricSamples}'`;

export const TRUST: PanelGroup = {
  title: 'Can the figures be trusted?',
  panels: [
    {
      id: 1,
      kind: 'stat',
      title: 'Newest sample is old by',
      description:
        'Age of the newest sample of any node at the end of the range. Nodes report every 5 s; beyond 30 s something between the nodes and ClickHouse stands still.',
      queries: [{ refId: 'A', sql: fresh }],
      unit: 's',
      decimals: 0,
      thresholds: { warn: 20, bad: 60 },
      width: 6,
      height: 5,
      fields: { stale: { name: ' ' } },
    },
    {
      id: 2,
      kind: 'stat',
      spark: true,
      title: 'Messages not yet written',
      description: 'Telemetry waiting in JetStream, all partitions.',
      queries: [
        { refId: 'A', sql: metricSql({ metric: 'weir.ingest.lag', fold: 'mean', across: 'sum', as: 'messages' }) },
      ],
      decimals: 0,
      thresholds: { warn: 500, bad: 2000 },
      mayBeEmpty: true,
      noValue: SILENT,
      width: 6,
      height: 5,
    },
    {
      id: 3,
      kind: 'stat',
      spark: true,
      title: 'Dead letters',
      description:
        'Messages put aside because they could not be used, a second. Look at them with `weir dead-letters list`.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({ metric: 'weir.ingest.dead_letters', fold: 'rate', across: 'sum', as: 'messages' }),
        },
      ],
      thresholds: { bad: 0.000001 },
      mayBeEmpty: true,
      noValue: 'None',
      width: 6,
      height: 5,
    },
    {
      id: 4,
      kind: 'stat',
      title: 'Bytes on disk per sample',
      description: 'Raw samples as they lie on disk now, compressed, all columns.',
      queries: [{ refId: 'A', sql: perSample }],
      width: 6,
      height: 5,
      fields: {
        raw: { name: 'Bytes per sample', decimals: 2, color: 'blue' },
        bytes: { name: 'Raw samples', unit: 'bytes', color: 'blue' },
      },
    },
    {
      id: 5,
      kind: 'timeseries',
      title: 'Lag per partition',
      description:
        'Messages of each partition in JetStream that are not written yet. One partition alone: its owner is stuck; all: ClickHouse is slow or away.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ingest.lag',
            by: { partition: "attributes['partition']" },
            fold: 'max',
            across: 'sum',
            as: 'messages',
            top: 16,
          }),
        },
      ],
      decimals: 0,
      legend: 'partition',
      mayBeEmpty: true,
      noValue: SILENT,
      width: 12,
      height: 8,
    },
    {
      id: 6,
      kind: 'timeseries',
      title: 'Delay until written',
      description: 'Age of the newest message at the moment it was written: what an operator is behind reality.',
      queries: [
        { refId: 'A', sql: metricSql({ metric: 'weir.ingest.delay', fold: 'mean', across: 'max', as: 'Delay' }) },
      ],
      unit: 's',
      thresholds: { warn: 20, bad: 60 },
      mayBeEmpty: true,
      noValue: SILENT,
      width: 12,
      height: 8,
    },
  ],
};

export const WORK: PanelGroup = {
  title: 'Outboxes and inserts',
  panels: [
    {
      id: 20,
      kind: 'timeseries',
      title: 'Outbox depth',
      description:
        "Messages waiting on each node's disk, the twelve deepest. Growing on one node: its way to NATS; on all: NATS itself.",
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.outbox.messages',
            by: { node: 'node' },
            fold: 'max',
            across: 'sum',
            as: 'messages',
            top: 12,
          }),
        },
      ],
      decimals: 0,
      legend: 'node',
      width: 12,
      height: 8,
    },
    {
      id: 21,
      kind: 'timeseries',
      title: 'Lost by nodes',
      description:
        'Dropped: messages lost for good because an outbox was full or they were too old. Not taken: samples that a node was too busy to take; its gauges have a hole there, its counters do not.',
      queries: [
        { refId: 'A', sql: metricSql({ metric: 'weir.outbox.dropped', fold: 'rate', across: 'sum', as: 'Dropped' }) },
        {
          refId: 'B',
          sql: metricSql({ metric: 'weir.samples.skipped', fold: 'rate', across: 'sum', as: 'Not taken' }),
        },
      ],
      fields: { Dropped: { color: 'red' }, 'Not taken': { color: 'orange' } },
      mayBeEmpty: true,
      noValue: 'Nothing was lost',
      width: 12,
      height: 8,
    },
    {
      id: 22,
      kind: 'timeseries',
      title: 'Rows written',
      description: 'Rows a second by table. Falling to zero: ingest stands still.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ingest.rows',
            by: { table: "attributes['table']" },
            fold: 'rate',
            across: 'sum',
            as: 'rows',
          }),
        },
      ],
      legend: 'table',
      mayBeEmpty: true,
      noValue: SILENT,
      width: 8,
      height: 8,
    },
    {
      id: 23,
      kind: 'timeseries',
      title: 'Batch size',
      description: 'Rows per insert. Small batches many times a second wear ClickHouse out.',
      queries: [{ refId: 'A', sql: perBatch('weir.ingest.rows', 'Rows per batch') }],
      fields: { 'Rows per batch': { color: 'blue' } },
      mayBeEmpty: true,
      noValue: SILENT,
      width: 8,
      height: 8,
    },
    {
      id: 24,
      kind: 'timeseries',
      title: 'Insert time',
      description: 'Mean time of one insert with all its rollups. Retries show as longer lag, not here.',
      queries: [{ refId: 'A', sql: perBatch('weir.ingest.insert.time', 'Mean insert') }],
      unit: 's',
      fields: { 'Mean insert': { color: 'blue' } },
      mayBeEmpty: true,
      noValue: SILENT,
      width: 8,
      height: 8,
    },
    {
      id: 25,
      kind: 'table',
      title: 'Tables',
      description:
        'What each table takes on disk, its oldest data, and its parts. Raw samples are kept 7 days, minutes 30, then 90, 180 days, 2 and 10 years; weeks for ever.',
      queries: [{ refId: 'A', sql: tables }],
      width: 24,
      height: 9,
      fields: {
        table: { name: 'Table' },
        rows: { name: 'Rows', unit: 'short' },
        bytes: { name: 'On disk', unit: 'bytes', cell: 'gauge' },
        bytes_per_row: { name: 'Bytes per row', decimals: 2 },
        oldest: { name: 'Oldest' },
        parts: { name: 'Parts' },
      },
    },
  ],
};
