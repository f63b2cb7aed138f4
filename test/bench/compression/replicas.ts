/**
 * Makes many machines of the recorded one, in the store, where the rollups see it as they see ingest's inserts. What
 * jitters: each series of each replica and pass begins elsewhere in the recording and is scaled by 0.8 to 1.25, in the steps
 * its figures really have, so that no two series hold the same run of values and none has digits that the real one has
 * not. Constant series stay what they are. Before it: the corpus; after it: `metric_samples` and all levels.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { TABLE } from '@weir/contracts/tables';
import type { Corpus } from './corpus.ts';
import { stepOf } from './corpus.ts';

/** What is made. */
export interface ReplicaOptions {
  /** Machines, each with all the nodes of the recording. */
  replicas: number;
  /** How often the recording follows on itself. */
  passes: number;
  /** Unix time, s, of the end. */
  endSeconds: number;
}

/** Fills `metric_series` and `metric_samples`; when the first sample is from, Unix s. */
export async function makeReplicas(client: ClickHouseClient, corpus: Corpus, options: ReplicaOptions): Promise<number> {
  const stepSeconds = corpus.intervalMs / 1_000;
  const { replicas, passes } = options;
  const startSeconds = options.endSeconds - passes * corpus.ticks * stepSeconds;
  await client.command({
    query: `CREATE TABLE corpus (id UInt32, metric String, kind String, unit String, node String, attributes Map(String, String),
      ticks Array(UInt32), values Array(Float64), step Float64, decimals UInt8, is_constant UInt8) ENGINE = Memory`,
  });
  await client.insert({
    table: 'corpus',
    format: 'JSONEachRow',
    values: corpus.series.map((series, id) => ({
      id,
      ...series,
      ...stepOf(series.values),
      is_constant: Number(series.values.every((value) => value === series.values[0])),
    })),
  });
  const who = `'weir' AS cluster, 'lab' AS site, concat('machine-', toString(replica)) AS machine_id,
    if(node = '', '', concat(node, '-', toString(replica))) AS node, cityHash64(id, replica) AS series_id`;
  await client.command({
    query: `INSERT INTO ${TABLE.metricSeries} (series_id, cluster, site, machine_id, node, metric, kind, unit, attributes, last_seen)
      SELECT series_id, cluster, site, machine_id, node, metric, kind, unit, attributes, now64(3)
      FROM (SELECT ${who}, metric, kind, unit, attributes FROM (SELECT * FROM corpus) AS c CROSS JOIN (SELECT number AS replica FROM numbers(${replicas})) AS r)`,
  });
  for (let pass = 0; pass < passes; pass++) {
    for (let from = 0; from < replicas; from += REPLICAS_PER_INSERT) {
      const count = Math.min(REPLICAS_PER_INSERT, replicas - from);
      await client.command({
        query: `INSERT INTO ${TABLE.metricSamples} (time, cluster, site, machine_id, node, metric, series_id, value)
          SELECT fromUnixTimestamp64Milli(toInt64(${startSeconds * 1_000} + (${pass * corpus.ticks} + tick) * ${corpus.intervalMs})),
            cluster, site, machine_id, node, metric, series_id,
            multiIf(is_constant, raw, step = 0, raw * factor, decimals = 0, round(raw * factor / step) * step, round(raw * factor, decimals))
          FROM (
            SELECT ${who}, metric, tick, step, decimals, is_constant,
              values[1 + (place + cityHash64(id, replica, ${pass})) % length(values)] AS raw,
              0.8 + 0.45 * (cityHash64(replica, id, ${pass}) % 100000) / 100000 AS factor
            FROM (SELECT id, metric, node, values, step, decimals, is_constant, tick, place FROM corpus ARRAY JOIN ticks AS tick, arrayEnumerate(ticks) AS place) AS c
            CROSS JOIN (SELECT ${from} + number AS replica FROM numbers(${count})) AS r
          )`,
      });
    }
  }
  return startSeconds;
}

/** Some hundred thousand rows an insert, like a large batch of ingest's. */
const REPLICAS_PER_INSERT = 4;
