/** Three NATS servers: the leader of the telemetry stream is killed under load; nothing is lost and nothing counted twice. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { DATABASE, TABLE } from '@weir/contracts/tables';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startNatsCluster, type TestNatsCluster } from '@weir/test/harness/nats-cluster';
import { metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { eventually } from '@weir/test/harness/wait';

const NODES = ['edge-1', 'edge-2', 'edge-3', 'edge-4'];
const nats = { replicas: 3 };

describe('a NATS cluster of three', () => {
  let cluster: TestNatsCluster;
  let store: TestStore;
  let ingest: TestIngest;
  let connection: NatsConnection;
  before(async () => {
    cluster = await startNatsCluster();
    store = await startTestStore();
    const { name: user, password } = store.writer;
    const logger = createLogger('test', 'silent');
    await migrate({ url: store.url, user, password, database: DATABASE, cluster: '', logger });
    connection = await connect({ servers: [...cluster.urls], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    await ensureTelemetryStreams(await jetstreamManager(connection), loadConfig({ values: { nats } }));
    ingest = await startTestIngest({
      nats: { url: '' },
      store,
      config: { nats: { ...nats, servers: [...cluster.urls] } },
    });
  });
  after(async () => {
    await ingest?.close();
    await connection?.close();
    await store?.close();
    await cluster?.close();
  });

  it('loses nothing and doubles nothing when the leader of the stream dies under load', async () => {
    let sent = 0;
    let isEnough = false;
    const startMs = Date.now() - 120_000;
    const sending = NODES.map(async (node) => {
      const outbox = new TestOutbox(connection, { node }, 4);
      for (let round = 0; !isEnough; round++) {
        const point = { metric: 'live.io', kind: 'counter' as const, value: 1, timeMs: startMs + round };
        await outbox.send('metrics', metricsPayload(outbox.sender, [point]));
        sent++;
      }
    });
    const stored = async () => {
      const answer = await store.client({ database: DATABASE }).query({
        query: `SELECT count() AS count, sum(value) AS sum, (SELECT sum(sum) FROM ${TABLE.metric1w}) AS week FROM ${TABLE.metricSamples}`,
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      });
      const [row] = await answer.json<{ count: number; sum: number; week: number }>();
      return row ?? { count: 0, sum: 0, week: 0 };
    };
    await eventually(stored, ({ count }) => count > 20);
    const jsm = await jetstreamManager(connection);
    const leader = String((await jsm.streams.info(TELEMETRY_STREAM)).cluster?.leader);
    const before = sent;
    await cluster.servers.get(leader)?.kill9();
    await eventually(
      async () => sent,
      (count) => count > before + 50,
    );
    isEnough = true;
    await Promise.all(sending);
    const now = await jsm.streams.info(TELEMETRY_STREAM);
    assert.notEqual(now.cluster?.leader, leader);
    await eventually(stored, ({ count, sum, week }) => count === sent && sum === sent && week === sent);
    // the dead one comes back and catches up
    await cluster.servers.get(leader)?.restart();
    await eventually(
      async () => (await jsm.streams.info(TELEMETRY_STREAM)).cluster?.replicas ?? [],
      (replicas) => replicas.length === 2 && replicas.every(({ current }) => current),
    );
  });
});
