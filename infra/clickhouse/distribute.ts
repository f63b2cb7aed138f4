/**
 * A database that spans all shards of a cluster: a Distributed table over each table of every shard, and the views of the
 * migrations over those. Whoever writes and reads there need not know of shards. Before it: the migrated tables of each
 * shard; after it: ingest, Grafana, `weir sql`, told this database's name.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { type Migration, quoteName, renderMigration } from './migrate.ts';

/** What the database is made of. */
export interface DistributeTarget {
  /** Database of the shards' own tables. */
  database: string;
  /** Database that spans them. */
  distributed: string;
  cluster: string;
}

/** A table of a shard, as `system.tables` and `system.columns` know it. */
export interface ShardTable {
  name: string;
  columns: readonly string[];
}

/** Where a row goes: whatever belongs together by time or by key (series, connection, node) shares the first of these. */
const SHARDING_COLUMNS = ['machine_id', 'node', 'cluster'];

/** Asks for the tables of `{database:String}` that hold or take rows, as {@link ShardTable}s. */
export const SHARD_TABLES_QUERY = `SELECT c.table AS name, groupArray(c.name) AS columns FROM system.columns AS c
WHERE c.database = {database:String} AND c.table IN (
  SELECT name FROM system.tables WHERE database = {database:String} AND engine NOT LIKE '%View'
    AND name != 'schema_migrations' AND NOT startsWith(name, '.'))
GROUP BY c.table ORDER BY c.table`;

/** The tables of the migrated database. */
export async function shardTables(client: ClickHouseClient, database: string): Promise<ShardTable[]> {
  const answer = await client.query({ query: SHARD_TABLES_QUERY, query_params: { database }, format: 'JSONEachRow' });
  return answer.json<ShardTable>();
}

/**
 * Statements that make the database; running them again brings it to the present state of `tables` and `migrations`.
 * A batch that is sent again is cut into the same pieces, so each shard recognises its piece by the batch's token.
 * @param onCluster false leaves ON CLUSTER out, where one server is all there is.
 */
export function distributedStatements(
  tables: readonly ShardTable[],
  migrations: readonly Migration[],
  { database, distributed, cluster }: DistributeTarget,
  onCluster = true,
): string[] {
  const everywhere = onCluster ? ` ON CLUSTER ${quoteName(cluster)}` : '';
  const made = tables.map(({ name, columns }) => {
    const key = SHARDING_COLUMNS.find((column) => columns.includes(column));
    const sharding = key === undefined ? '' : `, cityHash64(${quoteName(key)})`;
    const engine = `Distributed(${quoteName(cluster)}, ${quoteName(database)}, ${quoteName(name)}${sharding})`;
    const target = `${quoteName(distributed)}.${quoteName(name)}`;
    return `CREATE OR REPLACE TABLE ${target}${everywhere} AS ${quoteName(database)}.${quoteName(name)} ENGINE = ${engine}`;
  });
  const views = migrations
    .flatMap(({ sql }) => renderMigration(sql, { database: distributed, cluster: onCluster ? cluster : '' }))
    .filter((statement) => /^(CREATE (OR REPLACE )?|DROP )VIEW /.test(statement))
    // a view that is there already may be an older one
    .map((statement) => statement.replace(/^CREATE VIEW IF NOT EXISTS /, 'CREATE OR REPLACE VIEW '));
  return [`CREATE DATABASE IF NOT EXISTS ${quoteName(distributed)}${everywhere}`, ...made, ...views];
}
