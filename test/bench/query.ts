/**
 * How long the cluster's three standing questions take from rollups, beside the same answers from raw samples in the same
 * store: mean CPU of 100 machines over 7 days at 10 min; viewers of one stream out of 1,000, and of the top 50, over
 * 24 h at 1 min. Data are made in the store at the sampling interval and rolled up by its views; both answers must agree.
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
    const rollup = await time(fromRollup, Number(values.runs));
    const raw = await time(fromRaw, Number(values['raw-runs']));
    const differs = rollup.answer.findIndex((row, at) => !isDeepStrictEqual(row, raw.answer[at]));
    if (differs >= 0 || rollup.answer.length !== raw.answer.length) {
      const [ours, theirs] = [rollup, raw].map(
        ({ answer }) => `${answer.length} rows, ${JSON.stringify(answer[differs])}`,
      );
      throw new Error(`"${name}": the rollup says ${ours}; raw samples say ${theirs}`);
    }
    results.push({
      question: name,
      rows: rollup.answer.length,
      p50Ms: Math.round(median(rollup.times)),
      p95Ms: Math.round(quantile(rollup.times, 0.95)),
      rawMs: Math.round(median(raw.times)),
      rawToRollup: Math.round((median(raw.times) / median(rollup.times)) * 10) / 10,
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

/**
 * Runs a query several times; its last answer and the time of each run, from the question until the last byte of the answer
 * is here. Reading the JSON is the client's own work and not counted.
 */
async function time(query: string, runs: number): Promise<{ answer: unknown[][]; times: number[] }> {
  const times: number[] = [];
  // once without counting: the first reader of a part reads it from disk
  let body = await ask(query);
  for (let run = 0; run < runs; run++) {
    const startedAtMs = performance.now();
    body = await ask(query);
    times.push(performance.now() - startedAtMs);
  }
  const lines = body.split('\n').filter((line) => line !== '');
  return { answer: lines.map((line) => JSON.parse(line) as unknown[]), times };
}

async function ask(query: string): Promise<string> {
  const answer = await pipeline.clickhouse.query({ query, format: 'JSONCompactEachRow' });
  return answer.text();
}
