/** Credentials per node, made by `weir node` and kept by a real nats-server: what they allow, what not, and their exchange. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, credsAuthenticator, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { BUCKET, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { DATABASE, TABLE } from '@weir/contracts/tables';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestIngest } from '@weir/test/harness/ingest';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import { startTestStore } from '@weir/test/harness/store';
import { eventually } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

const logger = createLogger('test', 'silent');
const PARTITIONS = 4;

describe('credentials of nodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-credentials-'));
  const keys = join(folder, 'keys');
  let nats: TestNats;
  let admin: NatsConnection;
  const node = async (...args: string[]) => {
    const servers = nats === undefined ? [] : ['--nats-servers', nats.url];
    const { stdout, stderr, status } = await weir(['node', ...args, '--keys', keys, ...servers]);
    return { said: stdout + stderr, status };
  };
  const done = async (...args: string[]) => {
    const { said, status } = await node(...args);
    assert.equal(status, 0, said);
    return said;
  };
  const creds = (name: string) => join(keys, `${name}.creds`);
  const login = (name: string) =>
    connect({ servers: nats.url, name, authenticator: credsAuthenticator(readFileSync(creds(name))) });

  before(async () => {
    await done('init', '--server-dir', join(folder, 'jwt'));
    await done('add', 'edge-1');
    await done('add', 'edge-2');
    await done('add', 'probe', '--role', 'agent');
    nats = await startNats({ args: ['-c', join(keys, 'nats-auth.conf')] });
    admin = await login('admin');
    await ensureTelemetryStreams(await jetstreamManager(admin), loadConfig());
    for (const bucket of [BUCKET.nodes, BUCKET.usage, BUCKET.progress]) await new Kvm(admin).create(bucket);
  });
  after(async () => {
    await admin?.close();
    await nats?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are files for their owner alone, and one per name', async () => {
    assert.equal(statSync(creds('edge-1')).mode & 0o777, 0o600);
    assert.equal(statSync(join(keys, 'authority.json')).mode & 0o777, 0o600);
    assert.match((await node('add', 'edge-1')).said, /\[NODE_CREDENTIALS_EXIST\]/);
    assert.match((await node('init')).said, /\[NODE_AUTHORITY_EXISTS\]/);
    assert.match((await node('remove', 'edge-9')).said, /\[NODE_CREDENTIALS_UNKNOWN\]/);
    assert.match((await node('add', 'a b')).said, /\[NODE_NAME\]/);
    assert.match((await node('add', 'edge-9', '--role', 'king')).said, /\[NODE_ROLE\]/);
  });

  it('let a node send its telemetry, hold its name and read the cluster', async () => {
    const connection = await login('edge-1');
    const { seq } = await jetstream(connection).publish('weir.telemetry.1.metrics.edge-1', 'x');
    assert.ok(seq > 0);
    const kv = await new Kvm(connection).create(BUCKET.nodes);
    await kv.put('edge-1', '{}');
    assert.equal((await kv.get('edge-1'))?.string(), '{}');
    await connection.close();
  });

  it('let it do nothing in the name of others', async () => {
    const connection = await login('edge-1');
    const refused: string[] = [];
    const listening = (async () => {
      for await (const status of connection.status())
        if (status.type === 'error' && status.error instanceof PermissionViolationError)
          refused.push(status.error.subject);
    })();
    const forbidden = [
      'weir.telemetry.1.metrics.edge-2',
      'weir.telemetry.0.otlp-metrics.otlp-x',
      'weir.deadletter.1.metrics.edge-1',
      `$KV.${BUCKET.nodes}.edge-2`,
      `$KV.${BUCKET.usage}.edge-2`,
      `$KV.${BUCKET.progress}.p0`,
      'weir.cluster.control.edge-2',
      'weir.cluster.control',
      `$JS.API.STREAM.DELETE.${TELEMETRY_STREAM}`,
      `$JS.API.STREAM.PURGE.KV_${BUCKET.nodes}`,
      `$JS.API.CONSUMER.CREATE.${TELEMETRY_STREAM}`,
      `$JS.API.STREAM.MSG.GET.${TELEMETRY_STREAM}`,
      '$SYS.REQ.CLAIMS.UPDATE',
    ];
    for (const subject of forbidden) connection.publish(subject, 'forged');
    const unheard = ['weir.telemetry.>', 'weir.cluster.control.edge-2', 'weir.cluster.reply.*'];
    for (const subject of unheard) connection.subscribe(subject, { callback: () => {} });
    await connection.flush();
    await eventually(
      async () => [...refused].sort(),
      (found) => found.length === forbidden.length + unheard.length,
    );
    assert.deepEqual([...refused].sort(), [...forbidden, ...unheard].sort());
    const { state } = await (await jetstreamManager(admin)).streams.info(TELEMETRY_STREAM, { subjects_filter: '>' });
    assert.deepEqual(Object.keys(state.subjects ?? {}), ['weir.telemetry.1.metrics.edge-1']);
    await connection.close();
    await listening;
  });

  it('let an agent send its telemetry, hold its name and be no member', async () => {
    const connection = await login('probe');
    await jetstream(connection).publish('weir.telemetry.1.metrics.probe', 'x');
    const agents = await new Kvm(connection).create(BUCKET.agents);
    await agents.put('probe', '{}');
    assert.equal((await agents.get('probe'))?.string(), '{}');
    // it may ask whether a node has its name
    assert.equal(await (await new Kvm(connection).create(BUCKET.nodes)).get('probe'), null);
    connection.publish(`$KV.${BUCKET.agents}.edge-1`, 'x');
    connection.publish(`$KV.${BUCKET.nodes}.probe`, 'x');
    await connection.flush();
    assert.equal(await (await new Kvm(admin).open(BUCKET.nodes)).get('probe'), null);
    assert.equal(await (await new Kvm(admin).open(BUCKET.agents)).get('edge-1'), null);
    await connection.close();
  });

  it('are exchanged under load without a message lost or doubled, by a node that goes on running', async () => {
    const store = await startTestStore();
    const { name: user, password } = store.writer;
    await migrate({ url: store.url, user, password, database: DATABASE, cluster: '', logger });
    const ingest = await startTestIngest({ nats, store, config: { nats: { credsFile: creds('ingest') } } });
    const own = join(folder, 'node.creds');
    copyFileSync(creds('edge-1'), own);
    const config = loadConfig({ values: { nats: { servers: [nats.url], credsFile: own } } });
    const handle = connectNats(config.nats, 'edge-1', logger);
    try {
      const connection = await handle.ready(10_000);
      const outbox = new TestOutbox(connection, { node: 'edge-1', machineId: 'm-1' }, PARTITIONS);
      let sent = 0;
      let isEnough = false;
      const startMs = Date.now() - 60_000;
      const sending = (async () => {
        while (!isEnough) {
          const point = { metric: 'live.io', kind: 'counter' as const, value: 1, timeMs: startMs + sent };
          // tried until it is acknowledged, as a node's publisher does
          await outbox.send('metrics', metricsPayload(outbox.sender, [point]));
          sent++;
        }
      })();
      await eventually(
        async () => sent,
        (count) => count > 20,
      );
      await done('rotate', 'edge-1');
      const old = readFileSync(own, 'utf8');
      copyFileSync(creds('edge-1'), own);
      let cuts = 0;
      handle.onChange((state) => {
        if (state === 'down') cuts++;
      });
      assert.match(
        await done('rotate', 'edge-1', '--finish'),
        /only the newest credentials are good, at the NATS server\./,
      );
      await eventually(
        async () => cuts,
        (count) => count === 1,
      );
      const before = sent;
      await eventually(
        async () => sent,
        (count) => count > before + 20,
      );
      isEnough = true;
      await sending;
      writeFileSync(own, old);
      const late = connectNats(config.nats, 'late', logger);
      await assert.rejects(late.ready(5_000), { code: 'NATS_AUTH' });
      await late.close();
      const stored = () =>
        store
          .client({ database: DATABASE })
          .query({
            query: `SELECT count() AS n, sum(value) AS s FROM ${TABLE.metricSamples} WHERE metric = 'live.io'`,
            format: 'JSONEachRow',
          })
          .then((answer) => answer.json<{ n: string; s: number }>());
      await eventually(stored, ([row]) => Number(row?.n) === sent && row?.s === sent);
    } finally {
      await handle.close();
      await ingest.close();
      await store.close();
    }
  });

  it('end at once when they are taken away, also of who is connected', async () => {
    const connection = await login('edge-2');
    const closed = (async () => {
      for await (const status of connection.status()) if (status.type === 'disconnect') return true;
      return false;
    })();
    assert.match(await done('remove', 'edge-2'), /its credentials are revoked/);
    assert.equal(await closed, true);
    await connection.close();
    await assert.rejects(login('edge-2'));
    const users = JSON.parse(await done('list', '--json')) as { name: string }[];
    assert.deepEqual(users.map(({ name }) => name).sort(), ['admin', 'edge-1', 'ingest', 'probe']);
    // a server that starts anew knows it too
    await nats.restart();
    await assert.rejects(login('edge-2'));
  });

  it('are changed here while servers are away, which is said', async () => {
    await nats.stop();
    const { said, status } = await node('remove', 'probe');
    assert.equal(status, 1);
    assert.match(said, /no NATS server at .* took it .*run "weir node push" when they are back\. \[NODE_PUSH\]/);
    await nats.restart();
    assert.match(await done('push'), /at the NATS server/);
    await assert.rejects(login('probe'));
  });
});
