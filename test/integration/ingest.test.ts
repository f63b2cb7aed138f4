/** Telemetry's way from OTLP bytes on NATS to rows and rollups in ClickHouse, with the real parts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { CONNECTION_ATTRIBUTE, EVENT, FAILOVER_ATTRIBUTE } from '@weir/contracts/events';
import { RESOURCE } from '@weir/contracts/resource';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { logsPayload, metricsPayload, type TestPoint } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 4;

describe('ingest', () => {
  let under: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  const outboxOf: IngestPipeline['outboxOf'] = (node, more) => under.outboxOf(node, more);

  before(async () => {
    under = await startIngestPipeline();
    ({ pipeline, ingest } = under);
  });
  after(() => under?.close());

  it('writes every sample once and rolls it up to equal sums at all six levels', async () => {
    const nodes = ['sum-1', 'sum-2', 'sum-3'].map((node) => outboxOf(node));
    const start = Date.now() - 3 * 86_400_000;
    const expected = { count: 0, sum: 0 };
    for (let round = 0; round < 36; round++) {
      for (const [number, outbox] of nodes.entries()) {
        // every two hours of three days, so that all levels have several buckets
        const timeMs = start + round * 7_200_000;
        const points: TestPoint[] = ['a', 'b', 'c'].map((stream, index) => ({
          metric: 'live.stream.io',
          kind: 'counter',
          value: round * 100 + number * 10 + index,
          timeMs,
          unit: 'By',
          attributes: { app: 'sums', stream },
        }));
        for (const { value } of points) expected.sum += value;
        expected.count += points.length;
        await outbox.send('metrics', metricsPayload(outbox.sender, points));
      }
    }
    await pipeline.holds("node LIKE 'sum-%'", expected);
    const series = await pipeline.rows(
      "SELECT node, kind, unit, attributes['stream'] AS stream FROM metric_series FINAL WHERE node = 'sum-1' ORDER BY stream",
    );
    assert.deepEqual(
      series,
      ['a', 'b', 'c'].map((stream) => ({ node: 'sum-1', kind: 'counter', unit: 'By', stream })),
    );
  });

  it('stores figures of the machine without a node, and those of the node under its name', async () => {
    const outbox = outboxOf('scope-1', { machineId: 'scope-machine' });
    const timeMs = Date.now();
    const points: TestPoint[] = [
      { metric: 'system.cpu.utilization', kind: 'gauge', value: 0.25, timeMs, attributes: { 'cpu.mode': 'used' } },
      { metric: 'live.connections', kind: 'gauge', value: 7, timeMs, attributes: { role: 'viewer' } },
      { metric: 'live.streams', kind: 'up-down-counter', value: 3, timeMs },
    ];
    await outbox.send('metrics', metricsPayload(outbox.sender, points));
    const ask = () =>
      pipeline.rows(
        "SELECT metric, node, kind, value, toUnixTimestamp64Milli(time) AS ms FROM samples WHERE machine_id = 'scope-machine' ORDER BY metric",
      );
    const rows = await eventually(ask, (found) => found.length === 3);
    const ms = String(timeMs);
    assert.deepEqual(rows, [
      { metric: 'live.connections', node: 'scope-1', kind: 'gauge', value: '7', ms },
      { metric: 'live.streams', node: 'scope-1', kind: 'up-down-counter', value: '3', ms },
      { metric: 'system.cpu.utilization', node: '', kind: 'gauge', value: '0.25', ms },
    ]);
  });

  it('stores histograms with their buckets', async () => {
    const outbox = outboxOf('histogram-1');
    const histogram = {
      metric: 'live.failover.gap',
      timeMs: Date.now(),
      bounds: [0.1, 1],
      counts: [2, 3, 1],
      sum: 4.5,
      min: 0.05,
      max: 2,
    };
    await outbox.send('metrics', metricsPayload(outbox.sender, [], [histogram]));
    const ask = () =>
      pipeline.row("SELECT count, sum, min, max, bounds, counts FROM histogram_samples WHERE node = 'histogram-1'");
    const row = await eventually(ask, () => true);
    assert.deepEqual(row, {
      count: '6',
      sum: '4.5',
      min: '0.05',
      max: '2',
      bounds: '[0.1,1]',
      counts: '["2","3","1"]',
    });
  });

  it('shows machine and node with their inventory', async () => {
    const outbox = outboxOf('inventory-1', {
      machineId: 'inventory-machine',
      resource: {
        [RESOURCE.role]: 'origin',
        [RESOURCE.serviceVersion]: '1.2.3',
        [RESOURCE.processId]: 4_242,
        [RESOURCE.hostName]: 'host-1',
        [RESOURCE.kernel]: '6.1.0',
        [RESOURCE.cpuModels]: ['Model A', 'Model A'],
        [RESOURCE.cpuLogicalCount]: 16,
        [RESOURCE.memoryBytes]: 17_179_869_184,
        [RESOURCE.networkCards]: [
          JSON.stringify({ name: 'eth0', mac: 'aa:bb', ip: ['10.0.0.1'], speedBitsPerSecond: 1e9 }),
        ],
      },
    });
    const payload = metricsPayload(outbox.sender, [
      { metric: 'live.streams', kind: 'gauge', value: 1, timeMs: Date.now() },
    ]);
    await outbox.send('metrics', payload);
    const node = await eventually(
      () => pipeline.row("SELECT role, version, pid, machine_id FROM nodes WHERE node = 'inventory-1'"),
      () => true,
    );
    assert.deepEqual(node, { role: 'origin', version: '1.2.3', pid: '4242', machine_id: 'inventory-machine' });
    const machine = await pipeline.row(
      "SELECT host_name, kernel, cpu_models, cpu_count, memory_bytes, network_cards FROM machines WHERE machine_id = 'inventory-machine'",
    );
    assert.deepEqual(machine, {
      host_name: 'host-1',
      kernel: '6.1.0',
      cpu_models: '["Model A","Model A"]',
      cpu_count: '16',
      memory_bytes: '17179869184',
      network_cards: '[{"name":"eth0","mac":"aa:bb","ip":["10.0.0.1"],"speed_bits":"1000000000"}]',
    });
  });

  it('makes one row of a connection’s two events, a row of a fail-over, and a log of all else', async () => {
    const outbox = outboxOf('events-1');
    const openedAtMs = Date.now() - 60_000;
    const opened = {
      [CONNECTION_ATTRIBUTE.id]: '0b6f1c1e-54a3-4c55-9d5e-6a4f4bd6a001',
      [CONNECTION_ATTRIBUTE.role]: 'viewer',
      [CONNECTION_ATTRIBUTE.protocol]: 'rtmp',
      [CONNECTION_ATTRIBUTE.app]: 'channel',
      [CONNECTION_ATTRIBUTE.stream]: "it's'); DROP TABLE logs; --",
      [CONNECTION_ATTRIBUTE.clientAddress]: '2001:db8::1',
      [CONNECTION_ATTRIBUTE.clientPort]: 54_321,
      [CONNECTION_ATTRIBUTE.session]: 'session-1',
      [CONNECTION_ATTRIBUTE.userAgent]: 'LNX 9,0,124,2',
      [CONNECTION_ATTRIBUTE.openedAtMs]: openedAtMs,
    };
    const closed = {
      ...opened,
      [CONNECTION_ATTRIBUTE.reason]: 'slow-viewer',
      [CONNECTION_ATTRIBUTE.bytesIn]: 1,
      [CONNECTION_ATTRIBUTE.bytesQueued]: 5_000_000_000,
      [CONNECTION_ATTRIBUTE.bytesDelivered]: 4_999_999_999,
      [CONNECTION_ATTRIBUTE.framesDropped]: 12,
    };
    const failover = {
      [FAILOVER_ATTRIBUTE.app]: 'channel',
      [FAILOVER_ATTRIBUTE.from]: 'origin-1',
      [FAILOVER_ATTRIBUTE.to]: 'origin-2',
      [FAILOVER_ATTRIBUTE.gapMs]: 250,
      [FAILOVER_ATTRIBUTE.viewers]: 31,
    };
    const records = [
      { timeMs: openedAtMs, eventName: EVENT.connectionOpened, attributes: opened },
      { timeMs: openedAtMs + 30_000, eventName: EVENT.connectionClosed, attributes: closed },
      { timeMs: openedAtMs + 1_000, eventName: EVENT.failover, attributes: failover },
      { timeMs: openedAtMs + 2_000, body: 'plain words', severityNumber: 13, attributes: { why: 'test' } },
      {
        timeMs: openedAtMs + 3_000,
        eventName: EVENT.connectionOpened,
        attributes: { ...opened, [CONNECTION_ATTRIBUTE.id]: 'no uuid' },
      },
    ];
    await outbox.send('logs', logsPayload(outbox.sender, records));
    const ask = () =>
      pipeline.row(
        "SELECT is_open, duration_seconds, role, stream, client_address, client_port, session_id, reason, bytes_queued, bytes_delivered, frames_dropped FROM connections WHERE node = 'events-1'",
      );
    const connection = await eventually(ask, () => true);
    assert.deepEqual(connection, {
      is_open: '0',
      duration_seconds: '30',
      role: 'viewer',
      stream: "it's'); DROP TABLE logs; --",
      client_address: '2001:db8::1',
      client_port: '54321',
      session_id: 'session-1',
      reason: 'slow-viewer',
      bytes_queued: '5000000000',
      bytes_delivered: '4999999999',
      frames_dropped: '12',
    });
    const moved = await eventually(
      () => pipeline.row("SELECT from_node, to_node, gap_ms, viewers FROM failovers WHERE node = 'events-1'"),
      () => true,
    );
    assert.deepEqual(moved, { from_node: 'origin-1', to_node: 'origin-2', gap_ms: '250', viewers: '31' });
    const logs = await eventually(
      () => pipeline.rows("SELECT event_name, severity, body FROM logs WHERE node = 'events-1' ORDER BY time"),
      (rows) => rows.length === 2,
    );
    assert.deepEqual(logs, [
      { event_name: '', severity: 'WARN', body: 'plain words' },
      { event_name: EVENT.connectionOpened, severity: '', body: '' },
    ]);
    assert.equal(await ingest.metric('weir_ingest_broken_events_total'), 1);
  });

  it('recognises messages that are sent again after JetStream forgot their ids, and counts those that never came', async () => {
    const outbox = outboxOf('again-1');
    const payload = (value: number) =>
      metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value, timeMs: Date.now() }]);
    const repeatsBefore = await ingest.metric('weir_ingest_repeats_total');
    const first = payload(10);
    await outbox.send('metrics', first);
    await outbox.send('metrics', payload(20));
    // without a message id JetStream stores it again, as it does when its window is over
    await outbox.send('metrics', first, { sequence: 1, withoutMessageId: true });
    await outbox.send('metrics', payload(40), { sequence: 6 });
    await outbox.send('metrics', payload(20), { sequence: 2, withoutMessageId: true });
    await pipeline.holds("node = 'again-1'", { count: 3, sum: 70 });
    await eventually(
      () => ingest.metric('weir_ingest_repeats_total'),
      (repeats) => repeats === repeatsBefore + 2,
    );
    assert.equal(await ingest.metric('weir_ingest_lost_total'), 3);
  });

  it('stores equal figures twice when they were measured twice: content is no reason to call a message a repeat', async () => {
    const outbox = outboxOf('equal-1');
    const payload = metricsPayload(outbox.sender, [
      { metric: 'live.io', kind: 'counter', value: 5, timeMs: Date.now() },
    ]);
    for (let times = 1; times <= 3; times++) {
      await outbox.send('metrics', payload);
      await pipeline.holds("node = 'equal-1'", { count: times, sum: 5 * times });
    }
  });

  it('writes a backlog of 200,000 samples in a few large batches, rolled up like any other', async () => {
    await ingest.stop();
    const outbox = outboxOf('large-1');
    const expected = { count: 0, sum: 0 };
    for (let message = 0; message < 100; message++) {
      const timeMs = Date.now() - message * 1_000;
      const points = Array.from({ length: 2_000 }, (_, index): TestPoint => {
        return { metric: `m${index % 50}`, kind: 'counter', value: index, timeMs, attributes: { index } };
      });
      expected.count += points.length;
      expected.sum += points.reduce((sum, { value }) => sum + value, 0);
      await outbox.send('metrics', metricsPayload(outbox.sender, points));
    }
    await ingest.restart();
    await pipeline.holds("node = 'large-1'", expected);
    const batches = await ingest.metric('weir_ingest_batches_total');
    assert.ok(batches <= 10, `${batches} batches for 100 messages that were waiting`);
    const series = await pipeline.row(
      "SELECT count() AS series, uniqExact(series_id) AS ids FROM metric_series FINAL WHERE node = 'large-1'",
    );
    assert.deepEqual(series, { series: '2000', ids: '2000' });
  });

  it('shows its lag to autoscalers and on /metrics, and comes back to none', async () => {
    const manager = await jetstreamManager(pipeline.connection);
    const lag = async () => {
      let messages = 0;
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const info = await manager.consumers.info('WEIR_TELEMETRY', `weir-ingest-${partition}`);
        messages += info.num_pending + info.num_ack_pending;
      }
      return messages;
    };
    await eventually(lag, (messages) => messages === 0);
    await ingest.stop();
    const outbox = outboxOf('lag-1');
    for (let value = 1; value <= 5; value++) {
      await outbox.send(
        'metrics',
        metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value, timeMs: Date.now() }]),
      );
    }
    assert.equal(await lag(), 5);
    await ingest.restart();
    await pipeline.holds("node = 'lag-1'", { count: 5, sum: 15 });
    await eventually(lag, (messages) => messages === 0);
    assert.equal(await ingest.metric('weir_ingest_lag'), 0);
  });
});
