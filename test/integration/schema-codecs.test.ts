/** A database from before the change of codecs is migrated in place: no row is lost, sums stay, repeats are still recognised. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { DATABASE, TABLE } from '@weir/contracts/tables';
import { migrate, readMigrations, renderMigration } from '@weir/infra/clickhouse/migrate';
import { startTestStore, type TestStore } from '@weir/test/harness/store';

const CODECS_SINCE = 80;
const TABLES = [TABLE.metricSamples, TABLE.metric1m, TABLE.metric1h, TABLE.metric1w];

describe('the change of codecs', () => {
  let store: TestStore;
  before(async () => {
    store = await startTestStore();
  });
  after(() => store.close());

  it('keeps what is there, in place, and takes new rows', async () => {
    const client = store.client();
    const target = { database: DATABASE, cluster: '' };
    await client.command({ query: `CREATE DATABASE ${DATABASE}` });
    for (const { sql, version } of readMigrations()) {
      if (version >= CODECS_SINCE) continue;
      for (const query of renderMigration(sql, target)) await client.command({ query });
    }
    const insert = (token: string, value: string) =>
      client.command({
        query: `INSERT INTO ${DATABASE}.${TABLE.metricSamples} SELECT toDateTime64(now(), 3) - number * 5, 'c', 's', 'm', 'n', 'live.io', number % 7, ${value} FROM numbers(5000)`,
        clickhouse_settings: {
          insert_deduplication_token: token,
          deduplicate_blocks_in_dependent_materialized_views: 1,
        },
      });
    await insert('a', 'number / 3');
    const look = async () => {
      const sums: Record<string, unknown> = {};
      for (const table of TABLES) {
        const column = table === TABLE.metricSamples ? 'value' : 'sum';
        const answer = await client.query({
          query: `SELECT round(sum(${column}), 3) AS sum FROM ${DATABASE}.${table}`,
          format: 'JSONEachRow',
        });
        sums[table] = (await answer.json<{ sum: number }>())[0]?.sum;
      }
      return sums;
    };
    const then = await look();
    assert.ok(Number(then[TABLE.metricSamples]) > 0);
    const { name: user, password } = store.writer;
    await migrate({ url: store.url, user, password, ...target, logger: createLogger('test', 'silent') });
    assert.deepEqual(await look(), then);
    // a batch of before that is sent again after it
    await insert('a', 'number / 3');
    assert.deepEqual(await look(), then);
    await insert('b', '0.25');
    await client.command({ query: `OPTIMIZE TABLE ${DATABASE}.${TABLE.metricSamples} FINAL` });
    const now = await look();
    for (const table of TABLES) assert.equal(now[table], Number(then[table]) + 1_250, table);
    const codec = await client.query({
      query: `SELECT compression_codec AS codec FROM system.columns WHERE database = '${DATABASE}' AND table = '${TABLE.metricSamples}' AND name = 'value'`,
      format: 'JSONEachRow',
    });
    assert.deepEqual(await codec.json(), [{ codec: 'CODEC(ZSTD(12))' }]);
  });
});
