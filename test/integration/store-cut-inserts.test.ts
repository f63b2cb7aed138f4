/** A batch whose insert a kill cut off between its token and its rows is taken when it comes again, in tables and in views. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, watch } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { eventually } from '@weir/test/harness/wait';

const DAY = "toDateTime('2026-01-01 00:00:00')";

describe('an insert that was cut off', () => {
  let store: TestStore;
  before(async () => {
    store = await startTestStore();
  });
  after(() => store?.close());

  const command = (query: string, token?: string) =>
    store.client().command({
      query,
      clickhouse_settings: {
        ...(token === undefined ? {} : { insert_deduplication_token: token }),
        deduplicate_blocks_in_dependent_materialized_views: 1,
      },
    });
  const insert = (token: string) => command(`INSERT INTO cut.raw SELECT ${DAY}, number FROM numbers(10)`, token);
  const counts = async () => {
    const answer = await store.client().query({
      query: 'SELECT (SELECT count() FROM cut.raw) AS raw, (SELECT sum(n) FROM cut.rolled) AS rolled',
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    });
    return (await answer.json<{ raw: number; rolled: number }>())[0];
  };
  /** Folder of the newest part of `table`, and its log of tokens. */
  const newest = async (table: string) => {
    const answer = await store.client().query({
      query: `SELECT path, name FROM system.parts WHERE database = 'cut' AND table = '${table}' AND active ORDER BY max_block_number DESC LIMIT 1`,
      format: 'JSONEachRow',
    });
    const [part] = await answer.json<{ path: string; name: string }>();
    const folder = (part?.path ?? '').replace(/\/$/, '');
    const logs = join(folder, '..', 'deduplication_logs');
    const log = readdirSync(logs)
      .map((name) => readFileSync(join(logs, name), 'utf8'))
      .join('');
    return { folder, name: part?.name ?? '', log };
  };

  it('between its token and its rows is not taken for done: it comes again, once, where it was missing', async () => {
    const deduplication = 'SETTINGS non_replicated_deduplication_window = 100';
    await command('CREATE DATABASE cut');
    await command(
      `CREATE TABLE cut.raw (t DateTime, v UInt64) ENGINE = MergeTree PARTITION BY toDate(t) ORDER BY t ${deduplication}`,
    );
    await command(
      `CREATE TABLE cut.rolled (t DateTime, n UInt64) ENGINE = SummingMergeTree ORDER BY t ${deduplication}`,
    );
    await command('CREATE MATERIALIZED VIEW cut.rolls TO cut.rolled AS SELECT t, count() AS n FROM cut.raw GROUP BY t');
    for (const table of ['raw', 'rolled']) await command(`SYSTEM STOP MERGES cut.${table}`);
    await insert('a');
    await insert('b');
    assert.deepEqual(await counts(), { raw: 20, rolled: 20 });
    const { folder, name, log } = await newest('rolled');
    assert.match(log, new RegExp(`^1\t${name}\t`, 'm'), 'its token is in the log');
    await store.kill9();
    // as ClickHouse has it between the two steps: a part is prepared under another name
    renameSync(folder, join(folder, '..', `tmp_insert_${name}`));
    await store.restart();
    assert.deepEqual(await counts(), { raw: 20, rolled: 10 });
    await insert('b');
    assert.deepEqual(await counts(), { raw: 20, rolled: 20 });
    for (const token of ['a', 'b']) await insert(token);
    assert.deepEqual(await counts(), { raw: 20, rolled: 20 });
    await store.kill9();
    await store.restart();
    for (const token of ['a', 'b']) await insert(token);
    assert.deepEqual(await counts(), { raw: 20, rolled: 20 });
  });

  // newer servers write the part first (ClickHouse's MergeTreeDeduplicationLog.h of August 2026): with such an engine it is
  // the rows that are there without their token, and cut-inserts.ts has to take them away instead
  it('has its token first and its rows then, in the engine as it is', async () => {
    const { folder } = await newest('raw');
    const table = join(folder, '..');
    const events: string[] = [];
    const watchers = [
      watch(table, (event, name) => event === 'rename' && /^\d+_\d+_\d+_0$/.test(name ?? '') && events.push('rows')),
      watch(join(table, 'deduplication_logs'), (event) => event === 'change' && events.push('token')),
    ];
    try {
      await insert('c');
      await eventually(
        async () => events,
        (seen) => seen.includes('rows') && seen.includes('token'),
      );
      assert.equal(events[0], 'token', events.join(', '));
    } finally {
      for (const watcher of watchers) watcher.close();
    }
  });
});
