/** Ingest measures itself through the pipeline it writes: as a resource of its own, exactly once, without feeding on itself. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

/** Of the tests' samples; nodes use 5 s. */
const INTERVAL_MS = 200;
const SELF = { selfTelemetry: true };
const telemetry = { intervalMs: INTERVAL_MS };
const DEAD_LETTERS = "metric = 'weir.ingest.dead_letters'";

describe('ingest’s own telemetry', () => {
  let pipeline: TestPipeline;
  let first: TestIngest;
  before(async () => {
    pipeline = await startPipeline();
    first = await startTestIngest({ ...pipeline, config: { telemetry, ingest: { ...SELF, name: 'ingest-1' } } });
  });
  after(async () => {
    await first?.close();
    await pipeline?.close();
  });
  const figures = (node: string) =>
    pipeline.rows(
      `SELECT metric, uniqExact(series_id) AS series, sum(value) AS sum FROM metric_samples WHERE node = '${node}' GROUP BY metric ORDER BY metric`,
    );
  const has = async (node: string, ...metrics: string[]) => {
    const isThere = (rows: Record<string, string>[]) =>
      metrics.every((name) => rows.some((row) => row.metric === name));
    return new Map((await eventually(() => figures(node), isThere)).map((row) => [row.metric, row]));
  };

  it('tells lag per partition, batches, rows, insert times and what it costs', async () => {
    const rows = await has('ingest-1', 'weir.ingest.delay', 'weir.ingest.insert.time', 'weir.ingest.memory');
    assert.equal(rows.get('weir.ingest.lag')?.series, '4');
    assert.equal(rows.get('weir.ingest.owned')?.series, '4');
    for (const name of ['batches', 'rows', 'messages', 'insert.time', 'cpu.time', 'memory'])
      assert.ok(Number(rows.get(`weir.ingest.${name}`)?.sum) > 0, name);
    // told as zero with every batch, so that a rule sees no hole
    assert.deepEqual([rows.get('weir.ingest.retries')?.sum, rows.get('weir.ingest.dead_letters')?.sum], ['0', '0']);
    const { count } = await pipeline.row(
      `SELECT sum(count) AS count FROM histogram_samples WHERE metric = 'weir.ingest.insert.duration'`,
    );
    assert.ok(Number(count) > 0);
  });

  it('is no media node and no machine, nor a part of the cluster’s load', async () => {
    const node = new TestOutbox(pipeline.connection, { node: 'edge-1', machineId: 'm-1', cluster: 'weir' }, 4);
    const timeMs = Math.floor(Date.now() / 5_000) * 5_000;
    const points = [{ metric: 'process.uptime', kind: 'gauge' as const, value: 9, timeMs }];
    await node.send('metrics', metricsPayload(node.sender, points));
    await eventually(
      () => pipeline.rows('SELECT node FROM nodes'),
      (rows) => rows.length > 0,
    );
    assert.deepEqual(await pipeline.rows('SELECT node FROM nodes'), [{ node: 'edge-1' }]);
    assert.deepEqual(await pipeline.rows('SELECT machine_id FROM machines'), [{ machine_id: 'm-1' }]);
    assert.deepEqual(await pipeline.rows('SELECT DISTINCT node FROM node_load'), [{ node: 'edge-1' }]);
    assert.deepEqual(await pipeline.rows('SELECT DISTINCT nodes_known, machines FROM cluster_load'), [
      { nodes_known: '1', machines: '0' },
    ]);
  });

  it('answers what the dashboard and the alert rules ask', async () => {
    const ask = () =>
      pipeline.rows(
        `SELECT time, lag_messages, delay_seconds, dead_letters, retries
         FROM pipeline_minutes(from = toStartOfMinute(now()) - 60, to = toStartOfMinute(now()) + 120, step = 5)
         WHERE cluster = 'weir' AND delay_seconds IS NOT NULL`,
      );
    const [row] = await eventually(ask, (rows) => rows.length > 0);
    assert.ok(row && Number(row.delay_seconds) >= 0 && Number(row.lag_messages) >= 0);
  });

  it('counts exactly once what happened while NATS was killed and came back', async () => {
    const before = await pipeline.row(`SELECT sum(value) AS sum FROM metric_samples WHERE ${DEAD_LETTERS}`);
    assert.equal(before.sum, '0');
    for (const node of ['edge-1', 'edge-2', 'edge-3'])
      await new TestOutbox(pipeline.connection, { node, machineId: 'm-1' }, 4).send('metrics', Buffer.from([0xff]));
    await eventually(
      () => first.metric('weir_ingest_dead_letters_total'),
      (count) => count === 3,
    );
    await pipeline.nats.kill9();
    await pipeline.nats.restart();
    const sum = () => pipeline.row(`SELECT sum(value) AS sum FROM metric_samples WHERE ${DEAD_LETTERS}`);
    await eventually(sum, (row) => row.sum === '3');
    // samples taken after that hold nothing of it again, in raw data and in every rollup
    const newest = async () =>
      (await pipeline.row(`SELECT max(time) AS t FROM metric_samples WHERE ${DEAD_LETTERS}`)).t;
    const seen = String(await newest());
    await eventually(newest, (time) => String(time) > seen);
    const levels = await pipeline.levels(DEAD_LETTERS);
    assert.deepEqual(new Set(levels.map((level) => level.sum)), new Set([3]));
  });

  it('does not feed on itself: one message a sample, and no more series, however long it runs', async () => {
    const jsm = await jetstreamManager(pipeline.connection);
    const look = async () => {
      const { state } = await jsm.streams.info(TELEMETRY_STREAM);
      const { series } = await pipeline.row(
        `SELECT uniqExact(series_id) AS series FROM metric_samples WHERE node = 'ingest-1'`,
      );
      return { atMs: Date.now(), messages: state.messages, series: Number(series) };
    };
    const start = await look();
    const end = await eventually(look, (now) => now.messages >= start.messages + 15);
    const intervals = (end.atMs - start.atMs) / INTERVAL_MS;
    assert.ok(end.messages - start.messages <= intervals + 2, `${end.messages - start.messages} in ${intervals}`);
    assert.equal(end.series, start.series);
  });

  it('tells copies apart, and is off by a switch', async () => {
    const second = await startTestIngest({
      ...pipeline,
      config: { telemetry, ingest: { ...SELF, name: 'b.example' } },
    });
    const silent = await startTestIngest({
      ...pipeline,
      config: { telemetry, ingest: { name: 'ingest-9', selfTelemetry: false } },
    });
    try {
      await eventually(
        () => silent.partitions(),
        (owned) => owned.length > 0,
      );
      await eventually(
        () => second.partitions(),
        (owned) => owned.length > 0,
      );
      await has('ingest-b-example', 'weir.ingest.batches');
      const { owners } = await pipeline.row(
        `SELECT uniqExact(node) AS owners FROM metric_samples WHERE metric = 'weir.ingest.owned' AND value = 1`,
      );
      assert.equal(owners, '2');
      assert.deepEqual(await figures('ingest-9'), []);
      assert.ok((await silent.metric('weir_ingest_batches_total')) >= 0);
    } finally {
      await second.close();
      await silent.close();
    }
  });
});
