/**
 * Records the corpus from a system that runs (`weir up --demo` and, for changing figures, `weir load` beside it):
 *
 *   node test/bench/compression/record.ts --data .weir [--minutes 40]
 */
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { findRun } from '@weir/cli/run-state';
import { TABLE } from '@weir/contracts/tables';
import { type CorpusSeries, writeCorpus } from './corpus.ts';

const { values } = parseArgs({
  options: { data: { type: 'string', default: '.weir' }, minutes: { type: 'string', default: '40' } },
});
const INTERVAL_MS = 5_000;
const run = findRun(values.data);
if (!run) throw new Error(`No system runs in ${values.data}.`);
const { url, database, readUser, readPassword } = run.config.clickhouse as Record<string, string>;
const client = createClient({
  ...(url === undefined ? {} : { url }),
  username: readUser ?? '',
  password: readPassword ?? '',
  database: database ?? '',
});
const answer = await client.query({
  query: `SELECT any(d.metric) AS metric, any(d.kind) AS kind, any(d.unit) AS unit, any(d.node) AS node, any(d.attributes) AS attributes,
      groupArray(tick) AS ticks, groupArray(value) AS values
    FROM (
      SELECT series_id, intDiv(toUnixTimestamp64Milli(time), ${INTERVAL_MS}) AS tick, any(value) AS value FROM ${TABLE.metricSamples}
      WHERE time > (SELECT max(time) FROM ${TABLE.metricSamples}) - INTERVAL ${Number(values.minutes)} MINUTE
      GROUP BY series_id, tick ORDER BY series_id, tick
    ) AS s
    INNER JOIN (SELECT * FROM ${TABLE.metricSeries} FINAL) AS d ON d.series_id = s.series_id
    WHERE NOT startsWith(d.node, 'ingest')
    GROUP BY series_id ORDER BY metric, node, toString(attributes)`,
  format: 'JSONEachRow',
  clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
});
const series = await answer.json<CorpusSeries>();
await client.close();
const ticks = series.flatMap((one) => one.ticks);
const first = ticks.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const last = ticks.reduce((a, b) => Math.max(a, b), 0);
const bytes = writeCorpus({
  recordedAt: new Date(first * INTERVAL_MS).toISOString(),
  what: 'weir up --demo: two origins, two edges on one machine of two cores, a second stream, changing viewers',
  intervalMs: INTERVAL_MS,
  ticks: last - first + 1,
  series: series.map((one) => ({ ...one, ticks: one.ticks.map((tick) => tick - first) })),
});
console.log(`${series.length} series, ${ticks.length} samples, ${last - first + 1} ticks: ${bytes} bytes`);
