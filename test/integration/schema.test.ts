/** What the migrations do to a real engine: applied once, rolled up level by level, each machine counted once (M4, M5). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClickHouseClient } from '@clickhouse/client';
import { createLogger } from '@weir/contracts/logger';
import { ROLLUPS } from '@weir/contracts/tables';
import { type MigrateOptions, migrate, readMigrations } from '@weir/infra/clickhouse/migrate';
import { startTestStore, type TestStore } from '../harness/store.ts';

const SERIES = 4_711;
const DAY_MS = 86_400_000;
/** The last Monday's beginning in UTC: raw samples are kept for seven days. 1970-01-05 was a Monday. */
const MONDAY_MS = Math.floor((Date.now() - 4 * DAY_MS) / (7 * DAY_MS)) * 7 * DAY_MS + 4 * DAY_MS;
const at = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
/** A Sunday evening in UTC, already Monday east of it: its week began six days before. */
const SUNDAY = at(MONDAY_MS - 2_000);

describe('the schema on a real engine', { timeout: 120_000 }, () => {
  let store: TestStore;
  let client: ClickHouseClient;
  let options: MigrateOptions;

  const rows = async <Row>(query: string): Promise<Row[]> => {
    const answer = await client.query({ query, format: 'JSONEachRow' });
    return answer.json<Row>();
  };
  const put = (time: string, value: number, token: string, node = 'edge-1') =>
    client.insert({
      table: 'weir.metric_samples',
      values: [
        { time, cluster: 'c', site: 's', machine_id: 'm', node, metric: 'live.send.queue', series_id: SERIES, value },
      ],
      format: 'JSONEachRow',
      clickhouse_settings: {
        async_insert: 0,
        insert_deduplication_token: token,
        deduplicate_blocks_in_dependent_materialized_views: 1,
      },
    });

  before(async () => {
    store = await startTestStore();
    client = store.client();
    const { name, password } = store.writer;
    const logger = createLogger('test', 'silent');
    options = { url: store.url, user: name, password, database: 'weir', cluster: '', logger };
  });

  after(async () => {
    await client?.close();
    await store?.close();
  });

  it('is applied once, however often it is asked for, and records what was done', async () => {
    const names = readMigrations().map(({ name }) => name);
    const [first, beside] = await Promise.all([migrate(options), migrate(options)]);
    assert.deepEqual([...new Set([...first.applied, ...first.already])].sort(), names);
    assert.deepEqual([...new Set([...beside.applied, ...beside.already])].sort(), names);
    assert.deepEqual(await migrate(options), { applied: [], already: names });
    const recorded = await rows<{ name: string }>('SELECT name FROM weir.schema_migrations FINAL ORDER BY version');
    assert.deepEqual(
      recorded.map(({ name }) => name),
      names,
    );
  });

  it('refuses to go on when an applied file was edited', async () => {
    const [migration] = readMigrations();
    assert.ok(migration);
    const record = (checksum: string) =>
      client.insert({
        table: 'weir.schema_migrations',
        values: [{ version: migration.version, name: migration.name, checksum }],
        format: 'JSONEachRow',
      });
    await record('something else');
    await assert.rejects(migrate(options), { code: 'MIGRATE_CHANGED', message: new RegExp(migration.name) });
    await record(migration.checksum);
    await migrate(options);
  });

  it('says which migration failed, where, and why', async () => {
    const wrong = { ...options, password: 'wrong' };
    await assert.rejects(migrate(wrong), { code: 'MIGRATE_FAILED', message: new RegExp(store.url) });
  });

  it('puts late and early samples into their own UTC bucket at every level, weeks from Monday', async () => {
    await put(at(MONDAY_MS + 1_000), 10, 'b');
    await put(SUNDAY, 2, 'a');
    await put(at(MONDAY_MS - 500), 4, 'c');
    const buckets: Record<string, string[]> = {};
    for (const { level, table } of ROLLUPS) {
      const found = await rows<{ line: string }>(
        `SELECT concat(toString(time), ' ', toString(sum(count)), ' ', toString(sum(sum)), ' ', toString(min(min)), ' ',
           toString(max(max)), ' ', toString(argMaxMerge(last))) AS line
         FROM weir.${table} WHERE series_id = ${SERIES} GROUP BY time ORDER BY time`,
      );
      buckets[level] = found.map(({ line }) => line);
    }
    const lines = (sundayMs: number) => [
      `${at(sundayMs).slice(0, 19)} 2 6 2 4 4`,
      `${at(MONDAY_MS).slice(0, 19)} 1 10 10 10 10`,
    ];
    const minute = 60_000;
    assert.deepEqual(buckets, {
      '1m': lines(MONDAY_MS - minute),
      '5m': lines(MONDAY_MS - 5 * minute),
      '10m': lines(MONDAY_MS - 10 * minute),
      '1h': lines(MONDAY_MS - 60 * minute),
      '1d': lines(MONDAY_MS - DAY_MS),
      '1w': lines(MONDAY_MS - 7 * DAY_MS),
    });
  });

  it('changes nothing at any level when a batch is sent again', async () => {
    await put(SUNDAY, 2, 'a');
    for (const table of ['metric_samples', ...ROLLUPS.map((rollup) => rollup.table)]) {
      const sums = table === 'metric_samples' ? 'count() AS n, sum(value) AS s' : 'sum(count) AS n, sum(sum) AS s';
      const [row] = await rows<{ n: number; s: number }>(
        `SELECT ${sums} FROM weir.${table} WHERE series_id = ${SERIES}`,
      );
      assert.deepEqual({ n: Number(row?.n), s: row?.s }, { n: 3, s: 16 }, table);
    }
  });
});
