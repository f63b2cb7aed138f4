/**
 * How long the cluster's three standing questions take from rollups, beside the same answers from raw samples in the same
 * store: mean CPU of 100 machines over 7 days at 10 min; viewers of one stream out of 1,000, and of the top 50, over
 * 24 h at 1 min. Data are made in the store at the sampling interval and rolled up by its views; both answers must agree.
 * Timed in the format that Grafana's plugin reads (Native), the rollups also in JSON and without the index of series
 * (migration 0081); with and without it, how many stretches of 8,192 rows are read.
 *
 *   npm run bench -- query [--machines 100] [--days 7] [--streams 1000] [--hours 24] [--runs 20] [--raw-runs 3] [--json]
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { DATABASE, TABLE, VIEW } from '@weir/contracts/tables';
import { startPipeline } from '@weir/test/harness/pipeline';
import { machineLoad, median, quantile } from './pipeline/process-cost.ts';

const { values } = parseArgs({
  options: {
    machines: { type: 'string', default: '100' },
    days: { type: 'string', default: '7' },
    streams: { type: 'string', default: '1000' },
    hours: { type: 'string', default: '24' },
    runs: { type: 'string', default: '20' },
    'raw-runs': { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const INTERVAL_SECONDS = 5;
const DAY_SECONDS = 86_400;
const CPU = 'system.cpu.utilization';
const VIEWERS = 'live.stream.viewers';
/** Whole hours, so that no bucket is cut. */
const endSeconds = Math.floor(Date.now() / 3_600_000) * 3_600;

/** A question: the same answer from a rollup and from raw samples. */
interface Question {
  name: string;
  fromRollup: string;
  fromRaw: string;
}

const cpuStart = endSeconds - Number(values.days) * DAY_SECONDS;
const viewersStart = endSeconds - Number(values.hours) * 3_600;
const viewerSeries = `SELECT series_id FROM ${VIEW.series} WHERE metric = '${VIEWERS}'`;
const oneStream = `${viewerSeries} AND attributes['stream'] = 'stream-7'`;

const QUESTIONS: readonly Question[] = [
  {
    name: `mean CPU of ${values.machines} machines, ${values.days} d at 10 min`,
    fromRollup: `SELECT toUnixTimestamp(time) AS t, round(sum(sum) / sum(count), 6) AS value FROM ${TABLE.metric10m}
      WHERE metric = '${CPU}' AND time >= ${cpuStart} AND time < ${endSeconds} GROUP BY t ORDER BY t`,
    fromRaw: `SELECT toUnixTimestamp(toStartOfTenMinutes(time)) AS t, round(sum(value) / count(), 6) AS value
      FROM ${TABLE.metricSamples} WHERE metric = '${CPU}' AND time >= ${cpuStart} AND time < ${endSeconds} GROUP BY t ORDER BY t`,
  },
  {
    name: `viewers of one stream of ${values.streams}, ${values.hours} h at 1 min`,
    fromRollup: `SELECT toUnixTimestamp(time) AS t, round(sum(sum) / sum(count), 6) AS value FROM ${TABLE.metric1m}
      WHERE metric = '${VIEWERS}' AND series_id IN (${oneStream}) AND time >= ${viewersStart} AND time < ${endSeconds}
      GROUP BY t ORDER BY t`,
    fromRaw: `SELECT toUnixTimestamp(toStartOfMinute(time)) AS t, round(sum(value) / count(), 6) AS value
      FROM ${TABLE.metricSamples} WHERE metric = '${VIEWERS}' AND series_id IN (${oneStream})
      AND time >= ${viewersStart} AND time < ${endSeconds} GROUP BY t ORDER BY t`,
  },
  {
    name: `viewers of the top 50 of ${values.streams} streams, ${values.hours} h at 1 min`,
    // the top is found an hour level up, then read at 1 min
    fromRollup: `SELECT series_id, toUnixTimestamp(time) AS t, round(sum(sum) / sum(count), 6) AS value FROM ${TABLE.metric1m}
      WHERE metric = '${VIEWERS}' AND time >= ${viewersStart} AND time < ${endSeconds} AND series_id IN (
        SELECT series_id FROM ${TABLE.metric1h} WHERE metric = '${VIEWERS}' AND time >= ${viewersStart} AND time < ${endSeconds}
        GROUP BY series_id ORDER BY sum(sum) DESC, series_id LIMIT 50)
      GROUP BY series_id, t ORDER BY series_id, t`,
    fromRaw: `SELECT series_id, toUnixTimestamp(toStartOfMinute(time)) AS t, round(sum(value) / count(), 6) AS value
      FROM ${TABLE.metricSamples}
      WHERE metric = '${VIEWERS}' AND time >= ${viewersStart} AND time < ${endSeconds} AND series_id IN (
        SELECT series_id FROM ${TABLE.metricSamples} WHERE metric = '${VIEWERS}' AND time >= ${viewersStart} AND time < ${endSeconds}
        GROUP BY series_id ORDER BY sum(value) DESC, series_id LIMIT 50)
      GROUP BY series_id, t ORDER BY series_id, t`,
  },
];

const loadBefore = machineLoad();
const pipeline = await startPipeline();
// making hours of data in one statement takes longer than a client waits by default
const maker = pipeline.store.client({ database: DATABASE, request_timeout: 600_000 });
try {
  const makingAtMs = performance.now();
  await make();
  const madeInMs = performance.now() - makingAtMs;
  const results = [];
  for (const { name, fromRollup, fromRaw } of QUESTIONS) {
    const rows = await compare(name, fromRollup, fromRaw);
    const rollup = await time(fromRollup, 'Native', Number(values.runs));
    const json = await time(fromRollup, 'JSONCompactEachRow', Number(values.runs));
    const unindexed = `${fromRollup} SETTINGS use_skip_indexes = 0`;
    const withoutIndex = await time(unindexed, 'Native', Number(values.runs));
    const raw = await time(fromRaw, 'Native', Number(values['raw-runs']));
    results.push({
      question: name,
      rows,
      p50Ms: Math.round(median(rollup)),
      p95Ms: Math.round(quantile(rollup, 0.95)),
      jsonP50Ms: Math.round(median(json)),
      jsonP95Ms: Math.round(quantile(json, 0.95)),
      withoutIndexP50Ms: Math.round(median(withoutIndex)),
      stretches: await stretchesRead(fromRollup),
      stretchesWithoutIndex: await stretchesRead(unindexed),
      rawMs: Math.round(median(raw)),
      rawToRollup: Math.round((median(raw) / median(rollup)) * 10) / 10,
    });
  }
  const rawSamples = Number((await pipeline.row(`SELECT count() AS n FROM ${TABLE.metricSamples}`)).n);
  const figures = { rawSamples, madeInSeconds: Math.round(madeInMs / 1_000), machineLoad: [loadBefore, machineLoad()] };
  if (values.json) process.stdout.write(`${JSON.stringify({ bench: 'query', ...figures, results })}\n`);
  else {
    console.table(results);
    console.log(figures);
  }
} finally {
  await pipeline.close();
}

/** Values are multiples of 1/1024, so that sums are exact in any order. Series, then a day of samples per statement: the views roll up as they do when ingest inserts. */
async function make(): Promise<void> {
  // a week that ends at a whole hour begins before the week raw samples are kept
  await maker.command({ query: `ALTER TABLE ${TABLE.metricSamples} REMOVE TTL` });
  await describe(CPU, Number(values.machines), "map('cpu.mode', 'used')", "concat('machine-', toString(number))", "''");
  await describe(
    VIEWERS,
    Number(values.streams),
    "map('app', 'live', 'stream', concat('stream-', toString(number)))",
    "concat('machine-', toString(number % 20))",
    "concat('edge-', toString(number % 20))",
  );
  for (let from = cpuStart; from < endSeconds; from += DAY_SECONDS)
    await sample(
      CPU,
      from,
      Math.min(from + DAY_SECONDS, endSeconds),
      'round(1024 * (0.3 + 0.2 * sin(t / 9000 + series_id % 7) + (cityHash64(series_id, t) % 100) / 1000)) / 1024',
    );
  for (let from = viewersStart; from < endSeconds; from += 3 * 3_600)
    await sample(
      VIEWERS,
      from,
      Math.min(from + 3 * 3_600, endSeconds),
      'toFloat64(series_id % 500 + intDiv(cityHash64(series_id, intDiv(t, 60)) % 100, 10))',
    );
}

async function describe(
  metric: string,
  count: number,
  attributes: string,
  machine: string,
  node: string,
): Promise<void> {
  await maker.command({
    query: `INSERT INTO ${TABLE.metricSeries} SELECT cityHash64('${metric}', number), 'weir', 'lab', ${machine}, ${node},
      '${metric}', 'gauge', '1', ${attributes}, now64(3) FROM numbers(${count})`,
  });
}

async function sample(metric: string, from: number, to: number, value: string): Promise<void> {
  await maker.command({
    query: `INSERT INTO ${TABLE.metricSamples} SELECT fromUnixTimestamp64Milli(toInt64(t) * 1000), cluster, site, machine_id, node, metric, series_id, ${value}
      FROM (SELECT series_id, cluster, site, machine_id, node, metric FROM ${TABLE.metricSeries} WHERE metric = '${metric}') AS d
      CROSS JOIN (SELECT ${from} + number * ${INTERVAL_SECONDS} AS t FROM numbers(${Math.floor((to - from) / INTERVAL_SECONDS)})) AS g`,
  });
}

/** Rows of both answers. @throws Error naming the first row that differs */
async function compare(name: string, fromRollup: string, fromRaw: string): Promise<number> {
  const answers: unknown[][] = [];
  for (const query of [fromRollup, fromRaw]) {
    const answer = await pipeline.clickhouse.query({ query, format: 'JSONCompactEachRow' });
    answers.push(await answer.json<unknown>());
  }
  const [rollup = [], raw = []] = answers;
  const differs = rollup.findIndex((row, at) => !isDeepStrictEqual(row, raw[at]));
  if (differs < 0 && rollup.length === raw.length) return rollup.length;
  const [ours, theirs] = [rollup, raw].map((answer) => `${answer.length} rows, ${JSON.stringify(answer[differs])}`);
  throw new Error(`"${name}": the rollup says ${ours}; raw samples say ${theirs}`);
}

/** Stretches of 8,192 rows that are read of the largest table the question asks. */
async function stretchesRead(query: string): Promise<number> {
  return Math.max(...(await pipeline.rows(`EXPLAIN ESTIMATE ${query}`)).map(({ marks }) => Number(marks)));
}

/** Asks a question several times: ms each, until the last byte of the answer is here. Reading it is the client's own work. */
async function time(query: string, format: string, runs: number): Promise<number[]> {
  const times: number[] = [];
  // once without counting: the first reader of a part reads it from disk
  for (let run = -1; run < runs; run++) {
    const startedAtMs = performance.now();
    const { stream } = await pipeline.clickhouse.exec({ query: `${query} FORMAT ${format}` });
    for await (const chunk of stream) void chunk;
    if (run >= 0) times.push(performance.now() - startedAtMs);
  }
  return times;
}
