/**
 * Bytes on disk per sample of a recorded corpus of real host and media metrics (test/bench/compression/corpus.json.br),
 * replicated over machines with jitter: raw and at each level, by column, and for the raw value with other codecs. With
 * --peers the same samples into VictoriaMetrics and Prometheus (Debian's packages): what they take in a second, bytes, and
 * two queries. Record a corpus anew with test/bench/compression/record.ts.
 *
 *   npm run bench -- compression [--replicas 25] [--passes 3] [--codecs] [--peers] [--json]
 */
import { parseArgs } from 'node:util';
import { DATABASE, ROLLUPS, TABLE } from '@weir/contracts/tables';
import { startPipeline } from '@weir/test/harness/pipeline';
import { readCorpus } from './compression/corpus.ts';
import { type CodecCost, codecCosts, rounded, type TableBytes, tableBytes } from './compression/disk.ts';
import { measurePeers } from './compression/peers.ts';
import { makeReplicas } from './compression/replicas.ts';
import { machineLoad } from './pipeline/process-cost.ts';

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '25' },
    passes: { type: 'string', default: '3' },
    codecs: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
/** Of the raw value; the first is what the table had before migration 0080. ALP is experimental in ClickHouse 26.7. */
const CODECS = [
  ...['Gorilla, ZSTD(1)', 'FPC, ZSTD(6)', 'Delta, ZSTD(6)', 'ALP, ZSTD(6)'],
  ...['ZSTD(1)', 'ZSTD(3)', 'ZSTD(6)', 'ZSTD(9)', 'ZSTD(12)', 'ZSTD(17)'],
];
/** ClickHouse's own, and those of migrations 0080 and 0130: what is compressed at once. */
const BLOCKS = [65_536, 262_144, 4_194_304];
const DAY_SECONDS = 86_400;

const say = (line: string) => process.stderr.write(`${Math.round(performance.now() / 1_000)} s: ${line}\n`);
const loadBefore = machineLoad();
const corpus = readCorpus();
const pipeline = await startPipeline();
const maker = pipeline.store.client({ database: DATABASE, request_timeout: 600_000 });
try {
  const replicas = Number(values.replicas);
  // ends with a day, so that all of it is one partition at any hour
  const endSeconds = Math.floor(Date.now() / 1_000 / DAY_SECONDS) * DAY_SECONDS;
  const startSeconds = await makeReplicas(maker, corpus, { replicas, passes: Number(values.passes), endSeconds });
  say('filled');
  const raw = await tableBytes(pipeline, TABLE.metricSamples);
  const levels: (TableBytes & { bytesPerSample: number })[] = [];
  for (const { table } of ROLLUPS) {
    const level = await tableBytes(pipeline, table);
    levels.push({ ...level, bytesPerSample: rounded((level.bytesPerRow * level.rows) / raw.rows) });
  }
  say('merged');
  const series = await tableBytes(pipeline, TABLE.metricSeries);
  const codecs: Record<string, Record<string, CodecCost>> = {};
  for (const block of values.codecs ? BLOCKS : [])
    codecs[`blocks of ${block}`] = await codecCosts(pipeline, TABLE.metricSamples, CODECS, block);
  const peers = values.peers ? await measurePeers(pipeline, { startSeconds, endSeconds }, say) : undefined;
  const corpusFigures = {
    recordedAt: corpus.recordedAt,
    series: corpus.series.length,
    samples: corpus.series.reduce((sum, one) => sum + one.values.length, 0),
    constantSeries: corpus.series.filter((one) => one.values.every((value) => value === one.values[0])).length,
  };
  const bySeries = rounded((series.bytesPerRow * series.rows) / raw.rows);
  const figures = {
    bench: 'compression',
    corpus: corpusFigures,
    replicas,
    raw,
    levels,
    seriesBytesPerSample: bySeries,
  };
  const result = { ...figures, codecs, peers, machineLoad: [loadBefore, machineLoad()] };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else console.dir(result, { depth: 5 });
} finally {
  await pipeline.close();
}
