/**
 * The schema for a ClickHouse cluster, on the engine itself. There is no ClickHouse server here, so a part is shown each way:
 * the parser takes every statement with ON CLUSTER; the engine makes every replicated table against a Keeper of its own
 * (it cannot write to them without a server's port for replication); Distributed tables and views run whole over shards
 * that are this engine.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ROLLUPS } from '@weir/contracts/tables';
import { distributedStatements, SHARD_TABLES_QUERY, type ShardTable } from '@weir/infra/clickhouse/distribute';
import { readMigrations, renderMigration } from '@weir/infra/clickhouse/migrate';
import { Session } from 'chdb';

const shard = (host: string) =>
  `<shard><internal_replication>true</internal_replication><replica><host>${host}</host><port>9000</port></replica></shard>`;
/** Both names are this very engine, so what is read over two shards is read twice. */
const CONFIG = `<clickhouse><tcp_port>9000</tcp_port>
<remote_servers><one>${shard('localhost')}</one><two>${shard('localhost')}${shard('127.0.0.1')}</two></remote_servers>
<zookeeper><implementation>testkeeper</implementation></zookeeper>
<macros><shard>1</shard><replica>here</replica></macros></clickhouse>`;
/** As a replicated cluster's ingest inserts; see infra/render/clickhouse.ts. */
const EXACTLY_ONCE =
  "async_insert = 0, insert_deduplicate = 1, deduplicate_blocks_in_dependent_materialized_views = 1, distributed_foreground_insert = 1, insert_deduplication_token = 'batch-1'";
const ROWS = 500;
/** Older rows would go at once: raw samples are kept for a week. */
const DAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);

describe('the schema of a ClickHouse cluster', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-cluster-'));
  writeFileSync(join(folder, 'config.xml'), CONFIG);
  const session = new Session(join(folder, 'data'), {
    connectionArgs: [`--config-file=${join(folder, 'config.xml')}`],
  });
  after(() => {
    // with replicated tables left, which look for a server's port, the engine could not be closed
    ask('DROP DATABASE IF EXISTS replicated');
    session.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = (sql: string): string => session.query(sql, 'TabSeparated').toString().trim();
  const rows = <T>(sql: string): T[] =>
    session
      .query(sql, 'JSONEachRow')
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  const tablesOf = (database: string) =>
    rows<ShardTable>(SHARD_TABLES_QUERY.replaceAll('{database:String}', `'${database}'`));
  const migrations = readMigrations();
  const rendered = (database: string, cluster: string) =>
    migrations.flatMap(({ sql }) => renderMigration(sql, { database, cluster }));

  it('is taken by the engine’s parser, statement by statement', () => {
    for (const statement of rendered('weir', 'prod')) {
      assert.match(statement, /ON CLUSTER `prod`/);
      assert.match(ask(`EXPLAIN AST ${statement}`), /Query/, statement.slice(0, 80));
    }
    assert.throws(() =>
      ask('EXPLAIN AST CREATE TABLE weir.t ON CLUSTRE `prod` (a Int8) ENGINE = MergeTree ORDER BY a'),
    );
  });

  it('makes every table replicated, with its own path and a memory for tokens of a week', () => {
    ask('CREATE DATABASE replicated');
    // a table that cannot write to its Keeper cannot be altered either: those statements were parsed above
    const made = rendered('replicated', 'prod').filter((statement) => !statement.startsWith('ALTER'));
    for (const statement of made) ask(statement.replaceAll('ON CLUSTER `prod`', ''));
    const tables = rows<{ name: string; engine: string; create_table_query: string }>(
      "SELECT name, engine, create_table_query FROM system.tables WHERE database = 'replicated' AND engine LIKE '%MergeTree'",
    );
    assert.ok(tables.length > 20, `${tables.length} tables`);
    assert.deepEqual(
      tables.filter(({ engine }) => !engine.startsWith('Replicated')).map(({ name }) => name),
      [],
    );
    const paths = rows<{ zookeeper_path: string }>(
      "SELECT zookeeper_path FROM system.replicas WHERE database = 'replicated'",
    );
    assert.equal(new Set(paths.map((path) => path.zookeeper_path)).size, tables.length);
    const samples = tables.find(({ name }) => name === 'metric_samples')?.create_table_query ?? '';
    assert.match(samples, /replicated_deduplication_window = 10000/);
    assert.match(samples, /replicated_deduplication_window_seconds = 604800/);
  });

  it('spans shards by a database of Distributed tables, in which a repeated batch changes nothing at any level', () => {
    ask('CREATE DATABASE weir');
    for (const statement of rendered('weir', '')) ask(statement);
    const target = { database: 'weir', distributed: 'weir_all', cluster: 'one' };
    const statements = distributedStatements(tablesOf('weir'), migrations, target, false);
    for (const statement of [...statements, ...statements]) ask(statement);
    const insert = () =>
      ask(`INSERT INTO weir_all.metric_samples (time, cluster, site, machine_id, node, metric, series_id, value) SETTINGS ${EXACTLY_ONCE}
        SELECT toDateTime64('${DAY} 00:00:00', 3, 'UTC') + number, 'c', 's', concat('m', toString(number % 7)), 'n', 'live.io', number % 7, 1
        FROM numbers(${ROWS})`);
    insert();
    insert();
    assert.equal(ask('SELECT count(), sum(value) FROM weir_all.metric_samples'), `${ROWS}\t${ROWS}`);
    for (const { table } of ROLLUPS) {
      assert.equal(ask(`SELECT sum(count), sum(sum) FROM weir_all.${table}`), `${ROWS}\t${ROWS}`, table);
    }
  });

  it('has the changes of directors, out of the events of their agents', () => {
    const attributes = "map('weir.vrrp.group', 'g1', 'weir.vrrp.state', 'master', 'weir.vrrp.state.before', 'backup')";
    ask(`INSERT INTO weir_all.logs (time, cluster, site, machine_id, node, event_name, attributes)
      SELECT now64(3), 'c', 's', 'm1', 'd1', 'weir.vrrp.change', ${attributes}`);
    assert.equal(
      ask('SELECT node, vrrp_group, state, before FROM weir_all.director_changes'),
      'd1\tg1\tmaster\tbackup',
    );
  });

  it('answers every view over several shards', () => {
    const target = { database: 'weir', distributed: 'weir_two', cluster: 'two' };
    for (const statement of distributedStatements(tablesOf('weir'), migrations, target, false)) ask(statement);
    assert.equal(ask('SELECT count() FROM weir_two.metric_samples'), String(2 * ROWS));
    const views = rows<{ name: string; create_table_query: string }>(
      "SELECT name, create_table_query FROM system.tables WHERE database = 'weir_two' AND engine = 'View'",
    );
    assert.ok(views.length > 15, `${views.length} views`);
    for (const { name, create_table_query: made } of views) {
      const parameters = new Map([...made.matchAll(/\{(\w+):\s*(\w+)/g)].map((match) => [match[1], match[2] ?? '']));
      const given = [...parameters].map(([parameter, type]) => `${parameter} = ${argument(parameter ?? '', type)}`);
      const from = given.length === 0 ? name : `${name}(${given.join(', ')})`;
      ask(`SELECT * FROM weir_two.${from} LIMIT 1 SETTINGS distributed_product_mode = 'global'`);
    }
  });

  it('keeps rows that belong together on one shard', () => {
    const target = { database: 'weir', distributed: 'all', cluster: 'prod' };
    const tables = tablesOf('weir');
    const statements = distributedStatements(tables, [], target).slice(1);
    assert.equal(statements.length, tables.length);
    for (const statement of statements)
      assert.match(statement, / ON CLUSTER `prod` AS `weir`\.`\w+` ENGINE = Distributed\(.*, cityHash64\(`\w+`\)\)$/);
    assert.match(statements.find((text) => text.includes('`metric_series`')) ?? '', /cityHash64\(`machine_id`\)/);
  });
});

function argument(name: string, type: string): string {
  if (type.startsWith('DateTime')) return `'${DAY} 0${name === 'to' ? 1 : 0}:00:00'`;
  return type === 'String' ? "''" : name === 'step' ? '60' : '10';
}
