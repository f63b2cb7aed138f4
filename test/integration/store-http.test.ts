/** The HTTP interface by the forms people use: curl as it is, gzip both ways, formats to the byte, errors with their status. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { ask, type StoreAnswer } from '@weir/test/harness/store-request';

const run = promisify(execFile);

describe('the HTTP interface of the store', () => {
  let store: TestStore;
  const write = (query: string, url: Record<string, string> = {}): Promise<StoreAnswer> =>
    ask(store, 'writer', query, { url });
  const curl = async (...args: string[]): Promise<string> =>
    (await run('curl', ['-sS', ...args], { encoding: 'utf8' })).stdout;

  before(async () => {
    store = await startTestStore();
  });
  after(() => store.close());

  it('answers health checks without a password', async () => {
    assert.equal(await curl(`${store.url}/ping`), 'Ok.\n');
    assert.equal(await curl(`${store.url}/replicas_status`), 'Ok.\n');
    assert.equal(await curl(store.url), 'Ok.\n');
  });

  it('takes a query from curl in the URL, in the body, and split between them', async () => {
    const auth = ['-u', `${store.writer.name}:${store.writer.password}`];
    assert.equal(await curl(...auth, `${store.url}/?query=SELECT%201`), '1\n');
    assert.equal(await curl(...auth, store.url, '--data-binary', 'SELECT 2 FORMAT CSV;'), '2\n');
    assert.equal(await curl(...auth, `${store.url}/?query=SELECT`, '--data-binary', '3'), '3\n');
    const { name, password } = store.reader;
    assert.equal(await curl(`${store.url}/?user=${name}&password=${password}&query=SELECT+4`), '4\n');
    assert.equal(
      await curl(
        '-H',
        `X-ClickHouse-User: ${name}`,
        '-H',
        `X-ClickHouse-Key: ${password}`,
        `${store.url}/?query=SELECT+5`,
      ),
      '5\n',
    );
    assert.equal(
      await curl(...auth, `${store.url}/?param_a=6&default_format=JSONEachRow`, '-d', 'SELECT {a:UInt8} AS a'),
      '{"a":6}\n',
    );
  });

  it('takes rows behind the statement, wherever the statement is', async () => {
    const auth = ['-u', `${store.writer.name}:${store.writer.password}`];
    await write('CREATE TABLE forms (a UInt8, b String) ENGINE = MergeTree ORDER BY a');
    const file = join(store.dataDir, 'rows.tsv');
    writeFileSync(file, '1\tfrom; a file\n2\twith\\ttab\n');
    await curl(...auth, `${store.url}/?query=INSERT+INTO+forms+FORMAT+TSV`, '--data-binary', `@${file}`);
    await curl(...auth, store.url, '--data-binary', "INSERT INTO forms (b, a) VALUES ('x;\n\ny', 3), ('z', 4)");
    await curl(...auth, store.url, '--data-binary', 'INSERT INTO forms FORMAT CSV\n5,"a ""quoted"" one"\n6,six\n');
    await curl(...auth, `${store.url}/?query=INSERT+INTO+forms+VALUES`, '-d', "(7, 'seven')");
    await curl(
      ...auth,
      `${store.url}/?query=INSERT+INTO+forms+SETTINGS+async_insert=0+FORMAT+JSONEachRow`,
      '-d',
      '{"a":8,"b":"eight"}',
    );
    await curl(...auth, store.url, '-d', 'INSERT INTO forms SELECT 9, toString(9)');
    const rows = await write('SELECT * FROM forms ORDER BY a FORMAT CSV');
    assert.equal(
      rows.text,
      '1,"from; a file"\n2,"with\ttab"\n3,"x;\n\ny"\n4,"z"\n5,"a ""quoted"" one"\n6,"six"\n7,"seven"\n8,"eight"\n9,"9"\n',
    );
  });

  it('writes Native and RowBinary byte for byte', async () => {
    const sql = "SELECT toUInt16(258) AS n, 'ab' AS s, [toUInt8(1), 2] AS l";
    const native = await write(`${sql} FORMAT Native`);
    assert.equal(native.headers.get('x-clickhouse-format'), 'Native');
    const block = [
      '0301',
      '016e',
      '0655496e743136',
      '0201',
      '0173',
      '06537472696e67',
      '026162',
      '016c',
      '0c417272617928',
      '55496e743829',
      '0200000000000000',
      '0102',
    ];
    assert.equal(native.body.toString('hex'), block.join(''));
    const binary = await write(sql, { default_format: 'RowBinary' });
    assert.equal(binary.body.toString('hex'), '0201' + '026162' + '020102');
  });

  it('puts preamble and flags into Native blocks for a client that names its revision', async () => {
    const native = await write("SELECT toUInt16(258) AS n, 'ab' AS s FORMAT Native", {
      client_protocol_version: '54460',
    });
    const preamble = '010002ffffffff00';
    const columns = ['016e', '0655496e743136', '00', '0201', '0173', '06537472696e67', '00', '026162'];
    assert.equal(native.body.toString('hex'), `${preamble}0201${columns.join('')}`);
    const older = await write('SELECT toUInt8(1) AS n FORMAT Native', { client_protocol_version: '54405' });
    assert.equal(older.body.toString('hex'), `${preamble}0101016e0555496e743801`);
  });

  it('walks columns of every common type for such a client', async () => {
    const columns = `number, toString(number), toLowCardinality(toString(number % 5)) AS lc, nullIf(number, 3) AS n,
      [toLowCardinality('a'), 'b'] AS alc, map('k', [number]) AS m, tuple(number, 'x', [tuple(1, 'y')]) AS t, now64(3) AS dt,
      toDecimal128(1.5, 4) AS d, generateUUIDv4() AS u, toFixedString('abc', 3) AS f, CAST('a', 'Enum8(\\'a\\' = 1, \\'b,)\\' = 2)') AS e,
      toLowCardinality(nullIf(toString(number), '4')) AS lcn, toIPv4('1.2.3.4') AS ip, emptyArrayString() AS none, (1.5, 2.5)::Point AS p`;
    const plain = await write(
      `SELECT ${columns} FROM numbers(200000) FORMAT Native SETTINGS max_block_size = 50000, max_threads = 1`,
    );
    const revised = await write(
      `SELECT ${columns} FROM numbers(200000) FORMAT Native SETTINGS max_block_size = 50000, max_threads = 1`,
      { client_protocol_version: '54460' },
    );
    const blocks = 4;
    assert.equal(revised.body.length - plain.body.length, blocks * (8 + 16));
  });

  it('says so when a column cannot be written for such a client', async () => {
    const answer = await write("SELECT CAST('{}', 'JSON') AS j FORMAT Native", { client_protocol_version: '54460' });
    assert.deepEqual([answer.status, answer.code], [501, 48]);
    assert.match(answer.text, /type JSON.*toJSONString/);
  });

  it('reads every format, binary or text, as it writes it', async () => {
    await write('CREATE TABLE source (id UInt64, s String, l Array(Nullable(Int32))) ENGINE = MergeTree ORDER BY id');
    await write(
      "INSERT INTO source SELECT number, concat('a;', toString(number), '\n'), [number, NULL] FROM numbers(1000)",
    );
    const sum = 'SELECT count(), sum(cityHash64(id, s, toString(l))) FROM';
    const expected = (await write(`${sum} source`)).text;
    for (const format of [
      'Native',
      'RowBinary',
      'CSVWithNames',
      'JSONCompactEachRow',
      'TabSeparated',
      'Values',
      'Parquet',
    ]) {
      const { body } = await write(`SELECT * FROM source ORDER BY id FORMAT ${format}`);
      await write('CREATE OR REPLACE TABLE copy AS source');
      const inserted = await ask(store, 'writer', body, { url: { query: `INSERT INTO copy FORMAT ${format}` } });
      assert.equal(inserted.status, 200, `${format}: ${inserted.text}`);
      assert.equal((await write(`${sum} copy`)).text, expected, format);
    }
  });

  it('speaks gzip both ways', async () => {
    await write('CREATE TABLE zipped (a UInt64) ENGINE = MergeTree ORDER BY a');
    const rows = gzipSync(Array.from({ length: 5_000 }, (_, n) => `${n}\n`).join(''));
    const inserted = await ask(store, 'writer', rows, {
      url: { query: 'INSERT INTO zipped FORMAT TSV' },
      headers: { 'Content-Encoding': 'gzip' },
    });
    assert.equal(inserted.status, 200, inserted.text);
    const url = `${store.url}/?enable_http_compression=1&query=SELECT+sum(a)+FROM+zipped`;
    const { stdout } = await run(
      'curl',
      ['-sS', '-H', 'Accept-Encoding: gzip', '-u', `${store.writer.name}:${store.writer.password}`, url],
      {
        encoding: 'buffer',
      },
    );
    assert.equal(gunzipSync(stdout).toString(), '12497500\n');
    const broken = await ask(store, 'writer', Buffer.from('no gzip'), {
      url: { query: 'INSERT INTO zipped FORMAT TSV' },
      headers: { 'Content-Encoding': 'gzip' },
    });
    assert.equal(broken.code, 271);
  });

  it('says what it did in the headers', async () => {
    const { headers } = await write('SELECT number FROM numbers(5)', { query_id: 'mine', default_format: 'CSV' });
    assert.equal(headers.get('x-clickhouse-query-id'), 'mine');
    assert.equal(headers.get('x-clickhouse-format'), 'CSV');
    assert.equal(headers.get('content-type'), 'text/csv; charset=UTF-8; header=absent');
    assert.ok(headers.get('x-clickhouse-timezone'));
    const summary = JSON.parse(headers.get('x-clickhouse-summary') ?? '') as {
      result_rows: string;
      elapsed_ns: string;
    };
    assert.equal(summary.result_rows, '5');
    assert.ok(Number(summary.elapsed_ns) > 0);
  });

  it('sends exceptions with the status a server has for them', async () => {
    const cases: ReadonlyArray<readonly [sql: string, url: Record<string, string>, status: number, code: number]> = [
      ['SELECT * FROM nowhere', {}, 404, 60],
      ['SELECT 1', { database: 'nowhere' }, 404, 81],
      ['SELECT nowhere()', {}, 404, 46],
      ['SELECT 1 FORMAT Nowhere', {}, 404, 73],
      ['SELEC 1', {}, 400, 62],
      ['', {}, 400, 62],
      ['SELECT 1; SELECT 2', {}, 400, 62],
      ['SELECT throwIf(1)', {}, 500, 395],
      ['SELECT 1', { nowhere: '1' }, 404, 115],
      ['SELECT 1', { user_files_path: '/' }, 404, 115],
      ['SELECT 1', { format_schema: 'a:b' }, 500, 452],
      ['SELECT 1', { session_id: 'a' }, 501, 48],
      ['SELECT {x:UInt8}', {}, 500, 456],
      ["SELECT 1 INTO OUTFILE '/tmp/never'", {}, 500, 358],
      ["INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV", {}, 404, 78],
    ];
    for (const [sql, url, status, code] of cases) {
      const answer = await write(sql, url);
      assert.deepEqual([answer.status, answer.code], [status, code], `${sql} ${JSON.stringify(url)}: ${answer.text}`);
      assert.match(
        answer.text,
        new RegExp(`^Code: ${code}\\. DB::Exception: [\\s\\S]*\\([A-Z_]+\\) \\(version [\\d.]+\\)\n$`),
      );
    }
  });

  it('does not let GET change anything', async () => {
    const answer = await ask(store, 'writer', undefined, {
      url: { query: 'CREATE TABLE got (a Int8) ENGINE = Memory' },
    });
    assert.equal(answer.code, 164);
  });

  it('inserts nothing of a body that breaks off', async () => {
    await write('CREATE TABLE whole (a UInt64) ENGINE = MergeTree ORDER BY a');
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(3_000_000, '1\n');
      throw new Error('the client breaks off');
    };
    const url = `${store.url}/?query=INSERT+INTO+whole+FORMAT+TSV`;
    const headers = { 'X-ClickHouse-User': store.writer.name, 'X-ClickHouse-Key': store.writer.password };
    const init = { method: 'POST', headers, body: ReadableStream.from(body()), duplex: 'half' } as RequestInit;
    await assert.rejects(fetch(url, init));
    assert.equal((await write('SELECT count() FROM whole')).text, '0\n');
  });
});
