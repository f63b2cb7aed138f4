/**
 * What the cluster of the generated week did besides: nodes that came and went with its incidents, an edge elected origin and
 * relieved, and the counters that go with these and with the changes of streams, as nodes tell them: one per event.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { TABLE } from '@weir/contracts/tables';
import { WEEK_CLUSTER } from './cluster.ts';
import type { EventOptions } from './generate.ts';
import type { IncidentName } from './incidents.ts';
import { quote, time64 } from './sql.ts';

/** The edge that becomes origin while one is lost. */
export const ELECTED = 'edge-02';
/** The node that writes down who came and went. */
const SEEN_BY = 'edge-01';

/** Nodes that came and went, an election and its end. */
export function clusterChanges({ database, week }: EventOptions): string[] {
  const at = (name: IncidentName, afterMs: number, end: 'startMs' | 'endMs' = 'startMs') =>
    ((week.incidents.get(name)?.[end] ?? 0) + afterMs) / 1_000;
  if (week.incidents.size === 0) return [];
  const rows: [seconds: number, node: string, event: string, seenBy: string, cause: string][] = [
    [at('drain', -1_000), 'edge-18', 'gone', SEEN_BY, 'left'],
    [at('drain', 0, 'endMs'), 'edge-18', 'joined', SEEN_BY, 'heard'],
    [at('node-dead', 1_200), 'edge-12', 'gone', SEEN_BY, 'connection-lost'],
    [at('node-dead', 0, 'endMs'), 'edge-12', 'joined', SEEN_BY, 'heard'],
    [at('origin-lost', 1_100), 'origin-1', 'gone', SEEN_BY, 'connection-lost'],
    [at('origin-lost', 1_900), ELECTED, 'elected', ELECTED, 'origins-missing'],
    [at('origin-lost', 0, 'endMs'), 'origin-1', 'joined', SEEN_BY, 'heard'],
    [at('origin-lost', 6_000, 'endMs'), ELECTED, 'relieved', ELECTED, 'origins-back'],
  ];
  const values = rows.map(
    ([seconds, ...texts]) => `(${time64(seconds)}, ${quote(WEEK_CLUSTER)}, ${texts.map(quote).join(', ')})`,
  );
  return [
    `INSERT INTO ${database}.${TABLE.clusterEvents} (time, cluster, node, event, seen_by, cause) VALUES ${values.join(', ')}`,
  ];
}

/** Samples of the counters of both kinds of changes, from the rows of their tables; after those and the inventory are there. */
export function changeFigures({ database, week }: EventOptions): string[] {
  return [
    ...counter('live.cluster.changes', `${database}.${TABLE.clusterEvents}`, 'seen_by', 'event'),
    ...counter('live.stream.changes', `${database}.${TABLE.streamChanges}`, 'node', 'change'),
  ];

  function counter(metric: MetricName, table: string, teller: string, what: string): string[] {
    const from = `FROM (SELECT time, e.cluster AS cluster, n.site AS site, n.machine_id AS machine_id, n.node AS node, e.${what} AS what, e.cause AS why
  FROM ${table} AS e INNER JOIN ${database}.${TABLE.nodes} AS n ON n.cluster = e.cluster AND n.node = e.${teller})`;
    const series = `cityHash64('${metric}', cluster, node, what, why)`;
    const who = `cluster, site, machine_id, node, '${metric}' AS metric`;
    return [
      `INSERT INTO ${database}.${TABLE.metricSeries} (series_id, cluster, site, machine_id, node, metric, kind, unit, attributes, last_seen)
SELECT DISTINCT ${series}, ${who}, 'counter', '{change}', map('${what}', what, 'cause', why), ${time64(week.endMs / 1_000)} ${from}`,
      `INSERT INTO ${database}.${TABLE.metricSamples} (time, cluster, site, machine_id, node, metric, series_id, value)
SELECT ${time64('5 * ceil(toUnixTimestamp64Milli(time) / 5000)')} AS heard, ${who}, ${series} AS series_id, count() ${from} GROUP BY heard, cluster, site, machine_id, node, what, why SETTINGS max_partitions_per_insert_block = 0`,
    ];
  }
}
