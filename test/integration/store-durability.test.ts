/** What was acknowledged stays, once: de-duplication through cascaded rollups, kill -9, and who may open a data directory. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WeirError } from '@weir/contracts/errors';
import { listen } from '@weir/contracts/listen';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { ask } from '@weir/test/harness/store-request';

const WINDOW = 'SETTINGS non_replicated_deduplication_window = 1000';
const ROLLUP = `ENGINE = AggregatingMergeTree ORDER BY (at, series) ${WINDOW}`;

const SCHEMA = [
  `CREATE TABLE raw (at DateTime, series UInt32, value Float64) ENGINE = MergeTree ORDER BY (series, at) ${WINDOW}`,
  `CREATE TABLE minutes (at DateTime, series UInt32, n SimpleAggregateFunction(sum, UInt64), total SimpleAggregateFunction(sum, Float64)) ${ROLLUP}`,
  `CREATE TABLE hours (at DateTime, series UInt32, n SimpleAggregateFunction(sum, UInt64), total SimpleAggregateFunction(sum, Float64)) ${ROLLUP}`,
  'CREATE MATERIALIZED VIEW to_minutes TO minutes AS SELECT toStartOfMinute(at) AS at, series, count() AS n, sum(value) AS total FROM raw GROUP BY at, series',
  'CREATE MATERIALIZED VIEW to_hours TO hours AS SELECT toStartOfHour(m.at) AS at, series, sum(m.n) AS n, sum(m.total) AS total FROM minutes AS m GROUP BY at, series',
];
const SUMS =
  'SELECT (SELECT count() FROM raw), (SELECT sum(n) FROM minutes), (SELECT sum(n) FROM hours), (SELECT sum(total) FROM hours)';
const ROWS = 500;

/** Batch `number`: the same bytes and the same token each time. */
function batch(number: number): { rows: string; url: Record<string, string> } {
  const rows = Array.from(
    { length: ROWS },
    (_, n) => `2026-11-22 18:${String(number % 60).padStart(2, '0')}:00\t${n % 50}\t1\n`,
  );
  return {
    rows: rows.join(''),
    url: {
      query: 'INSERT INTO raw FORMAT TSV',
      async_insert: '0',
      insert_deduplication_token: `batch-${number}`,
      deduplicate_blocks_in_dependent_materialized_views: '1',
    },
  };
}

describe('data in the store', () => {
  let store: TestStore;
  const insert = async (number: number): Promise<void> => {
    const { rows, url } = batch(number);
    const answer = await ask(store, 'writer', rows, { url });
    assert.equal(answer.status, 200, answer.text);
  };
  const sums = async (): Promise<string> => (await ask(store, 'reader', SUMS)).text;
  const sumsOf = (batches: number): string => `${[1, 1, 1, 1].map((one) => one * batches * ROWS).join('\t')}\n`;

  before(async () => {
    store = await startTestStore();
    for (const sql of SCHEMA) assert.equal((await ask(store, 'writer', sql)).status, 200, sql);
  });
  after(() => store.close());

  it('counts a repeated batch once, in the raw table and in each rollup', async () => {
    for (const number of [0, 1, 0, 1, 0]) await insert(number);
    assert.equal(await sums(), sumsOf(2));
  });

  it('counts a batch once that several writers send at the same time', async () => {
    await Promise.all([2, 3, 2, 3, 2, 3].map(insert));
    assert.equal(await sums(), sumsOf(4));
  });

  it('keeps each acknowledged batch when killed in the middle, and takes the rest again exactly once', async () => {
    const acknowledged = new Set<number>([0, 1, 2, 3]);
    const writing = Promise.all(
      [0, 1, 2, 3].map(async (writer) => {
        for (let number = 10 + writer; ; number += 4) {
          const sent = await insert(number).then(
            () => true,
            () => false,
          );
          if (!sent) return number;
          acknowledged.add(number);
          if (acknowledged.size === 60) await store.kill9();
        }
      }),
    );
    const cutOff = await writing;
    assert.ok(acknowledged.size >= 60);
    await store.restart();

    const kept = Number((await ask(store, 'reader', 'SELECT count() FROM raw')).text);
    assert.ok(kept >= acknowledged.size * ROWS, `${kept} rows are left of ${acknowledged.size * ROWS} acknowledged`);
    for (const number of [...acknowledged, ...cutOff]) await insert(number);
    assert.equal(await sums(), sumsOf(acknowledged.size + cutOff.length));
    assert.deepEqual(readdirSync(join(store.dataDir, 'spool')), [], 'rows that were on their way in are cleaned up');
  });

  it('is there again after an ordered stop', async () => {
    const before = await sums();
    await store.stop();
    await store.restart();
    assert.equal(await sums(), before);
  });

  it('belongs to one store at a time', async () => {
    await assert.rejects(startTestStore({ dataDir: store.dataDir }), (error) => {
      assert.ok(error instanceof WeirError);
      assert.equal(error.code, 'STORE_DIR_IN_USE');
      assert.ok(error.message.includes(store.dataDir) && error.message.includes('store.dataDir'));
      return true;
    });
    assert.equal((await ask(store, 'reader', 'SELECT 1')).text, '1\n');
  });
});

describe('the folder of the store', () => {
  it('may have a quote in its path, but nothing the engine takes for a pattern', async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-it's-"));
    const store = await startTestStore({ dataDir: folder });
    await ask(store, 'writer', 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a');
    await ask(store, 'writer', 'INSERT INTO t VALUES (1)');
    assert.equal((await ask(store, 'reader', 'SELECT a FROM t')).text, '1\n');
    await store.close();
    await assert.rejects(startTestStore({ dataDir: join(folder, '{a,b}') }), { code: 'STORE_DIR_UNUSABLE' });
    rmSync(folder, { recursive: true });
  });
});

describe('the port of the store', () => {
  it('is named with who holds it when it is taken', async () => {
    const holder = createServer();
    const port = await listen(holder, { host: '127.0.0.1', port: 0, key: 'none', part: 'TEST' });
    await assert.rejects(startTestStore({ port }), (error) => {
      assert.ok(error instanceof WeirError);
      assert.equal(error.code, 'STORE_PORT_TAKEN');
      assert.match(error.message, new RegExp(`Port ${port} is taken.*store\\.port`));
      if (process.platform === 'linux') assert.match(error.message, new RegExp(`process ${process.pid}`));
      return true;
    });
    holder.close();
  });
});
