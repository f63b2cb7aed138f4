/** Pipeline, third row: the copies of ingest, and what each says of itself. */
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** What panels of ingest's own figures say where it sends none. */
export const SILENT = 'Ingest does not report itself';

/** What each copy of ingest reports of itself, newest minute first. */
const copies = `SELECT p.node AS node, p.site AS site, toFloat64(sumIf(p.sum, p.metric = 'weir.ingest.messages')) / 180 AS messages, toFloat64(sumIf(p.sum, p.metric = 'weir.ingest.rows')) / 180 AS rows,
  sumIf(p.sum, p.metric = 'weir.ingest.cpu.time') / 180 AS cpu, toFloat64(maxIf(p.max, p.metric = 'weir.ingest.memory')) AS memory, sumIf(p.sum, p.metric = 'weir.ingest.retries') AS retries
FROM ${VIEW.metricPoints}(step = 60) AS p
WHERE p.metric IN ('weir.ingest.messages', 'weir.ingest.rows', 'weir.ingest.cpu.time', 'weir.ingest.memory', 'weir.ingest.retries') AND p.time >= $__toTime - 180 AND p.time < $__toTime AND ${picked('p.cluster', 'cluster')}
GROUP BY node, site
ORDER BY rows DESC
LIMIT 200`;

export const COPIES: PanelGroup = {
  title: 'Who writes?',
  panels: [
    {
      id: 40,
      kind: 'table',
      title: 'Copies of ingest',
      description:
        'Each copy over the last three minutes of the range: messages and rows a second, CPU (1 = one core), memory, batches tried again. A copy that writes nothing owns no partition.',
      queries: [{ refId: 'A', sql: copies }],
      width: 24,
      height: 5,
      mayBeEmpty: true,
      noValue: SILENT,
      fields: {
        node: { name: 'Copy' },
        site: { name: 'Site', width: 80 },
        messages: { name: 'Messages/s', decimals: 1 },
        rows: { name: 'Rows/s', decimals: 0 },
        cpu: { name: 'CPU', unit: 'percentunit', decimals: 1, thresholds: { warn: 0.7, bad: 0.9 }, cell: 'color' },
        memory: { name: 'Memory', unit: 'bytes' },
        retries: { name: 'Tried again', decimals: 0, thresholds: { warn: 1 }, cell: 'color' },
      },
    },
    {
      id: 41,
      kind: 'timeseries',
      title: 'Batches tried again',
      description:
        'Inserts that failed and were tried again, per point, by class. transient: ClickHouse was busy or away; others need a look at the log of ingest. Nothing is lost by it.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'weir.ingest.retries',
            by: { class: "attributes['class']" },
            fold: 'increase',
            across: 'sum',
            as: 'retries',
          }),
        },
      ],
      legend: 'class',
      asBars: true,
      decimals: 0,
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: 'None',
    },
    {
      id: 42,
      kind: 'timeseries',
      title: 'Sent twice, never came',
      description:
        'Messages a second that were recognised as sent before and left out (after a cut: normal), and such as an outbox numbered that never came: those are lost.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({ metric: 'weir.ingest.repeats', fold: 'rate', across: 'sum', as: 'Sent twice' }),
        },
        {
          refId: 'B',
          sql: metricSql({ metric: 'weir.ingest.lost', fold: 'rate', across: 'sum', as: 'Never came' }),
        },
      ],
      fields: { 'Sent twice': { color: 'blue' }, 'Never came': { color: 'red' } },
      width: 12,
      height: 7,
      mayBeEmpty: true,
      noValue: SILENT,
    },
  ],
};
