/** Migrations as text: placeholders for one server and for a cluster; what they do to a database is an integration test. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ROLLUPS, TABLE, VIEW } from '@weir/contracts/tables';
import { readMigrations, renderMigration } from './migrate.ts';

const all = (cluster: string): string =>
  readMigrations()
    .flatMap((migration) => renderMigration(migration.sql, { database: 'weir', cluster }))
    .join('\n;\n');

describe('migrations', () => {
  it('are numbered without two of one number', () => {
    const versions = readMigrations().map((migration) => migration.version);
    assert.ok(versions.length > 0);
    assert.deepEqual(
      versions,
      [...new Set(versions)].sort((a, b) => a - b),
    );
  });

  it('create every table and view the parts name', () => {
    const sql = all('');
    for (const name of [...Object.values(TABLE), ...Object.values(VIEW)]) {
      assert.match(sql, new RegExp(`CREATE (OR REPLACE )?(TABLE|VIEW) (IF NOT EXISTS )?\`weir\`\\.${name}\\s`), name);
    }
  });

  it('fill each rollup from the level below', () => {
    const sql = all('');
    let below: string = TABLE.metricSamples;
    for (const { table } of ROLLUPS) {
      assert.match(sql, new RegExp(`TO \`weir\`\\.${table} AS\\s[\\s\\S]*?FROM \`weir\`\\.${below} AS`), table);
      below = table;
    }
  });

  it('leave no placeholder behind', () => {
    assert.doesNotMatch(all(''), /\$\{/);
    assert.doesNotMatch(all('prod'), /\$\{/);
  });

  it('use plain engines on one server and replicated ones in a cluster', () => {
    assert.doesNotMatch(all(''), /Replicated|ON CLUSTER/);
    const clustered = all('prod');
    assert.match(
      clustered,
      /ReplicatedReplacingMergeTree\('\/clickhouse\/tables\/\{shard\}\/\{database\}\/\{table\}', '\{replica\}', last_seen\)/,
    );
    assert.doesNotMatch(clustered, /ENGINE = (?!Replicated|Null)\w*MergeTree/);
    assert.doesNotMatch(clustered, /non_replicated_deduplication_window/);
  });

  it('quote the database name', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders of migrations look like this
    const [statement] = renderMigration('CREATE TABLE ${database}.t ENGINE = ${engine:MergeTree};', {
      database: 'we`ir',
      cluster: '',
    });
    assert.equal(statement, 'CREATE TABLE `we\\`ir`.t ENGINE = MergeTree()');
  });
});
