/** The official client, unchanged, against the store: what ingest, migrations and people's programs do. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClickHouseClient } from '@clickhouse/client';
import { startTestStore, type TestStore } from '@weir/test/harness/store';

describe('@clickhouse/client against the store', () => {
  let store: TestStore;
  let client: ClickHouseClient;

  before(async () => {
    store = await startTestStore();
    client = store.client({ compression: { request: true, response: true } });
    await client.command({ query: 'CREATE DATABASE live' });
    await client.command({
      query:
        'CREATE TABLE live.samples (id UInt64, name LowCardinality(String), value Float64) ENGINE = MergeTree ORDER BY id',
    });
  });
  after(() => store.close());

  it('pings', async () => {
    assert.deepEqual(await client.ping(), { success: true });
    assert.equal((await client.ping({ select: true })).success, true);
  });

  it('inserts 100,000 rows as gzip and reads them back', async () => {
    const values = Array.from({ length: 100_000 }, (_, id) => ({ id, name: `series-${id % 7}`, value: id / 2 }));
    const inserted = await client.insert({ table: 'live.samples', values, format: 'JSONEachRow' });
    assert.equal(inserted.summary?.written_rows, '100000');
    const rows = await client.query({
      query: 'SELECT count() AS rows, sum(id) AS ids, sum(value) AS total, uniqExact(name) AS names FROM live.samples',
      format: 'JSONEachRow',
    });
    assert.deepEqual(await rows.json(), [{ rows: 100_000, ids: 4_999_950_000, total: 2_499_975_000, names: 7 }]);
  });

  it('binds query parameters of every kind, also while others bind theirs', async () => {
    const text = `it's a "test"\n\ttab \\ back`;
    const ask = async (n: number): Promise<unknown> => {
      const result = await client.query({
        query:
          'SELECT {n:UInt32} AS n, {text:String} AS text, {list:Array(String)} AS list, {none:Nullable(String)} AS none, {db:Identifier}.one.dummy AS id FROM {db:Identifier}.one',
        query_params: { n, text, list: ["a'b", 'c'], none: null, db: 'system' },
        format: 'JSONEachRow',
      });
      return (await result.json())[0];
    };
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(n)));
    assert.deepEqual(
      answers,
      answers.map((_, n) => ({ n, text, list: ["a'b", 'c'], none: null, id: 0 })),
    );
  });

  it('streams a result row by row', async () => {
    const result = await client.query({ query: 'SELECT number FROM numbers(300000)', format: 'JSONCompactEachRow' });
    let sum = 0;
    for await (const rows of result.stream()) for (const row of rows) sum += Number(row.json<[string]>()[0]);
    assert.equal(sum, 44_999_850_000);
  });

  it('raises an error in the middle of a stream as the typed error it is', async () => {
    const failing = store.client();
    const result = await failing.query({
      query: 'SELECT number, throwIf(number = 400000) FROM numbers(500000)',
      format: 'JSONEachRow',
    });
    await assert.rejects(
      async () => {
        for await (const rows of result.stream()) assert.ok(rows.length > 0);
      },
      { code: '395', type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' },
    );
  });

  it('throws typed errors', async () => {
    await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), { code: '60', type: 'UNKNOWN_TABLE' });
    await assert.rejects(client.query({ query: 'SELEC 1' }), { code: '62', type: 'SYNTAX_ERROR' });
    await assert.rejects(client.command({ query: 'CREATE TABLE live.samples (id Int8) ENGINE = Memory' }), {
      code: '57',
      type: 'TABLE_ALREADY_EXISTS',
    });
    await assert.rejects(client.insert({ table: 'live.samples', values: ['{"id": "x"}'], format: 'JSONEachRow' }), {
      code: '27',
    });
  });

  it('takes settings and answers with the query id it was given', async () => {
    const result = await client.query({
      query: "SELECT getSetting('max_threads') AS threads, toUInt64(1) AS big",
      clickhouse_settings: { max_threads: 3, output_format_json_quote_64bit_integers: 1 },
      query_id: 'named-by-the-client',
      format: 'JSONEachRow',
    });
    assert.equal(result.query_id, 'named-by-the-client');
    assert.deepEqual(await result.json(), [{ threads: 3, big: '1' }]);
    const next = await client.query({ query: "SELECT getSetting('max_threads') = 3 AS leaked", format: 'JSONEachRow' });
    assert.deepEqual(await next.json(), [{ leaked: 0 }]);
  });
});
