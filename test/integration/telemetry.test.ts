/** A node's telemetry against a real nats-server: what it measures arrives whole, under the names of the catalogue. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { CONNECTION_ATTRIBUTE, EVENT, FAILOVER_ATTRIBUTE } from '@weir/contracts/events';
import { METRICS } from '@weir/contracts/metrics';
import { TELEMETRY_MAX_PAYLOAD_BYTES } from '@weir/contracts/nats/names';
import { TEMPORALITY } from '@weir/contracts/otlp/metrics';
import { RESOURCE } from '@weir/contracts/resource';
import type { ConnectionClosed } from '@weir/edge/stats';
import { mediaSnapshot, samplesOf, streamSnapshot, total } from '@weir/test/harness/telemetry';
import { InProcessTelemetry } from '@weir/test/harness/telemetry-in-process';
import { waitFor } from '@weir/test/harness/wait';

describe('telemetry of a node', () => {
  let node: InProcessTelemetry;
  beforeEach(async () => {
    node = await InProcessTelemetry.start();
  });
  afterEach(() => node?.close());

  it('arrives as OTLP under the names of the catalogue, with the inventory, on the grid of the UTC clock', async () => {
    const intervalMs = 250;
    const telemetry = await node.start(() => mediaSnapshot({ streams: [streamSnapshot('a', { viewers: 3 })] }), {
      intervalMs,
    });
    const messages = await waitFor('four samples', async () => {
      const found = await node.received();
      return found.length >= 4 && found;
    });
    await telemetry.close();

    const times = messages.map(({ samples }) => samples[0]?.timeMs ?? 0);
    for (const [index, { samples }] of messages.entries()) {
      assert.ok(
        samples.every(({ timeMs }) => timeMs === times[index]),
        'all points of a sample share its time',
      );
      assert.equal((times[index] ?? 1) % intervalMs, 0);
      assert.ok(index === 0 || (times[index] ?? 0) > (times[index - 1] ?? 0));
    }
    for (const { metric, unit, kind, temporality, attributes } of messages.flatMap(({ samples }) => samples)) {
      const definition = METRICS[metric as keyof typeof METRICS];
      assert.ok(definition, `${metric} is in the catalogue`);
      assert.equal(unit, definition.unit, metric);
      assert.equal(kind, definition.kind === 'counter' ? 'sum' : definition.kind, metric);
      assert.equal(temporality, kind === 'gauge' ? TEMPORALITY.unspecified : TEMPORALITY.delta, metric);
      // only a node with workers tells its processes apart
      const expected = definition.attributes.filter((name) => name !== 'weir.worker').sort();
      assert.deepEqual(Object.keys(attributes).sort(), expected, metric);
    }
    assert.equal(samplesOf(messages, 'live.stream.viewers', { app: 'live', stream: 'a' }).at(-1)?.value, 3);

    const resource = messages[0]?.resource ?? {};
    assert.equal(resource[RESOURCE.node], 'edge-1');
    assert.equal(resource[RESOURCE.site], 'here');
    assert.equal(resource[RESOURCE.addressRtmp], 'h:1935');
    assert.equal(resource[RESOURCE.machineId], telemetry.machineId);
    for (const key of [RESOURCE.cpuModels, RESOURCE.networkCards, RESOURCE.hostIp, RESOURCE.hostMac]) {
      assert.ok(Array.isArray(resource[key]) && resource[key].length > 0, key);
    }
    assert.ok(Number(resource[RESOURCE.memoryBytes]) > 1e8);
    for (const key of [RESOURCE.kernel, RESOURCE.osDescription, RESOURCE.hostArch]) assert.ok(resource[key], key);
  });

  it('tells CPU, memory and network of the machine truly', async () => {
    const telemetry = await node.start(() => mediaSnapshot());
    const messages = await waitFor('processors to have worked', async () => {
      await telemetry.flush();
      const found = await node.published(telemetry);
      return samplesOf(found, 'system.cpu.utilization').length > 0 && found;
    });
    const value = (metric: string, attributes = {}) => samplesOf(messages, metric, attributes)[0]?.value ?? Number.NaN;
    const used = value('system.cpu.utilization', { 'cpu.mode': 'used' });
    assert.ok(used >= 0 && used <= 1, `used ${used}`);
    for (const mode of ['iowait', 'steal']) assert.ok(value('system.cpu.utilization', { 'cpu.mode': mode }) >= 0, mode);
    const memory = ['used', 'free', 'cached', 'buffers'].map((state) =>
      value('system.memory.usage', { 'system.memory.state': state }),
    );
    assert.equal(
      memory.reduce((sum, bytes) => sum + bytes, 0),
      value('system.memory.limit'),
    );
    assert.ok(samplesOf(messages, 'system.network.io', { 'network.io.direction': 'receive' }).length > 0);
    const root = value('system.filesystem.utilization', { 'system.filesystem.mountpoint': '/' });
    assert.ok(root > 0 && root <= 1, `/ is ${root} full`);
    assert.ok(value('process.memory.usage') > 1e7);
  });

  it('compares the clock with that of NATS', async () => {
    const telemetry = await node.start(() => mediaSnapshot());
    const offset = await waitFor('an offset', async () => {
      await telemetry.flush();
      return samplesOf(await node.published(telemetry), 'system.clock.offset')[0];
    });
    assert.ok(Math.abs(offset.value) < 0.5, `the same clock seems ${offset.value} s off`);
  });

  it('reports 5,000 streams one by one in messages NATS can take, and forgets them when they end', async () => {
    let names = Array.from({ length: 5_000 }, (_, index) => `stream-${index}`);
    const telemetry = await node.start(() =>
      mediaSnapshot({ streams: names.map((name, index) => streamSnapshot(name, { viewers: index, bytesIn: 7 })) }),
    );
    await telemetry.flush();
    const messages = await node.published(telemetry);
    const viewers = samplesOf(messages, 'live.stream.viewers');
    assert.equal(new Set(viewers.map(({ attributes }) => attributes.stream)).size, 5_000);
    assert.equal(viewers.find(({ attributes }) => attributes.stream === 'stream-4711')?.value, 4_711);
    assert.equal(total(messages, 'live.stream.io', { 'network.io.direction': 'receive' }), 35_000);
    assert.ok(
      messages.flatMap(({ samples }) => samples).every(({ attributes }) => !('otel.metric.overflow' in attributes)),
    );
    assert.ok(messages.length > 1 && messages.every(({ sizeBytes }) => sizeBytes <= TELEMETRY_MAX_PAYLOAD_BYTES));

    names = ['stream-1'];
    await telemetry.flush();
    const later = (await node.published(telemetry)).slice(messages.length);
    assert.deepEqual(
      samplesOf(later, 'live.stream.viewers').map(({ attributes }) => attributes.stream),
      ['stream-1'],
    );
  });

  it('tells each connection’s start and end and each fail-over as events', async () => {
    const telemetry = await node.start(() => mediaSnapshot());
    const closed: ConnectionClosed = {
      id: '0f8fad5b-d9cb-469f-a165-70867728950e',
      role: 'viewer',
      protocol: 'http-flv',
      app: 'live',
      stream: 'a',
      clientAddress: '192.0.2.7',
      clientPort: 50_123,
      session: 's-1',
      userAgent: 'x'.repeat(300),
      openedAtMs: 1_700_000_000_123,
      reason: 'slow-viewer',
      bytesIn: 10,
      bytesQueued: 5_000,
      bytesDelivered: 4_000,
      framesDropped: 9,
      closedAtMs: 1_700_000_005_456,
    };
    telemetry.observer.connectionOpened(closed);
    telemetry.observer.connectionClosed(closed);
    telemetry.observer.failover({
      app: 'live',
      stream: 'a',
      cause: 'stall',
      from: 'origin-1',
      to: 'origin-2',
      noticedAtMs: 1_700_000_001_000,
      gapMs: 420,
      mediaGapMs: 0,
      viewers: 17,
    });
    await telemetry.flush();
    await telemetry.flush();
    const messages = await node.published(telemetry);
    const [opening, closing, failover, ...more] = messages.flatMap(({ records }) => records);
    assert.equal(more.length, 0);
    assert.equal(opening?.eventName, EVENT.connectionOpened);
    assert.equal(opening?.timeMs, closed.openedAtMs);
    assert.equal(opening?.attributes.get(CONNECTION_ATTRIBUTE.id), closed.id);
    assert.equal(opening?.attributes.get(CONNECTION_ATTRIBUTE.clientPort), 50_123);
    assert.equal(closing?.eventName, EVENT.connectionClosed);
    assert.equal(closing?.timeMs, closed.closedAtMs);
    assert.equal(closing?.attributes.get(CONNECTION_ATTRIBUTE.openedAtMs), closed.openedAtMs);
    assert.equal(closing?.attributes.get(CONNECTION_ATTRIBUTE.reason), 'slow-viewer');
    assert.equal(closing?.attributes.get(CONNECTION_ATTRIBUTE.bytesDelivered), 4_000);
    assert.equal(closing?.attributes.get(CONNECTION_ATTRIBUTE.userAgent), 'x'.repeat(200));
    assert.equal(failover?.eventName, EVENT.failover);
    assert.equal(failover?.attributes.get(FAILOVER_ATTRIBUTE.to), 'origin-2');
    assert.equal(failover?.attributes.get(FAILOVER_ATTRIBUTE.viewers), 17);
    const [gap] = samplesOf(messages, 'live.failover.gap', { cause: 'stall' });
    assert.ok(gap && Math.abs(gap.value - 0.42) < 1e-9);
  });

  it('counts the events it has to drop, and keeps every other one', async () => {
    const telemetry = await node.start(() => mediaSnapshot());
    const opened = {
      role: 'viewer',
      protocol: 'rtmp',
      app: 'a',
      stream: 'b',
      clientAddress: '192.0.2.1',
      clientPort: 1,
      session: '',
      userAgent: '',
      openedAtMs: 1,
    } as const;
    for (let index = 0; index < 40_000; index++) telemetry.observer.connectionOpened({ ...opened, id: String(index) });
    await telemetry.flush();
    await telemetry.flush();
    const messages = await node.published(telemetry);
    const kept = messages
      .flatMap(({ records }) => records)
      .map(({ attributes }) => Number(attributes.get(CONNECTION_ATTRIBUTE.id)));
    assert.ok(kept.length >= 32_768);
    assert.deepEqual(
      kept,
      kept.map((_, index) => index),
      'the first ones, in order',
    );
    assert.equal(kept.length + total(messages, 'weir.events.dropped'), 40_000);
  });
});
