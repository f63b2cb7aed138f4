/** Under load: results of any size in bounded memory, health checks while queries are heavy, queries that end with their client. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { ask } from '@weir/test/harness/store-request';

const MEGABYTE = 1_048_576;

describe('the store under load', () => {
  let store: TestStore;
  const write = async (sql: string): Promise<string> => (await ask(store, 'writer', sql)).text;
  const residentBytes = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${store.pid}/status`, 'utf8'))?.[1]) * 1_024;
  const running = async (mark: string): Promise<number> =>
    Number(
      await write(
        `SELECT count() FROM system.processes WHERE position(query, '${mark}') > 0 AND position(query, 'processes') = 0`,
      ),
    );
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    while (!(await condition())) await nextTurn();
  };
  const open = (sql: string, signal?: AbortSignal): Promise<Response> =>
    fetch(store.url, {
      method: 'POST',
      body: sql,
      headers: { 'X-ClickHouse-User': store.writer.name, 'X-ClickHouse-Key': store.writer.password },
      ...(signal && { signal }),
    });

  before(async () => {
    store = await startTestStore();
  });
  after(() => store.close());

  it('streams 20 million rows without holding them', { skip: process.platform !== 'linux' }, async () => {
    await write('SELECT number FROM numbers(100000)');
    const before = residentBytes();
    let bytes = 0;
    let highest = 0;
    for await (const chunk of (await open('SELECT number FROM numbers(20000000)')).body ?? []) {
      bytes += chunk.length;
      highest = Math.max(highest, residentBytes());
    }
    assert.equal(bytes, 168_888_890);
    assert.ok(highest - before < 100 * MEGABYTE, `memory grew by ${Math.round((highest - before) / MEGABYTE)} MiB`);
  });

  it('waits for a client that reads slowly instead of holding the result', {
    skip: process.platform !== 'linux',
  }, async () => {
    const response = await open('SELECT number FROM numbers(1000000000003)');
    const reader = response.body!.getReader();
    await reader.read();
    const before = residentBytes();
    const settled = async (): Promise<boolean> =>
      (await running('1000000000003')) === 1 && Number(await write('SELECT sum(number) FROM numbers(3000000)')) > 0;
    for (let round = 0; round < 20; round++) assert.ok(await settled());
    assert.ok(residentBytes() - before < 100 * MEGABYTE);
    await reader.cancel();
    await until(async () => (await running('1000000000003')) === 0);
  });

  it('frees what small queries took while a long one runs', { skip: process.platform !== 'linux' }, async () => {
    const stop = new AbortController();
    const long = open('SELECT sleepEachRow(1) FROM numbers(1000000) SETTINGS max_block_size = 1', stop.signal).catch(
      () => {},
    );
    await until(async () => (await running('sleepEachRow')) === 1);
    const before = residentBytes();
    for (let round = 0; round < 400; round++) await write('SELECT 1');
    // With sessions that wait for the long query this is 300 MiB.
    assert.ok(residentBytes() - before < 100 * MEGABYTE);
    stop.abort();
    await long;
    await until(async () => (await running('sleepEachRow')) === 0);
  });

  it('answers health checks and small queries while heavy ones run', async () => {
    const stop = new AbortController();
    const heavy = Array.from({ length: 4 }, (_, n) =>
      open(`SELECT max(sipHash64(number + ${n})) FROM numbers(1000000000000)`, stop.signal).catch(() => undefined),
    );
    await until(async () => (await running('sipHash64')) === 4);
    const took: number[] = [];
    for (let round = 0; round < 200; round++) {
      const from = performance.now();
      assert.equal(await (await fetch(`${store.url}/ping`)).text(), 'Ok.\n');
      took.push(performance.now() - from);
    }
    took.sort((a, b) => a - b);
    assert.ok(took[100]! < 100, `half of the health checks took more than ${took[100]} ms`);
    assert.equal(await write('SELECT 1'), '1\n');
    stop.abort();
    await Promise.all(heavy);
    await until(async () => (await running('sipHash64')) === 0);
  });

  it('ends a query when its client leaves, whether it waits or streams', async () => {
    const stop = new AbortController();
    const waiting = open('SELECT max(cityHash64(number)) FROM numbers(1000000000001)', stop.signal);
    await until(async () => (await running('1000000000001')) === 1);
    stop.abort();
    await assert.rejects(waiting);
    await until(async () => (await running('1000000000001')) === 0);

    const reader = (await open('SELECT number FROM numbers(1000000000002)')).body!.getReader();
    await reader.read();
    await reader.cancel();
    await until(async () => (await running('1000000000002')) === 0);
  });

  it('writes the exception into a result that is under way, and cuts it off', async () => {
    const response = await open('SELECT number, throwIf(number = 900000) FROM numbers(1000000)');
    assert.equal(response.status, 200);
    const tag = response.headers.get('x-clickhouse-exception-tag') ?? '';
    const chunks: Uint8Array[] = [];
    await assert.rejects(async () => {
      for await (const chunk of response.body ?? []) chunks.push(chunk);
    });
    const end = Buffer.concat(chunks).toString('utf8').slice(-1_000);
    const [, message, length] =
      new RegExp(`\r\n__exception__\r\n${tag}\r\n(Code: 395[\\s\\S]*\n)(\\d+) ${tag}\r\n__exception__\r\n$`).exec(
        end,
      ) ?? [];
    assert.equal(Number(length), Buffer.byteLength(message ?? ''));
  });

  it('refuses queries beyond its places and its queue, and recovers', async () => {
    const stop = new AbortController();
    const answers = Array.from({ length: 320 }, () =>
      open(
        'SELECT sleepEachRow(1) FROM numbers(100) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0',
        stop.signal,
      ).then(
        (response) => response.headers.get('x-clickhouse-exception-code'),
        () => undefined,
      ),
    );
    assert.equal(await Promise.race(answers), '202');
    assert.equal(await (await fetch(`${store.url}/ping`)).text(), 'Ok.\n');
    stop.abort();
    await Promise.all(answers);
    await until(async () => (await running('sleepEachRow')) === 0);
    assert.equal(await write('SELECT 1'), '1\n');
  });

  it('takes inserts while all places for queries are taken', async () => {
    await write('CREATE TABLE busy (a UInt64) ENGINE = MergeTree ORDER BY a');
    const stop = new AbortController();
    const heavy = Array.from({ length: 40 }, () =>
      open('SELECT sleepEachRow(1) FROM numbers(100) SETTINGS max_block_size = 1', stop.signal).catch(() => undefined),
    );
    const inserted = await ask(store, 'writer', '1\n2\n', { url: { query: 'INSERT INTO busy FORMAT TSV' } });
    assert.equal(inserted.status, 200, inserted.text);
    stop.abort();
    await Promise.all(heavy);
    await until(async () => (await running('sleepEachRow')) === 0);
    assert.equal(await write('SELECT count() FROM busy'), '2\n');
  });
});
