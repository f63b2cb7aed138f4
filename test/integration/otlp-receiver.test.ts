/** OTLP over HTTP as OpenTelemetry's own SDK speaks it, through JetStream into ClickHouse, and all that may go wrong. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
} from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  AggregationType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { metricsPayload } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const TOKEN = 'a-secret';
const OTHER = 'another-secret';

describe('OTLP over HTTP', () => {
  let whole: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  const config = { otlp: { tokens: [`shop=${TOKEN}`, `other=${OTHER}`], maxBodyBytes: 1_048_576, ratePerToken: 100 } };
  before(async () => {
    whole = await startIngestPipeline(config);
    ({ pipeline, ingest } = whole);
  });
  after(() => whole?.close());

  const post = (path: string, body: Uint8Array | string, headers: Record<string, string> = {}, token = TOKEN) =>
    fetch(`${ingest.url}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: { 'content-type': 'application/x-protobuf', authorization: `Bearer ${token}`, ...headers },
    });
  const json = { 'content-type': 'application/json' };

  it('stores sums, histograms and exponential histograms of a cumulative SDK, exactly, over a change of the writer', async () => {
    const sdk = startSdk('cart-1');
    const requests = sdk.meter.createCounter('shop.requests');
    const time = sdk.meter.createHistogram('shop.duration', { advice: { explicitBucketBoundaries: [1, 2, 5] } });
    const size = sdk.meter.createHistogram('shop.size');
    for (let round = 1; round <= 6; round++) {
      requests.add(round, { path: '/a' });
      requests.add(1, { path: '/b' });
      time.record(round);
      for (let value = 1; value <= round; value++) size.record(value * 100);
      const metrics = await sdk.collect();
      const [body, headers] =
        round % 2 === 0
          ? [
              gzipSync(JsonMetricsSerializer.serializeRequest(metrics) as Uint8Array),
              { ...json, 'content-encoding': 'gzip' },
            ]
          : [ProtobufMetricsSerializer.serializeRequest(metrics) as Uint8Array, {}];
      const answer = await post('/v1/metrics', body, headers);
      assert.equal(answer.status, 200, await answer.clone().text());
      // as after a lost answer
      assert.equal((await post('/v1/metrics', body, headers)).status, 200);
      if (round === 2) await ingest.kill9();
      // all of it is written: the next writer must find out by itself where the sums stood
      if (round === 4)
        await pipeline.holds("node = 'otlp-shop-cart-1' AND metric = 'shop.requests'", { count: 8, sum: 10 + 4 });
      if (round === 2 || round === 4) {
        await ingest.restart();
        await eventually(
          () => ingest.ready(),
          ({ status }) => status === 200,
        );
      }
    }
    await sdk.close();
    await pipeline.holds("node = 'otlp-shop-cart-1' AND metric = 'shop.requests'", { count: 12, sum: 21 + 6 });
    const histograms = (level: string) =>
      pipeline.rows(
        `SELECT metric, sum(count) AS count, sum(sum) AS sum FROM ${level} WHERE node = 'otlp-shop-cart-1' GROUP BY metric ORDER BY metric`,
      );
    const expected = [
      { metric: 'shop.duration', count: '6', sum: '21' },
      { metric: 'shop.size', count: '21', sum: '5600' },
    ];
    for (const level of ['histogram_samples', 'histogram_1m', 'histogram_10m', 'histogram_1h', 'histogram_1d'])
      assert.deepEqual(
        await eventually(
          () => histograms(level),
          (rows) => rows[1]?.count === '21',
        ),
        expected,
        level,
      );
    const { buckets } = await pipeline.row(
      `SELECT sumMap(buckets.1, buckets.2) AS buckets FROM histogram_1d WHERE metric = 'shop.duration'`,
    );
    assert.equal(buckets, '[[1,2,5,null],["1","1","3","1"]]');
    const exponential = await pipeline.row(
      `SELECT arraySum(b.2) AS count, arrayFirst(x -> x >= 500, b.1) AS bound FROM
       (SELECT sumMap(buckets.1, buckets.2) AS b FROM histogram_1d WHERE metric = 'shop.size')`,
    );
    assert.equal(exponential.count, '21');
    // the bucket of 500 is as fine as the SDK's scale makes it
    assert.ok(Number(exponential.bound) < 510, exponential.bound);
    const sender = await pipeline.row(
      "SELECT sender, service, attributes['host.id'] AS host, attributes['weir.otlp.host.id'] AS said FROM otlp_senders FINAL WHERE node = 'otlp-shop-cart-1'",
    );
    assert.deepEqual(sender, { sender: 'shop', service: 'cart', host: '', said: 'machine-1' });
  });

  it('stores log records of both forms', async () => {
    const exporter = new InMemoryLogRecordExporter();
    const resource = resourceFromAttributes({ 'service.name': 'mail', 'host.name': 'h.example' });
    const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter })] });
    provider
      .getLogger('test')
      .emit({ severityNumber: 9, severityText: 'INFO', body: 'sent', attributes: { size: 12 } });
    const records = exporter.getFinishedLogRecords();
    assert.equal((await post('/v1/logs', ProtobufLogsSerializer.serializeRequest(records) as Uint8Array)).status, 200);
    const other = Buffer.from(JsonLogsSerializer.serializeRequest(records) as Uint8Array)
      .toString()
      .replace('sent', 'read');
    const answer = await post('/v1/logs', other, json);
    assert.deepEqual([answer.status, await answer.json()], [200, {}]);
    const ask = () =>
      pipeline.rows(
        "SELECT node, body, severity, attributes['size'] AS size FROM logs WHERE node LIKE 'otlp-shop-mail%' ORDER BY body",
      );
    const rows = await eventually(ask, (found) => found.length === 2);
    assert.deepEqual(
      rows.map(({ body, severity, size }) => [body, severity, size]),
      [
        ['read', 'INFO', '12'],
        ['sent', 'INFO', '12'],
      ],
    );
    assert.match(String(rows[0]?.node), /^otlp-shop-mail-h-example-[0-9a-f]{10}$/);
  });

  it('never stores anything under the name of a node, a machine or another token (M9)', async () => {
    const point = { metric: 'system.memory.usage', kind: 'gauge' as const, value: 1, timeMs: Date.now() };
    const forged = { 'weir.otlp.sender': 'other', 'weir.cluster': 'theirs' };
    const body = metricsPayload({ node: 'edge-1', machineId: 'machine-of-edge-1', resource: forged }, [point]);
    assert.equal((await post('/v1/metrics', body)).status, 200);
    assert.equal((await post('/v1/metrics', body, {}, OTHER)).status, 200);
    const ask = () =>
      pipeline.rows(
        "SELECT DISTINCT cluster, node, machine_id FROM metric_samples WHERE metric = 'system.memory.usage' ORDER BY node",
      );
    const rows = await eventually(ask, (found) => found.length === 2);
    assert.deepEqual(rows, [
      { cluster: 'weir', node: 'otlp-other-edge-1', machine_id: '' },
      { cluster: 'weir', node: 'otlp-shop-edge-1', machine_id: '' },
    ]);
    assert.deepEqual(await pipeline.rows("SELECT * FROM nodes WHERE node LIKE '%edge-1'"), []);
    assert.deepEqual(await pipeline.rows('SELECT * FROM machines'), []);
  });

  it('says how many points it did not take and why, and takes the others', async () => {
    const good = JSON.parse(gauge('good', 'shop.level', 1)) as { resourceMetrics: unknown[] };
    const nameless = JSON.parse(gauge('', 'shop.level', 1)) as { resourceMetrics: unknown[] };
    const both = { resourceMetrics: [...good.resourceMetrics, ...nameless.resourceMetrics] };
    const answer = await post('/v1/metrics', JSON.stringify(both), json);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), {
      partialSuccess: {
        rejectedDataPoints: '1',
        errorMessage: 'A resource has neither service.instance.id nor service.name nor host.name.',
      },
    });
    await pipeline.holds("node = 'otlp-shop-good'", { count: 1, sum: 1 });
  });

  it('says so of points whose time or value cannot be, not only to itself', async () => {
    const body = JSON.parse(gauge('astray', 'shop.level', 1));
    const [{ scopeMetrics }] = body.resourceMetrics;
    const { dataPoints } = scopeMetrics[0].metrics[0].gauge;
    const [{ timeUnixNano }] = dataPoints;
    dataPoints.push(
      { timeUnixNano: '1000', asDouble: 2 },
      { timeUnixNano: '4102444800000000000', asDouble: 4 },
      { asDouble: 8 },
      { timeUnixNano, asDouble: 'NaN', attributes: [{ key: 'a', value: { stringValue: 'b' } }] },
      { timeUnixNano, flags: 1, attributes: [{ key: 'a', value: { stringValue: 'c' } }] },
    );
    const answer = await post('/v1/metrics', JSON.stringify(body), { 'content-type': 'Application/JSON' });
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), {
      partialSuccess: {
        rejectedDataPoints: '4',
        errorMessage:
          'A time is missing, more than 8 days ago or more than an hour ahead. A value is not a finite number.',
      },
    });
    await pipeline.holds("node = 'otlp-shop-astray'", { count: 1, sum: 1 });
    const logRecords = [
      { timeUnixNano: '1000000000000', body: { stringValue: 'long ago' } },
      { body: { stringValue: 'now' } },
    ];
    const logs = { resourceLogs: [{ resource: body.resourceMetrics[0].resource, scopeLogs: [{ logRecords }] }] };
    const { partialSuccess } = (await (await post('/v1/logs', JSON.stringify(logs), json)).json()) as {
      partialSuccess: { rejectedLogRecords: string };
    };
    assert.equal(partialSuccess.rejectedLogRecords, '1');
  });

  it('splits what is too large for one message', async () => {
    const attributes = { long: 'x'.repeat(900) };
    const points = Array.from({ length: 800 }, (_, index) => {
      return { metric: `split.${index}`, kind: 'gauge' as const, value: 1, timeMs: Date.now(), attributes };
    });
    const answer = await post('/v1/metrics', metricsPayload({ node: 'large' }, points));
    assert.equal(answer.status, 200);
    await pipeline.holds("node = 'otlp-shop-large'", { count: 800, sum: 800 });
  });

  it('refuses strangers, bombs and what is no OTLP, each with its status', async () => {
    const body = metricsPayload({ node: 'x' }, []);
    const refused = async (answer: Promise<Response>) => {
      const { status, headers } = await answer;
      return [status, headers.get('content-type')?.split(';')[0]];
    };
    const protobuf = 'application/x-protobuf';
    assert.deepEqual(await refused(post('/v1/metrics', body, {}, 'wrong')), [401, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', body, { authorization: '' })), [401, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', body, { 'content-type': 'text/plain' })), [415, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', body, { 'content-encoding': 'br' })), [415, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', 'no protobuf at all')), [400, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', 'no gzip', { 'content-encoding': 'gzip' })), [400, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', '{"resourceMetrics":7}', json)), [400, 'application/json']);
    assert.deepEqual(await refused(post('/v1/metrics', '{', json)), [400, 'application/json']);
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    assert.ok(bomb.length < 1_048_576);
    assert.deepEqual(await refused(post('/v1/metrics', bomb, { 'content-encoding': 'gzip' })), [413, protobuf]);
    assert.deepEqual(await refused(post('/v1/metrics', Buffer.alloc(1_048_577))), [413, protobuf]);
    const deep = `${'{"arrayValue":{"values":['.repeat(200)}{"intValue":1}${']}}'.repeat(200)}`;
    const nested = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}}]}]}]}`;
    assert.deepEqual(await refused(post('/v1/logs', nested, json)), [400, 'application/json']);
    assert.equal((await ingest.ready()).status, 200);
  });

  it('asks a sender that comes too often to wait, and no other', async () => {
    const body = gauge('often', 'shop.level', 1);
    // A slow machine may not send enough within one window: then the next burst is.
    await eventually(
      () => Promise.all(Array.from({ length: 300 }, async () => (await post('/v1/metrics', body, json)).status)),
      (statuses) => statuses.includes(429),
    );
    const { status } = await post('/v1/metrics', body, json, OTHER);
    assert.equal(status, 200);
    assert.ok((await ingest.metric('weir_ingest_otlp_requests_total', { status: '429' })) > 0);
  });

  it('asks senders to come again while NATS is away', async () => {
    await pipeline.nats.stop();
    const answer = await eventually(
      () => post('/v1/metrics', gauge('patient', 'shop.level', 3), json, OTHER),
      ({ status }) => status === 503,
    );
    assert.equal(answer.headers.get('retry-after'), '5');
    await pipeline.nats.restart();
    await eventually(
      () => post('/v1/metrics', gauge('patient', 'shop.level', 3), json, OTHER),
      ({ status }) => status === 200,
    );
    await eventually(
      () => pipeline.row("SELECT max(value) AS value FROM metric_samples WHERE node = 'otlp-other-patient'"),
      ({ value }) => value === '3',
    );
  });
});

function gauge(instance: string, name: string, value: number): string {
  const attributes = instance === '' ? [] : [{ key: 'service.instance.id', value: { stringValue: instance } }];
  const dataPoints = [{ timeUnixNano: String(BigInt(Date.now()) * 1_000_000n), asInt: String(value) }];
  const resourceMetrics = [
    { resource: { attributes }, scopeMetrics: [{ metrics: [{ name, gauge: { dataPoints } }] }] },
  ];
  return JSON.stringify({ resourceMetrics });
}

/** OpenTelemetry's SDK with its default, cumulative temporality; `size` instruments are exponential. */
function startSdk(instance: string) {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({
      'service.name': 'cart',
      'service.instance.id': instance,
      'host.id': 'machine-1',
    }),
    readers: [reader],
    views: [{ instrumentName: 'shop.size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  return {
    meter: provider.getMeter('test'),
    async collect(): Promise<ResourceMetrics> {
      exporter.reset();
      await reader.forceFlush();
      const [metrics] = exporter.getMetrics();
      if (!metrics) throw new Error('the SDK exported nothing');
      return metrics;
    },
    close: () => provider.shutdown(),
  };
}
