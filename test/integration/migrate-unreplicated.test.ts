/** Whoever has a ClickHouse server without replicated tables is told what a kill of it may cost; the embedded store mends that. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { STORE_HEADER, TABLE } from '@weir/contracts/tables';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestStore, type TestStore } from '@weir/test/harness/store';

describe('a migration', () => {
  let store: TestStore;
  before(async () => {
    store = await startTestStore();
  });
  after(() => store?.close());

  /** Migrates at `url`; gives the warnings. */
  const warnings = async (url: string) => {
    const told: { tables: string[]; message: string }[] = [];
    const logger = createLogger('test', 'silent');
    Object.assign(logger, {
      warn: (fields: { tables: string[] }, message: string) => told.push({ ...fields, message }),
    });
    const { name: user, password } = store.writer;
    await migrate({ url, user, password, database: 'weir', cluster: '', logger });
    return told;
  };

  it('warns of unreplicated tables on a server, and not in the embedded store', async () => {
    assert.deepEqual(await warnings(store.url), []);
    // as a server answers: without saying that it is our store
    const server = createServer((incoming, outgoing) => {
      const { method, headers, url = '/' } = incoming;
      const onward = request(new URL(url, store.url), { method, headers }, (answer) => {
        delete answer.headers[STORE_HEADER.toLowerCase()];
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const [warning, ...others] = await warnings(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      assert.deepEqual(others, []);
      assert.match(warning?.message ?? '', /a kill of that server may lose or double a batch.*--clickhouse-cluster/);
      assert.ok(warning?.tables.includes(TABLE.metricSamples));
      assert.ok(!warning?.tables.includes('schema_migrations'));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
