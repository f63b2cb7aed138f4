/** The handle to NATS against real servers: it comes up late, survives restarts, and says what is wrong. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { type ConfigSources, loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { Bucket } from '@weir/contracts/nats/bucket';
import { connectNats, type NatsHandle, type NatsState } from '@weir/contracts/nats/connect';
import { DEAD_LETTER_STREAM, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { DUPLICATE_WINDOW_MS, ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { waitFor } from '@weir/test/harness/wait';

const logger = createLogger('test', 'silent');
const settings = (sources: ConfigSources) => loadConfig(sources);
const natsConfig = (url: string, more = {}) => settings({ values: { nats: { servers: [url], ...more } } }).nats;

/** A port nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

function until(handle: NatsHandle, wanted: NatsState): Promise<void> {
  if (handle.state === wanted) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = handle.onChange((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}

describe('a handle to NATS', () => {
  let nats: TestNats;
  before(async () => {
    nats = await startNats();
  });
  after(() => nats.close());

  it('leaves no timer behind when it is closed at any moment of a bucket beginning to be followed', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    for (let i = 0; i < 60; i++) {
      const handle = connectNats(natsConfig(nats.url), 'short', logger);
      await handle.ready(10_000);
      const bucket = new Bucket(handle, { name: 'short_lived', leaseMs: 60_000, replicas: 1 }, logger);
      await bucket.open();
      const stop = bucket.follow(
        () => {},
        () => {},
      );
      await delay(i / 15);
      stop();
      await handle.close();
    }
    await waitFor('timers to end', () => timers() <= before);
  });

  it('is had at once and connects when NATS comes up later', async () => {
    const port = await freePort();
    const handle = connectNats(natsConfig(`nats://127.0.0.1:${port}`), 'late', logger);
    await assert.rejects(handle.ready(50), { code: 'NATS_UNREACHABLE', message: new RegExp(String(port)) });
    const late = await startNats({ port });
    try {
      const connection = await handle.ready(15_000);
      await connection.flush();
    } finally {
      await handle.close();
      await late.close();
    }
    assert.equal(handle.state, 'closed');
    await assert.rejects(handle.ready(), { code: 'NATS_CLOSED' });
  });

  it('goes down and up again with the server, on the same connection', async () => {
    const handle = connectNats(natsConfig(nats.url), 'restarting', logger);
    const connection = await handle.ready(5_000);
    const down = until(handle, 'down');
    await nats.kill9();
    await down;
    await nats.restart();
    await until(handle, 'connected');
    assert.equal(handle.connection, connection);
    await connection.flush();
    await handle.close();
  });

  it('says that the password is wrong, and gets in once it is right', async () => {
    const guarded = await startNats({ args: ['--user', 'node1', '--pass', 'right'] });
    const wrong = connectNats(natsConfig(guarded.url, { user: 'node1', password: 'wrong' }), 'wrong', logger);
    const right = connectNats(natsConfig(guarded.url, { user: 'node1', password: 'right' }), 'right', logger);
    try {
      await assert.rejects(wrong.ready(10_000), { code: 'NATS_AUTH', message: /user "node1".*nats\.password/ });
      await right.ready(10_000);
      await guarded.stop();
      const open = await startNats({ port: guarded.port });
      await Promise.all([until(wrong, 'connected'), until(right, 'connected')]);
      await Promise.all([wrong.close(), right.close()]);
      await open.close();
    } finally {
      await Promise.all([wrong.close(), right.close()]);
      await guarded.close();
    }
  });

  it('refuses a credentials file that is not there, by name', () => {
    assert.throws(() => connectNats(natsConfig(nats.url, { credsFile: '/nowhere/node.creds' }), 'x', logger), {
      code: 'NATS_CREDS_FILE',
      message: /\/nowhere\/node\.creds.*ENOENT/,
    });
  });
});

describe('the streams', () => {
  it('are created once, left alone when right, and changed when the configuration changes', async () => {
    const nats = await startNats();
    const handle = connectNats(natsConfig(nats.url), 'streams', logger);
    try {
      const jsm = await jetstreamManager(await handle.ready(5_000));
      const first = settings({ values: { telemetry: { streamMaxBytes: 2_000_000 } } });
      await Promise.all([1, 2, 3].map(() => ensureTelemetryStreams(jsm, first)));
      await ensureTelemetryStreams(jsm, first);
      const { config } = await jsm.streams.info(TELEMETRY_STREAM);
      assert.equal(config.max_bytes, 2_000_000);
      assert.deepEqual(config.subjects, ['weir.telemetry.>']);
      assert.equal(config.duplicate_window, DUPLICATE_WINDOW_MS * 1e6);
      await ensureTelemetryStreams(jsm, settings({ values: { telemetry: { streamMaxBytes: 3_000_000 } } }), 1_000);
      const changed = await jsm.streams.info(DEAD_LETTER_STREAM);
      assert.equal(changed.config.max_bytes, 3_000_000);
      assert.equal(changed.config.duplicate_window, 1_000_000_000);
    } finally {
      await handle.close();
      await nats.close();
    }
  });

  it('say what is wrong when NATS cannot keep that many replicas', async () => {
    const nats = await startNats();
    const handle = connectNats(natsConfig(nats.url), 'streams', logger);
    try {
      const jsm = await jetstreamManager(await handle.ready(5_000));
      await assert.rejects(ensureTelemetryStreams(jsm, settings({ values: { nats: { replicas: 3 } } })), {
        code: 'NATS_STREAM',
        message: /WEIR_TELEMETRY.*nats\.replicas/,
      });
    } finally {
      await handle.close();
      await nats.close();
    }
  });
});
