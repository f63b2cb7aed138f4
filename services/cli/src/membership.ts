/**
 * Which nodes the cluster should have, as the database knows it: expected or first heard of, until retired. Marks are only
 * ever added. Before it: `weir nodes expect` and `retire`, and the nodes' own reports; after it: `weir nodes`, `cluster_load`.
 */
import { TABLE, VIEW } from '@weir/contracts/tables';
import type { Database } from './clickhouse.ts';

/** A node that belongs to the cluster now. */
export interface Member {
  node: string;
  /** `YYYY-MM-DD hh:mm:ss.mmm` in UTC. */
  since: string;
  /** Empty when nobody has heard of it. */
  role: string;
  site: string;
  version: string;
  /** When its newest report was taken; null when nobody has heard of it. */
  last_seen: string | null;
  /** Newest offset of its machine's clock, s; null when it is not known. */
  clock_offset: number | null;
}

/** All members of `cluster`, by name. */
export function members(database: Database, cluster: string): Promise<Member[]> {
  return database.rows<Member>(
    `SELECT s.node AS node, toString(s.since) AS since, n.role AS role, n.site AS site, n.version AS version,
       if(n.node = '', NULL, toString(n.last_seen)) AS last_seen, c.clock_offset AS clock_offset
     FROM ${VIEW.nodeMemberships} AS s
     LEFT JOIN ${TABLE.nodes} AS n ON n.cluster = s.cluster AND n.node = s.node
     LEFT JOIN (
       SELECT machine_id, toNullable(argMax(value, time)) AS clock_offset FROM ${TABLE.metricSamples}
       WHERE metric = 'system.clock.offset' AND time > now() - INTERVAL 10 MINUTE GROUP BY machine_id
     ) AS c ON c.machine_id = n.machine_id
     WHERE s.cluster = ${quote(cluster)} AND s.is_member ORDER BY node`,
  );
}

/** Adds a mark to each node, as of now; `nodes` are valid node names. @throws WeirError `SQL_FAILED` and others */
export async function markNodes(
  database: Database,
  mark: { cluster: string; nodes: readonly string[]; mark: 'expected' | 'retired'; reason: string },
): Promise<void> {
  const rows = mark.nodes.map(
    (node) => `(now64(3), ${quote(mark.cluster)}, ${quote(node)}, ${quote(mark.mark)}, ${quote(mark.reason)})`,
  );
  const insert = `INSERT INTO ${TABLE.nodeMarks} (time, cluster, node, mark, reason) VALUES ${rows.join(', ')}`;
  for await (const _chunk of await database.stream(insert, 'Null'));
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
