/** The publisher between an outbox and a real nats-server: order, patience, speed, and what can never be sent. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats, type NatsHandle } from '@weir/contracts/nats/connect';
import { HEADER, TELEMETRY_STREAM, telemetrySubject } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { type Outbox, openOutbox } from '@weir/telemetry/outbox';
import { type Publisher, startPublisher } from '@weir/telemetry/publisher';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { waitFor } from '@weir/test/harness/wait';

describe('the publisher', () => {
  let dir: string;
  let nats: TestNats | undefined;
  let handle: NatsHandle;
  let outbox: Outbox;
  let publisher: Publisher | undefined;
  const logger = createLogger('test', 'silent');

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-publisher-'));
    outbox = openOutbox({ path: join(dir, 'outbox.db'), maxBytes: 100_000_000, maxAgeMs: 60_000, logger });
  });
  afterEach(async () => {
    await publisher?.close();
    outbox.close();
    await handle.close();
    await nats?.close();
    mock.restoreAll();
    rmSync(dir, { recursive: true, force: true });
  });

  async function connect(args: string[] = []): Promise<void> {
    nats = await startNats({ args });
    handle = connectNats(config().nats, 'test', logger);
    await handle.ready(10_000);
  }
  const config = () => loadConfig({ values: { nats: { servers: [nats?.url ?? ''] } } });
  const ensureStreams = async () =>
    ensureTelemetryStreams(await jetstreamManager(await handle.ready(10_000)), config());
  const publish = () => {
    publisher = startPublisher({
      nats: handle,
      outbox,
      subject: (signal) => telemetrySubject(3, signal, 'edge-1'),
      logger,
    });
    return publisher;
  };

  it('waits for the stream to be created, says so once, and then sends everything in order', async () => {
    await connect();
    const warn = mock.method(logger, 'warn');
    const info = mock.method(logger, 'info');
    for (let count = 0; count < 5; count++) outbox.put('metrics', new Uint8Array([count]));
    const running = publish();
    await waitFor('the warning', () => warn.mock.callCount() > 0);
    outbox.put('logs', new Uint8Array([5]));
    await ensureStreams();
    await running.published(20_000);
    assert.equal(outbox.messages, 0);
    assert.equal(warn.mock.callCount(), 1);
    assert.equal(
      info.mock.calls.filter(({ arguments: [, text] }) => text === 'telemetry is being published again').length,
      1,
    );

    const jsm = await jetstreamManager(await handle.ready());
    for (let sequence = 1; sequence <= 6; sequence++) {
      const message = await jsm.streams.getMessage(TELEMETRY_STREAM, { seq: sequence });
      assert.equal(message?.header.get(HEADER.sequence), String(sequence));
      assert.equal(message?.header.get(HEADER.outbox), outbox.id);
      assert.equal(message?.header.get(HEADER.contentType), 'application/x-protobuf');
      const signal = sequence === 6 ? 'logs' : 'metrics';
      assert.equal(message?.header.get(HEADER.signal), signal);
      assert.equal(message?.subject, `weir.telemetry.3.${signal}.edge-1`);
      assert.deepEqual(Array.from(message?.data ?? []), [sequence - 1]);
    }
  });

  it('drains a backlog at hundreds of messages a second at least, one at a time', async () => {
    await connect();
    await ensureStreams();
    const messages = 2_000;
    for (let count = 0; count < messages; count++) outbox.put('metrics', new Uint8Array(19_000));
    const startedAt = performance.now();
    await publish().published(60_000);
    assert.equal(outbox.messages, 0);
    const perSecond = messages / ((performance.now() - startedAt) / 1_000);
    assert.ok(perSecond > 300, `${Math.round(perSecond)} messages a second`);
  });

  it('drops and counts a message that NATS can never take, and goes on with the next', async () => {
    const file = join(dir, 'nats.conf');
    writeFileSync(file, 'max_payload: 65536\n');
    await connect(['-c', file]);
    await ensureStreams();
    outbox.put('metrics', new Uint8Array(70_000));
    outbox.put('metrics', new Uint8Array(10));
    await publish().published(20_000);
    const { state } = await (await jetstreamManager(await handle.ready())).streams.info(TELEMETRY_STREAM);
    assert.equal(state.messages, 1);
    assert.equal(outbox.dropped.refused, 1);
    assert.equal(outbox.messages, 0);
  });

  it('leaves the rest in the outbox when it is closed while NATS is away', async () => {
    await connect();
    await nats?.kill9();
    await waitFor('the loss', () => handle.state === 'down');
    outbox.put('metrics', new Uint8Array(10));
    await publish().close();
    assert.equal(outbox.messages, 1);
  });
});
