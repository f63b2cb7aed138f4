/** The read-only user cannot be talked out of it, by whatever statement, setting, spelling or parameter. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { listen } from '@weir/contracts/listen';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { ask, type StoreAnswer } from '@weir/test/harness/store-request';

const READONLY = 164;
const FORBIDDEN_FUNCTION = 446;

describe('the read-only user of the store', () => {
  let store: TestStore;
  let secretFile: string;
  const read = (sql: string, url: Record<string, string> = {}): Promise<StoreAnswer> =>
    ask(store, 'reader', sql, { url });

  before(async () => {
    store = await startTestStore({ maxExecutionSeconds: 2, maxResultRows: 1_000 });
    secretFile = join(store.dataDir, 'secret.txt');
    writeFileSync(secretFile, 'SECRET\n');
    await ask(store, 'writer', 'CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a');
    await ask(store, 'writer', 'INSERT INTO kept VALUES (1)');
  });
  after(() => store.close());

  it('reads', async () => {
    const reads = [
      'SELECT a FROM kept',
      'WITH 1 AS x SELECT x',
      '(SELECT 1)',
      'FROM kept SELECT a',
      'SELECT 1;',
      'EXISTS kept',
      "SELECT 'INTO OUTFILE; file(' = '' OR 1",
    ];
    for (const sql of reads) assert.equal((await read(sql)).text, '1\n', sql);
    for (const sql of ['SHOW TABLES', 'DESCRIBE kept', 'EXPLAIN SELECT a FROM kept', 'SHOW CREATE TABLE kept']) {
      assert.equal((await read(sql)).status, 200, sql);
    }
    assert.equal((await read('SELECT displayName(), version(), revision(), timezone()')).text.split('\t').length, 4);
    assert.equal((await read('SELECT file FROM (SELECT 7 AS file)')).text, '7\n');
  });

  it('changes nothing', async () => {
    const attempts = [
      'INSERT INTO kept VALUES (2)',
      'INSERT INTO kept SELECT 2',
      'INSERT INTO kept FORMAT TSV\n2\n',
      'WITH 2 AS x INSERT INTO kept SELECT x',
      'CREATE TABLE made (a UInt8) ENGINE = Memory',
      'CREATE TEMPORARY TABLE made (a UInt8)',
      'CREATE DATABASE made',
      'CREATE FUNCTION made AS x -> x',
      'CREATE VIEW made AS SELECT 1',
      'CREATE USER made',
      'GRANT ALL ON *.* TO default',
      'DROP TABLE kept',
      'DROP TABLE IF EXISTS nowhere',
      'TRUNCATE TABLE kept',
      'ALTER TABLE kept DELETE WHERE 1',
      'DELETE FROM kept WHERE 1',
      'UPDATE kept SET a = 2 WHERE 1',
      'RENAME TABLE kept TO gone',
      'OPTIMIZE TABLE kept',
      'ATTACH TABLE kept',
      'DETACH TABLE kept',
      'UNDROP TABLE kept',
      'EXCHANGE TABLES kept AND kept',
      "BACKUP TABLE kept TO File('x')",
      'KILL QUERY WHERE 1',
      'KILL MUTATION WHERE 1',
      'SYSTEM FLUSH LOGS',
      'SYSTEM RELOAD CONFIG',
      'SET readonly = 0',
      'SET max_threads = 1',
      'SET ROLE NONE',
      'USE system',
      'EXECUTE AS default SELECT 1',
      'CHECK TABLE kept',
      'BEGIN TRANSACTION',
    ];
    for (const sql of attempts) assert.equal((await read(sql)).code, READONLY, sql);
    assert.equal((await read('SELECT count(), sum(a) FROM kept')).text, '1\t1\n');
    assert.equal((await read('SHOW TABLES')).text, 'kept\n');
  });

  it('stays read-only whatever settings say', async () => {
    for (const setting of [
      'readonly = 0',
      'readonly = 2',
      'max_threads = 7',
      'max_execution_time = 0',
      'allow_ddl = 0',
    ]) {
      assert.equal((await read(`SELECT 1 SETTINGS ${setting}`)).code, READONLY, setting);
    }
    assert.equal((await read('SELECT 1', { readonly: '0' })).code, READONLY);
    assert.equal((await read('SELECT a FROM kept', { readonly: '1' })).status, 200);
    assert.equal((await read('CREATE TABLE made (a Int8) ENGINE = Memory', { readonly: '2' })).code, READONLY);
    assert.equal((await read('SELECT 1', { allow_experimental_eval_table_function: '1' })).code, 452);
    assert.equal((await read('SELECT 1', { format_template_row: secretFile })).code, 452);
    assert.equal((await read('SELECT 1', { log_comment: "x', readonly = '0" })).status, 200);
    assert.equal(
      (await read('SELECT {x:String}', { param_x: "'; SET readonly = 0; --" })).text,
      "\\'; SET readonly = 0; --\n",
    );
    assert.equal((await read('SELECT 1', { 'param_x = 1, readonly': '0' })).code, 36);
  });

  it('runs one statement', async () => {
    for (const second of ['SELECT 2', 'INSERT INTO kept VALUES (2)', 'SET readonly = 0']) {
      assert.equal((await read(`SELECT 1; ${second}`)).code, 62, second);
      assert.equal((await read(`SELECT 1 /* ; */ -- ;\n; ${second}`)).code, 62, second);
    }
  });

  it('reads no file and writes none', async () => {
    const file = `'${secretFile}'`;
    const attempts = [
      `SELECT file(${file})`,
      `SELECT \`file\`(${file})`,
      `SELECT "file" /* ( */ (${file})`,
      `SELECT file\n(${file})`,
      `SELECT * APPLY(file) FROM (SELECT ${file} AS x)`,
      `SELECT * APPLY file FROM (SELECT ${file} AS x)`,
      `SELECT * APPLY (x -> file(x)) FROM (SELECT ${file} AS x)`,
      `WITH file(${file}) AS x SELECT x`,
      `SELECT arrayMap(x -> file(x), [${file}])`,
      `SELECT * FROM file(${file}, 'TSV', 'a String')`,
      `DESCRIBE file(${file})`,
      `DESCRIBE TABLE (SELECT * FROM file(${file}))`,
      `EXPLAIN SELECT file(${file})`,
      `SELECT (SELECT file(${file}))`,
      `SELECT * FROM fileCluster('default', ${file})`,
      `SELECT * FROM sqlite(${file}, 't')`,
      `SELECT * FROM executable(${file}, TSV, 'a String')`,
      `SELECT * FROM icebergLocal(${file})`,
      `SELECT catboostEvaluate(${file}, 1)`,
      `SELECT * FROM view(SELECT file(${file}))`,
      `SELECT * FROM filesystem('/')`,
      `SELECT * FROM eval('SELECT file(\\'${secretFile}\\')')`,
    ];
    for (const sql of attempts) {
      const answer = await read(sql);
      assert.equal(answer.code, FORBIDDEN_FUNCTION, `${sql}: ${answer.text}`);
      assert.ok(!answer.text.includes('SECRET\n'), sql);
    }
    const target = join(store.dataDir, 'written.txt');
    for (const sql of [
      `SELECT 1 INTO OUTFILE '${target}'`,
      `SELECT 1 into/**/outfile '${target}' truncate FORMAT CSV`,
      `EXPLAIN SELECT 1 INTO OUTFILE '${target}'`,
      `SHOW TABLES INTO OUTFILE '${target}'`,
    ]) {
      assert.equal((await read(sql)).code, 358, sql);
    }
    assert.equal((await read(`INSERT INTO kept FROM INFILE ${file} FORMAT TSV`)).code, 78);
    assert.equal(existsSync(target), false);
  });

  it('reaches no other server', async () => {
    let connections = 0;
    const server: Server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    const port = await listen(server, { host: '127.0.0.1', port: 0, key: 'none', part: 'TEST' });
    const http = `http://127.0.0.1:${port}/bucket/key`;
    const host = `127.0.0.1:${port}`;
    const functions = [
      `url('${http}')`,
      `url('${http}', 'TSV', 'a String')`,
      `s3('${http}')`,
      `gcs('${http}')`,
      `urlCluster('default', '${http}')`,
      `remote('${host}', 'system.one')`,
      `remoteSecure('${host}', 'system.one')`,
      `cluster('default', 'system.one')`,
      `mysql('${host}', 'd', 't', 'u', 'p')`,
      `postgresql('${host}', 'd', 't', 'u', 'p')`,
      `mongodb('${host}', 'd', 'c', 'u', 'p', 'a String')`,
      `redis('${host}', 'k', 'k String')`,
      `hdfs('hdfs://${host}/x')`,
      `azureBlobStorage('${http}', 'c', 'b')`,
      `deltaLake('${http}')`,
    ];
    for (const call of functions) {
      for (const sql of [`SELECT * FROM ${call}`, `DESCRIBE ${call}`, `EXPLAIN SELECT * FROM ${call}`]) {
        assert.notEqual((await read(sql)).status, 200, sql);
      }
    }
    assert.equal(connections, 0);
    server.close();
  });

  it('keeps within its limits and may only lower them', async () => {
    const limit = async (name: string, url: Record<string, string>): Promise<string> =>
      (await read(`SELECT getSetting('${name}')`, url)).text.trim();
    assert.equal(await limit('max_execution_time', { max_execution_time: '1000' }), '2');
    assert.equal(await limit('max_execution_time', { max_execution_time: '0' }), '2');
    assert.equal(await limit('max_execution_time', { max_execution_time: '1' }), '1');
    assert.equal(await limit('max_result_rows', { max_result_rows: '1000000' }), '1000');
    const rows = await read('SELECT number FROM numbers(1001)');
    assert.deepEqual([rows.code, rows.text.includes('TOO_MANY_ROWS_OR_BYTES')], [396, true]);
    const slow = await read('SELECT max(sipHash64(number)) FROM numbers(1000000000000)');
    assert.deepEqual([slow.status, slow.code], [408, 159]);
  });

  it('needs its password', async () => {
    const wrong: ReadonlyArray<readonly [headers: Record<string, string>, url: Record<string, string>]> = [
      [{}, {}],
      [{ 'X-ClickHouse-User': 'weir_read', 'X-ClickHouse-Key': 'wrong' }, {}],
      [{ 'X-ClickHouse-User': 'weir_read' }, {}],
      [{ 'X-ClickHouse-User': 'weir', 'X-ClickHouse-Key': store.reader.password }, {}],
      [{ Authorization: `Basic ${Buffer.from('weir_read:wrong').toString('base64')}` }, {}],
      [{}, { user: 'weir_read', password: 'wrong' }],
    ];
    for (const [headers, url] of wrong) {
      const answer = await ask(store, 'nobody', 'SELECT 1', { headers, url });
      assert.deepEqual([answer.status, answer.code], [403, 516]);
      assert.match(answer.text, /Authentication failed/);
    }
  });
});
