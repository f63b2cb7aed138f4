/**
 * Applies the numbered migrations of this folder to a ClickHouse server, a cluster, or the embedded store: the same files
 * for all, the engine is a parameter. What was applied is recorded with a checksum; running it again changes nothing.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { STORE_HEADER } from '@weir/contracts/tables';
import { distributedStatements, shardTables } from './distribute.ts';

/** Where and as whom to migrate. */
export interface MigrateOptions {
  /** HTTP address of ClickHouse. */
  url: string;
  user: string;
  password: string;
  /** Created when missing. */
  database: string;
  /** ClickHouse cluster for ON CLUSTER and replicated engines; empty = one server. */
  cluster: string;
  /** Database with a Distributed table over each table of every shard (distribute.ts); empty = none. Needs `cluster`. */
  distributed?: string;
  logger: Logger;
}

/** File names, in order. */
export interface MigrateResult {
  applied: string[];
  already: string[];
}

/** One numbered file. */
export interface Migration {
  /** `0001_samples.sql`. */
  name: string;
  version: number;
  /** The file as it is, with its placeholders. */
  sql: string;
  /** SHA-256 of `sql`, hex. */
  checksum: string;
}

/** What the placeholders of a migration stand for. */
export type MigrationTarget = Pick<MigrateOptions, 'database' | 'cluster'>;

/** Tokens that ClickHouse remembers per table, so that a batch sent again is recognised: one token per batch and table. */
const DEDUPLICATION_WINDOW = 10_000;
/**
 * Replicated tables forget tokens by age too, by default after an hour; a batch whose acknowledgement was lost may come
 * again as long as JetStream keeps it (`telemetry.streamMaxAgeMs`).
 */
const DEDUPLICATION_SECONDS = 7 * 86_400;

/**
 * Brings the database to the newest version. Every statement can be repeated, so a run that was cut short is just run again.
 * @throws WeirError `MIGRATE_CHANGED` when an applied file was edited since, `MIGRATE_FAILED` naming file and statement.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const client = createClient({
    url: options.url,
    username: options.user,
    password: options.password,
    clickhouse_settings: { wait_end_of_query: 1 },
    // errors are thrown to the caller; the client would print them besides
    log: { level: ClickHouseLogLevel.OFF },
  });
  try {
    const result = await applyAll(client, options);
    await distributeAll(client, options);
    await tellUnreplicated(client, options);
    return result;
  } finally {
    await client.close();
  }
}

/** The migrations beside this file, by number. */
export function readMigrations(folder = new URL('./migrations/', import.meta.url)): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, folder), 'utf8');
      return { name, version: Number(name.slice(0, 4)), sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}

/** The statements of a migration for one target: comments dropped, placeholders filled, split at `;` ending a line. */
export function renderMigration(sql: string, target: MigrationTarget): string[] {
  const replicated = target.cluster !== '';
  return sql
    .replace(/^\s*--.*$/gm, '')
    .replaceAll(/\$\{database\}/g, quoteName(target.database))
    .replaceAll(/\$\{on_cluster\}/g, replicated ? `ON CLUSTER ${quoteName(target.cluster)}` : '')
    .replaceAll(
      /\$\{deduplication\}/g,
      replicated
        ? `replicated_deduplication_window = ${DEDUPLICATION_WINDOW}, replicated_deduplication_window_seconds = ${DEDUPLICATION_SECONDS}`
        : `non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`,
    )
    .replaceAll(/\$\{engine:(\w+)(\(([^)]*)\))?\}/g, (_whole, name: string, _brackets, args: string | undefined) =>
      replicated ? replicatedEngine(name, args) : `${name}(${args ?? ''})`,
    )
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

function replicatedEngine(name: string, args: string | undefined): string {
  const path = `'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'`;
  return `Replicated${name}(${args === undefined ? path : `${path}, ${args}`})`;
}

async function applyAll(client: ClickHouseClient, options: MigrateOptions): Promise<MigrateResult> {
  await prepare(client, options);
  const done = await appliedChecksums(client, options.database);
  const result: MigrateResult = { applied: [], already: [] };
  for (const migration of readMigrations()) {
    const known = done.get(migration.version);
    if (known === undefined) {
      await applyOne(client, options, migration);
      result.applied.push(migration.name);
      options.logger.info({ migration: migration.name }, 'migration applied');
      continue;
    }
    if (known !== migration.checksum) {
      throw new WeirError(
        'MIGRATE_CHANGED',
        `Migration ${migration.name} was edited after it had been applied to ${options.database} at ${options.url}: ` +
          'put the file back and write the change as a new numbered migration.',
      );
    }
    result.already.push(migration.name);
  }
  return result;
}

/** The database over all shards follows the tables, so it is brought up to date after every run. */
async function distributeAll(client: ClickHouseClient, options: MigrateOptions): Promise<void> {
  const { database, distributed = '', cluster } = options;
  if (distributed === '') return;
  if (cluster === '' || distributed === database) {
    const what = cluster === '' ? 'clickhouse.cluster is empty' : 'it is the database of the tables themselves';
    throw new WeirError('MIGRATE_DISTRIBUTED', `Database ${distributed} cannot span the shards of a cluster: ${what}.`);
  }
  const tables = await shardTables(client, database);
  for (const query of distributedStatements(tables, readMigrations(), { database, distributed, cluster })) {
    await run(client, options, distributed, query);
  }
}

/** Database and the record of migrations. */
async function prepare(client: ClickHouseClient, options: MigrateOptions): Promise<void> {
  const statements = renderMigration(
    `CREATE DATABASE IF NOT EXISTS \${database} \${on_cluster};
CREATE TABLE IF NOT EXISTS \${database}.schema_migrations \${on_cluster}
(version UInt32, name String, checksum String, applied_at DateTime('UTC') DEFAULT now())
ENGINE = \${engine:ReplacingMergeTree} ORDER BY version;`,
    options,
  );
  for (const query of statements) await run(client, options, 'schema_migrations', query);
}

async function appliedChecksums(client: ClickHouseClient, database: string): Promise<Map<number, string>> {
  const answer = await client.query({
    query: `SELECT version, checksum FROM ${quoteName(database)}.schema_migrations FINAL`,
    format: 'JSONEachRow',
  });
  const rows = await answer.json<{ version: number; checksum: string }>();
  return new Map(rows.map((row) => [Number(row.version), row.checksum]));
}

async function applyOne(client: ClickHouseClient, options: MigrateOptions, migration: Migration): Promise<void> {
  for (const query of renderMigration(migration.sql, options)) await run(client, options, migration.name, query);
  await client.insert({
    table: `${quoteName(options.database)}.schema_migrations`,
    values: [{ version: migration.version, name: migration.name, checksum: migration.checksum }],
    format: 'JSONEachRow',
  });
}

/**
 * A server that is killed in the middle of an insert may lose or double the batch in an unreplicated table. The embedded
 * store mends that when it starts; a server can't, so whoever has one should know.
 */
async function tellUnreplicated(client: ClickHouseClient, { url, database, logger }: MigrateOptions): Promise<void> {
  const answer = await client.query({
    query: UNREPLICATED_TABLES_QUERY,
    query_params: { database },
    format: 'JSONEachRow',
  });
  const tables = await answer.json<{ name: string }>();
  if (tables.length === 0 || answer.response_headers[STORE_HEADER.toLowerCase()] !== undefined) return;
  logger.warn(
    { database, tables: tables.map(({ name }) => name) },
    `Tables at ${url} are not replicated: a kill of that server may lose or double a batch. Give it Keeper and migrate ` +
      'with --clickhouse-cluster, see infra/clickhouse/README.md',
  );
}

const UNREPLICATED_TABLES_QUERY = `SELECT name FROM system.tables WHERE database = {database:String}
AND engine LIKE '%MergeTree' AND NOT match(engine, '^(Replicated|Shared)') AND name != 'schema_migrations' ORDER BY name`;

async function run(client: ClickHouseClient, options: MigrateOptions, name: string, query: string): Promise<void> {
  try {
    await client.command({ query });
  } catch (error) {
    const firstLine = query.split('\n', 1)[0] ?? '';
    throw new WeirError(
      'MIGRATE_FAILED',
      `Migration ${name} failed at ${options.url} in "${firstLine}": ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

/** A name as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
