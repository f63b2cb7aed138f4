/**
 * Every kind of point OTLP has, sent by HTTP, at every rollup level: what is added up is exact in each of them, and what
 * cannot be stored is counted and named in the answer.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const DELTA = 1;
const CUMULATIVE = 2;
/** Senders that count since long ago: their first point only says where they stand. */
const STARTED_BEFORE_MS = 3_600_000;

type Json = Record<string, unknown>;

describe('kinds of OTLP points', () => {
  let under: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  before(async () => {
    under = await startIngestPipeline();
    ({ pipeline, ingest } = under);
  });
  after(() => under?.close());

  const startMs = Date.now() - STARTED_BEFORE_MS;
  const post = async (metrics: Json[], node = 'kinds') => {
    const resource = { attributes: [{ key: 'service.instance.id', value: { stringValue: node } }] };
    const body = JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${ingest.url}/v1/metrics`, { method: 'POST', body, headers });
    assert.equal(answer.status, 200, await answer.clone().text());
    return (await answer.json()) as { partialSuccess?: { rejectedDataPoints: string; errorMessage: string } };
  };
  const point = (timeMs: number, fields: Json) => ({
    attributes: [{ key: 'path', value: { stringValue: '/a' } }],
    startTimeUnixNano: `${startMs}000000`,
    timeUnixNano: `${timeMs}000000`,
    ...fields,
  });
  const where = (metric: string) => `node = 'otlp-local-kinds' AND metric = '${metric}'`;

  it('stores gauges, sums, histograms, exponential histograms and summaries, and rolls all of them up', async () => {
    const end = Math.floor(Date.now() / 1_000) * 1_000;
    // over two days, so that every level has several buckets
    const times = [49, 48, 25, 2, 1, 0].map((hours) => end - hours * 3_600_000);
    for (const [round, timeMs] of times.entries()) {
      const total = 10 * (round + 1);
      const histogram = (by: number) => ({
        count: `${3 * by}`,
        sum: 6 * by,
        explicitBounds: [1, 5],
        bucketCounts: [by, by, by].map(String),
      });
      const exponential = (by: number) => ({
        count: `${2 * by}`,
        sum: 3 * by,
        scale: 0,
        zeroCount: '0',
        positive: { offset: 0, bucketCounts: [by, by].map(String) },
      });
      const quantileValues = [
        { quantile: 0.5, value: round },
        { quantile: 0.99, value: 100 },
      ];
      const sum = (aggregationTemporality: number, isMonotonic: boolean, value: Json) => ({
        sum: { aggregationTemporality, isMonotonic, dataPoints: [point(timeMs, value)] },
      });
      const answer = await post([
        { name: 'k.gauge', gauge: { dataPoints: [point(timeMs, { asDouble: round + 0.5 })] } },
        { name: 'k.gauge.int', gauge: { dataPoints: [point(timeMs, { asInt: `${-round}` })] } },
        { name: 'k.counter', ...sum(CUMULATIVE, true, { asInt: `${total}` }) },
        { name: 'k.counter.delta', ...sum(DELTA, true, { asDouble: 4 }) },
        { name: 'k.level', ...sum(CUMULATIVE, false, { asInt: `${5 - round}` }) },
        { name: 'k.change', ...sum(DELTA, false, { asInt: round % 2 === 0 ? '3' : '-1' }) },
        {
          name: 'k.histogram',
          histogram: { aggregationTemporality: CUMULATIVE, dataPoints: [point(timeMs, histogram(round + 1))] },
        },
        {
          name: 'k.histogram.delta',
          histogram: { aggregationTemporality: DELTA, dataPoints: [point(timeMs, histogram(1))] },
        },
        {
          name: 'k.exponential',
          exponentialHistogram: {
            aggregationTemporality: CUMULATIVE,
            dataPoints: [point(timeMs, exponential(round + 1))],
          },
        },
        {
          name: 'k.exponential.delta',
          exponentialHistogram: { aggregationTemporality: DELTA, dataPoints: [point(timeMs, exponential(1))] },
        },
        {
          name: 'k.summary',
          unit: 's',
          summary: { dataPoints: [point(timeMs, { count: `${total}`, sum: 2 * total, quantileValues })] },
        },
      ]);
      assert.deepEqual(answer, {});
    }
    await pipeline.holds(where('k.gauge'), { count: 6, sum: 18 });
    await pipeline.holds(where('k.gauge.int'), { count: 6, sum: -15 });
    await pipeline.holds(where('k.counter'), { count: 5, sum: 50 });
    await pipeline.holds(where('k.counter.delta'), { count: 6, sum: 24 });
    await pipeline.holds(where('k.level'), { count: 6, sum: 15 });
    await pipeline.holds(where('k.change'), { count: 6, sum: 6 });
    await pipeline.holds(where('k.summary.count'), { count: 5, sum: 50 });
    await pipeline.holds(where('k.summary.sum'), { count: 5, sum: 100 });
    await pipeline.holds(where('k.summary'), { count: 12, sum: 15 + 600 });
    for (const [metric, points, count, sum] of [
      ['k.histogram', 5, 15, 30],
      ['k.histogram.delta', 6, 18, 36],
      ['k.exponential', 5, 10, 15],
      ['k.exponential.delta', 6, 12, 18],
    ] as const) {
      const levels = ['1m', '10m', '1h', '1d'].map(
        (level) => `SELECT sum(count) AS count, sum(sum) AS sum FROM histogram_${level} WHERE ${where(metric)}`,
      );
      const raw = `SELECT sum(count) AS count, sum(sum) AS sum FROM histogram_samples WHERE ${where(metric)}`;
      const ask = () => pipeline.rows([raw, ...levels].join(' UNION ALL '));
      const isExact = (row: Record<string, string>) => Number(row.count) === count && Number(row.sum) === sum;
      await eventually(ask, (rows) => rows.length === 5 && rows.every(isExact), 30_000, `${metric}: ${count}, ${sum}`);
      const stored = await pipeline.row(`SELECT count() AS n FROM histogram_samples WHERE ${where(metric)}`);
      assert.equal(Number(stored.n), points, metric);
    }
    const kinds = await pipeline.rows(
      `SELECT DISTINCT metric, kind, attributes['quantile'] AS quantile, unit FROM metric_series
       WHERE node = 'otlp-local-kinds' AND (metric LIKE 'k.summary%' OR metric = 'k.change') ORDER BY metric, quantile`,
    );
    assert.deepEqual(
      kinds.map(({ metric, kind, quantile, unit }) => [metric, kind, quantile, unit]),
      [
        ['k.change', 'change', '', ''],
        ['k.summary', 'gauge', '0.5', 's'],
        ['k.summary', 'gauge', '0.99', 's'],
        ['k.summary.count', 'counter', '', '1'],
        ['k.summary.sum', 'counter', '', 's'],
      ],
    );
  });

  it('says of what kind a metric is that it can’t store, how many points that are, and stores the others', async () => {
    const timeMs = Date.now();
    const dataPoints = [point(timeMs, { asInt: '1' }), point(timeMs + 1, { asInt: '2' })];
    const { partialSuccess } = await post([
      { name: 'odd.sum', sum: { isMonotonic: true, dataPoints } },
      { name: 'odd.histogram', histogram: { dataPoints: [point(timeMs, { count: '1', sum: 1 })] } },
      { name: 'odd.new' },
      { name: '', gauge: { dataPoints } },
      { name: 'k.good', gauge: { dataPoints: [point(timeMs, { asInt: '9' })] } },
    ]);
    assert.equal(partialSuccess?.rejectedDataPoints, '6');
    for (const named of [
      /The sum "odd\.sum" does not say whether it is cumulative or delta\./,
      /The histogram "odd\.histogram" does not say/,
      /The metric "odd\.new" is of a kind that is not known\./,
      /A metric has no name\./,
    ])
      assert.match(partialSuccess?.errorMessage ?? '', named);
    await pipeline.holds(where('k.good'), { count: 1, sum: 9 });
    assert.deepEqual(await pipeline.rows("SELECT * FROM metric_samples WHERE metric LIKE 'odd.%'"), []);
    assert.equal(await ingest.metric('weir_ingest_otlp_rejected_total', { signal: 'metrics' }), 6);
  });

  it('keeps apart what looks like SQL, and stores none of what is not finite or of another age', async () => {
    const timeMs = Date.now();
    const skipped = { 'not-finite': 2, time: 2, name: 1, attributes: 1 };
    const skippedSoFar = (reason: string) => ingest.metric('weir_ingest_skipped_total', { reason });
    const before: Record<string, number> = {};
    for (const reason in skipped) before[reason] = await skippedSoFar(reason);
    const sql = "x'); DROP TABLE metric_samples; --";
    const attributes = [{ key: sql, value: { stringValue: `${sql}\n\\0\t{}` } }];
    const gauge = (fields: Json) => ({ gauge: { dataPoints: [{ ...point(timeMs, { asDouble: 1 }), ...fields }] } });
    await post(
      [
        { name: sql, unit: sql, ...gauge({ attributes }) },
        { name: 'b.nan', ...gauge({ asDouble: 'NaN' }) },
        { name: 'b.infinite', ...gauge({ asDouble: '-Infinity' }) },
        { name: 'b.1970', ...gauge({ timeUnixNano: '1000000000' }) },
        { name: 'b.2100', ...gauge({ timeUnixNano: `${Date.UTC(2100, 0)}000000` }) },
        { name: 'b'.repeat(10_000), ...gauge({}) },
        { name: 'b.attribute', ...gauge({ attributes: [{ key: 'k'.repeat(10_000), value: { intValue: '1' } }] }) },
      ],
      sql,
    );
    const node = "startsWith(node, 'otlp-local-x')";
    await pipeline.holds(node, { count: 1, sum: 1 });
    const series = await pipeline.row(`SELECT metric, unit, attributes FROM metric_series WHERE ${node}`);
    assert.deepEqual(series, { metric: sql, unit: sql, attributes: JSON.stringify({ [sql]: `${sql}\n\\0\t{}` }) });
    for (const [reason, count] of Object.entries(skipped))
      assert.equal(await skippedSoFar(reason), count + (before[reason] ?? 0), reason);
  });
});
