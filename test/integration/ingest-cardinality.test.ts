/** One node that invents series without end costs itself its further series, and nobody else anything. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { metricsPayload, TestOutbox, type TestPoint } from '@weir/test/harness/otlp-sender';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 1;
const LIMIT = 1_000;
const MESSAGES = 125;
const SERIES_PER_MESSAGE = 8_000;
/** In each series' attribute; the digits are overwritten for each message. */
const MARK = Buffer.from('run-000-');

describe('the limit of series per node', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  before(async () => {
    pipeline = await startPipeline();
    const config = { ingest: { seriesPerNode: LIMIT }, telemetry: { partitions: PARTITIONS } };
    ingest = await startTestIngest({ ...pipeline, config });
  });
  after(async () => {
    await ingest?.close();
    await pipeline?.close();
  });

  it('holds against a million series of one node, counts and names it, and leaves its neighbours alone', async () => {
    const wild = new TestOutbox(pipeline.connection, { node: 'wild-1' }, PARTITIONS);
    const tame = new TestOutbox(pipeline.connection, { node: 'tame-1' }, PARTITIONS);
    const timeMs = Date.now();
    const points = Array.from({ length: SERIES_PER_MESSAGE }, (_, index): TestPoint => {
      return { metric: 'm', kind: 'counter', value: 1, timeMs, attributes: { id: `${MARK}${index}` } };
    });
    const payload = Buffer.from(metricsPayload(wild.sender, points));
    const places: number[] = [];
    for (let at = payload.indexOf(MARK); at >= 0; at = payload.indexOf(MARK, at + 1)) places.push(at);
    assert.equal(places.length, SERIES_PER_MESSAGE);
    const own = (round: number) =>
      metricsPayload(tame.sender, [
        { metric: 'm', kind: 'counter', value: round, timeMs: Date.now(), attributes: { id: `series-${round}` } },
      ]);
    for (let message = 0; message < MESSAGES; message++) {
      for (const place of places) payload.write(String(message).padStart(3, '0'), place + 4, 'latin1');
      await wild.send('metrics', payload);
      await tame.send('metrics', own(message));
    }
    await pipeline.holds("node = 'tame-1'", { count: MESSAGES, sum: (MESSAGES * (MESSAGES - 1)) / 2 });
    await pipeline.holds("node = 'wild-1'", { count: LIMIT, sum: LIMIT });
    const refused = MESSAGES * SERIES_PER_MESSAGE - LIMIT;
    await eventually(
      () => ingest.metric('weir_ingest_series_refused_total', { node: 'wild-1' }),
      (count) => count === refused,
    );
    assert.equal(await ingest.metric('weir_ingest_series_refused_total'), refused);
    assert.equal(await ingest.metric('weir_ingest_skipped_total', { reason: 'cardinality' }), refused);
    const series = await pipeline.rows(
      'SELECT node, uniqExact(series_id) AS n FROM metric_series GROUP BY node ORDER BY node',
    );
    assert.deepEqual(series, [
      { node: 'tame-1', n: String(MESSAGES) },
      { node: 'wild-1', n: String(LIMIT) },
    ]);
  });

  it('keeps the series a node had before it went over the limit', async () => {
    const outbox = new TestOutbox(pipeline.connection, { node: 'grown-1' }, PARTITIONS);
    const send = (from: number, count: number) =>
      outbox.send(
        'metrics',
        metricsPayload(
          outbox.sender,
          Array.from({ length: count }, (_, at): TestPoint => {
            return { metric: 'm', kind: 'counter', value: 1, timeMs: Date.now(), attributes: { id: from + at } };
          }),
        ),
      );
    await send(0, LIMIT);
    await send(LIMIT, 50);
    await send(0, LIMIT);
    await pipeline.holds("node = 'grown-1'", { count: 2 * LIMIT, sum: 2 * LIMIT });
  });
});
