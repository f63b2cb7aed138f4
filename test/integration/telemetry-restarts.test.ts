/** A node's telemetry against a real nats-server: once and in order over restarts of either, and what it refuses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseNetDev } from '@weir/telemetry/host/linux';
import { mediaSnapshot, samplesOf, total, withoutRepeats } from '@weir/test/harness/telemetry';
import { InProcessTelemetry } from '@weir/test/harness/telemetry-in-process';
import { waitFor } from '@weir/test/harness/wait';

describe('telemetry of a node that starts, stops and loses NATS', () => {
  let node: InProcessTelemetry;
  beforeEach(async () => {
    node = await InProcessTelemetry.start();
  });
  afterEach(() => node?.close());

  it('adds nothing to any counter when the node restarts, neither its own totals nor bytes since boot', async () => {
    const netDev = () => Object.values(parseNetDev(readFileSync('/proc/net/dev', 'utf8')));
    const receivedByAll = () => netDev().reduce((sum, card) => sum + card.receivedBytes, 0);
    const receivedBefore = receivedByAll();
    const cpuBefore = performance.now();
    for (let run = 0; run < 3; run++) {
      let samples = 0;
      const telemetry = await node.start(() => {
        samples++;
        return mediaSnapshot({ connections: [{ role: 'viewer', protocol: 'rtmp', open: 1, opened: samples * 100 }] });
      });
      await telemetry.flush();
      await telemetry.flush();
      await telemetry.close();
    }
    const messages = await node.received();
    // each run takes three samples, the last one when it closes
    assert.equal(total(messages, 'live.connections.opened'), 3 * 300);
    const received = total(messages, 'system.network.io', { 'network.io.direction': 'receive' });
    assert.ok(received <= receivedByAll() - receivedBefore, `${received} bytes told`);
    const cpus = samplesOf(messages, 'system.cpu.logical.count')[0]?.value ?? 0;
    const wallSeconds = ((performance.now() - cpuBefore) / 1_000) * cpus;
    assert.ok(total(messages, 'system.cpu.time') <= wallSeconds * 1.1 + 1, 'no CPU time since boot');
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      messages.map((_, index) => index + 1),
    );
    assert.equal(new Set(messages.map(({ outbox }) => outbox)).size, 1, 'the outbox keeps its identity');
  });

  it('loses nothing and keeps the order when NATS is killed for many samples', async () => {
    let samples = 0;
    const snapshot = () =>
      mediaSnapshot({ connections: [{ role: 'viewer', protocol: 'rtmp', open: 0, opened: ++samples }] });
    const telemetry = await node.start(snapshot, { intervalMs: 100 });
    await waitFor('samples before', () => samples >= 5);
    await node.nats.kill9();
    const atKill = samples;
    await waitFor('samples meanwhile', () => samples >= atKill + 30);
    await node.nats.restart();
    await waitFor('samples after', () => samples >= atKill + 40);
    await telemetry.published(20_000); // the client may take seconds to find NATS again
    await telemetry.close();

    const all = await node.received();
    const messages = withoutRepeats(all);
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      messages.map((_, index) => index + 1),
      'no hole, in order',
    );
    assert.equal(total(messages, 'live.connections.opened'), samples);
    assert.equal(total(messages, 'weir.outbox.dropped'), 0);
    assert.ok(
      samplesOf(messages, 'weir.outbox.messages').some(({ value }) => value >= 20),
      'they waited in the outbox',
    );
  });

  it('measures before NATS was ever there, and delivers once it is', async () => {
    await node.stopNatsAndConnect();
    const telemetry = await node.start(() => mediaSnapshot());
    for (let sample = 0; sample < 3; sample++) await telemetry.flush();
    const closingAt = performance.now();
    await telemetry.close();
    assert.ok(performance.now() - closingAt < 5_000, 'closing does not wait for a NATS that is away');

    await node.nats.restart();
    const next = await node.start(() => mediaSnapshot());
    const messages = await node.published(next);
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      [1, 2, 3, 4],
    );
  });

  it('refuses a second node in the same process and an outbox that is in use', async () => {
    const first = await node.start(() => mediaSnapshot());
    await assert.rejects(
      node.start(() => mediaSnapshot()),
      { code: 'OUTBOX_IN_USE', message: /outbox\.db.*node\.dataDir/ },
    );
    node.useNewDir();
    await assert.rejects(
      node.start(() => mediaSnapshot()),
      { code: 'TELEMETRY_TWICE' },
    );
    await first.flush();
    assert.equal((await node.published(first)).length, 1, 'the first one goes on');
  });

  it('says so when the environment has switched OpenTelemetry off, and hinders nobody', async () => {
    process.env.OTEL_SDK_DISABLED = 'true';
    try {
      await assert.rejects(
        node.start(() => mediaSnapshot()),
        { code: 'TELEMETRY_DISABLED', message: /OTEL_SDK_DISABLED/ },
      );
    } finally {
      delete process.env.OTEL_SDK_DISABLED;
    }
    const [disabled] = node.running;
    disabled?.observer.failover({
      app: 'a',
      stream: 'b',
      cause: 'c',
      from: '',
      to: '',
      noticedAtMs: 1,
      gapMs: 1,
      mediaGapMs: undefined,
      viewers: 1,
    });
    await disabled?.close();
  });
});
