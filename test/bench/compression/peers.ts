/**
 * The same samples in VictoriaMetrics and Prometheus, as Debian packages them: what each takes in a second by its own bulk
 * door, bytes on disk once it has compacted, and two queries beside ours over the same range. Before it: a filled store;
 * after it: one row of figures per server.
 *
 * VictoriaMetrics: /api/v1/import (JSON lines), force_merge, all files of its storage. Prometheus: remote write (protobuf,
 * snappy) for the rate; for the bytes the blocks that `promtool tsdb create-blocks-from openmetrics` makes of the same samples,
 * because its head is compacted only after hours. Both get counters as the increases they are here; neither makes rollups.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline as pipe } from 'node:stream/promises';
import { TABLE } from '@weir/contracts/tables';
import { freePort } from '@weir/test/harness/free-port';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { median } from '../pipeline/process-cost.ts';
import { rounded } from './disk.ts';
import { folderBytes, isInstalled, post, settled, start, stop } from './peer-server.ts';
import { remoteWriteRequests } from './remote-write.ts';

/** One server's figures. */
export interface PeerFigures {
  server: string;
  samples: number;
  /** What its bulk door takes; undefined where none was measured. */
  samplesPerSecond?: number;
  bytesPerSample: number;
  /** Mean CPU of all machines at 10 min, ms, median of some runs. */
  cpuMs: number;
  /** Viewers of the 50 most watched streams' series at 1 min, ms. */
  viewersMs: number;
}

/** Range of the samples, Unix s. */
export interface PeerRange {
  startSeconds: number;
  endSeconds: number;
}

const RUNS = 9;
const CPU = 'system.cpu.utilization';
const VIEWERS = 'live.stream.viewers';

interface ExportedSeries {
  labels: Record<string, string>;
  times: number[];
  values: number[];
}

/** Loads and measures each server that is installed. */
export async function measurePeers(
  pipeline: TestPipeline,
  range: PeerRange,
  say: (line: string) => void,
): Promise<PeerFigures[]> {
  const series = await exportSeries(pipeline);
  const samples = series.reduce((sum, { values }) => sum + values.length, 0);
  say(`${samples} samples for others`);
  const folder = mkdtempSync(join(tmpdir(), 'weir-peers-'));
  try {
    const figures = [await ours(pipeline, samples, range)];
    say('ours asked');
    if (isInstalled('victoria-metrics')) figures.push(await victoriaMetrics(folder, series, samples, range));
    say('VictoriaMetrics done');
    if (isInstalled('prometheus')) figures.push(await prometheus(folder, series, samples, range));
    return figures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function exportSeries(pipeline: TestPipeline): Promise<ExportedSeries[]> {
  const answer = await pipeline.clickhouse.query({
    query: `SELECT any(d.metric) AS metric, any(d.machine_id) AS machine_id, any(d.node) AS node, any(d.attributes) AS attributes,
        groupArray(toUnixTimestamp64Milli(s.time)) AS times, groupArray(s.value) AS values
      FROM (SELECT series_id, time, value FROM ${TABLE.metricSamples} ORDER BY series_id, time) AS s
      INNER JOIN (SELECT * FROM ${TABLE.metricSeries} FINAL) AS d ON d.series_id = s.series_id GROUP BY series_id`,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const found: ExportedSeries[] = [];
  type Row = { metric: string; machine_id: string; node: string; attributes: Record<string, string> };
  for await (const rows of answer.stream<Row & { times: number[]; values: number[] }>()) {
    for (const row of rows) {
      const { metric, machine_id, node, attributes, times, values } = row.json();
      const named = { machine_id, ...(node === '' ? {} : { node }), ...attributes };
      const labels = Object.fromEntries(Object.entries(named).map(([name, value]) => [plain(name), value]));
      found.push({ labels: { __name__: plain(metric), ...labels }, times, values });
    }
  }
  return found;
}

/** Prometheus of 2023 takes letters, digits and `_` in names. */
function plain(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

async function ours(pipeline: TestPipeline, samples: number, range: PeerRange): Promise<PeerFigures> {
  const where = `time >= ${range.startSeconds} AND time < ${range.endSeconds}`;
  const cpu = `SELECT time, sum(sum) / sum(count) FROM ${TABLE.metric10m} WHERE metric = '${CPU}'
    AND series_id IN (SELECT series_id FROM ${TABLE.metricSeries} WHERE metric = '${CPU}' AND attributes['cpu.mode'] = 'used') AND ${where} GROUP BY time ORDER BY time`;
  const viewers = `SELECT series_id, time, sum(sum) / sum(count) FROM ${TABLE.metric1m} WHERE metric = '${VIEWERS}' AND ${where}
    AND series_id IN (SELECT series_id FROM ${TABLE.metric1h} WHERE metric = '${VIEWERS}' AND ${where} GROUP BY series_id ORDER BY sum(sum) DESC LIMIT 50)
    GROUP BY series_id, time ORDER BY series_id, time`;
  const whole = await pipeline.row(
    `SELECT sum(bytes_on_disk) / sum(rows) AS bytes FROM system.parts WHERE database = currentDatabase() AND table = '${TABLE.metricSamples}' AND active`,
  );
  return {
    server: 'Weir (embedded ClickHouse, raw)',
    samples,
    bytesPerSample: rounded(whole.bytes),
    cpuMs: await timed(() => pipeline.rows(cpu)),
    viewersMs: await timed(() => pipeline.rows(viewers)),
  };
}

async function victoriaMetrics(
  folder: string,
  series: readonly ExportedSeries[],
  samples: number,
  range: PeerRange,
): Promise<PeerFigures> {
  const port = await freePort();
  const data = join(folder, 'victoria');
  const url = `http://127.0.0.1:${port}`;
  const args = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=1y'];
  const server = await start('victoria-metrics', [...args, '-search.latencyOffset=0s'], `${url}/health`);
  try {
    const lines = batches(series, SERIES_PER_REQUEST).map((batch) =>
      batch
        .map(({ labels, times, values }) => JSON.stringify({ metric: labels, values, timestamps: times }))
        .join('\n'),
    );
    const startedAtMs = performance.now();
    for (const body of lines) await post(`${url}/api/v1/import`, body);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    await post(`${url}/internal/force_flush`, '');
    await post(`${url}/internal/force_merge`, '');
    await settled(data);
    return {
      server: 'VictoriaMetrics',
      samples,
      samplesPerSecond: Math.round(samples / seconds),
      bytesPerSample: rounded(folderBytes(data) / samples),
      ...(await promQueries(url, range)),
    };
  } finally {
    await stop(server);
  }
}

async function prometheus(
  folder: string,
  series: readonly ExportedSeries[],
  samples: number,
  range: PeerRange,
): Promise<PeerFigures> {
  const config = join(folder, 'prometheus.yml');
  writeFileSync(config, 'global: {}\n');
  const run = async (data: string, ...more: string[]) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=127.0.0.1:${port}`];
    const retention = ['--storage.tsdb.retention.time=10y', '--log.level=error', ...more];
    return { url, server: await start('prometheus', [...args, ...retention], `${url}/-/ready`) };
  };
  const written = await run(join(folder, 'head'), '--web.enable-remote-write-receiver');
  const requests = remoteWriteRequests(series, SAMPLES_PER_REQUEST);
  const startedAtMs = performance.now();
  for (const body of requests)
    await post(`${written.url}/api/v1/write`, body, {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    });
  const seconds = (performance.now() - startedAtMs) / 1_000;
  await stop(written.server);

  const text = join(folder, 'samples.om');
  await pipe(openMetrics(series), createWriteStream(text));
  const blocks = join(folder, 'blocks');
  const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', text, blocks], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`promtool: ${made.stderr}`);
  const bytes = folderBytes(blocks);
  const filled = await run(blocks);
  try {
    return {
      server: 'Prometheus',
      samples,
      samplesPerSecond: Math.round(samples / seconds),
      bytesPerSample: rounded(bytes / samples),
      ...(await promQueries(filled.url, range)),
    };
  } finally {
    await stop(filled.server);
  }
}

const SERIES_PER_REQUEST = 200;
const SAMPLES_PER_REQUEST = 20_000;

async function* openMetrics(series: readonly ExportedSeries[]): AsyncGenerator<string> {
  const byName = Map.groupBy(series, ({ labels }) => String(labels.__name__));
  for (const [name, group] of byName) {
    yield `# TYPE ${name} gauge\n`;
    for (const { labels, times, values } of group) {
      const pairs = Object.entries(labels).filter(([label]) => label !== '__name__');
      const head = `${name}{${pairs.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(',')}}`;
      yield times.map((time, at) => `${head} ${values[at]} ${time / 1_000}\n`).join('');
    }
  }
  yield '# EOF\n';
}

/** The same two questions in PromQL. */
async function promQueries(
  url: string,
  { startSeconds, endSeconds }: PeerRange,
): Promise<{ cpuMs: number; viewersMs: number }> {
  const ask = async (query: string, step: number) => {
    const range = { query, start: String(startSeconds + step), end: String(endSeconds), step: String(step) };
    const response = await fetch(`${url}/api/v1/query_range?nocache=1&${new URLSearchParams(range)}`);
    const { status, data } = (await response.json()) as { status: string; data: { result: unknown[] } };
    if (status !== 'success' || data.result.length === 0) throw new Error(`${url} answers nothing to ${query}`);
  };
  const top = `topk(50, sum_over_time(${plain(VIEWERS)}[${endSeconds - startSeconds}s] @ ${endSeconds}))`;
  const viewers = `avg_over_time(${plain(VIEWERS)}[60s]) and on(machine_id, node, app, stream) ${top}`;
  return {
    cpuMs: await timed(() => ask(`avg(avg_over_time(${plain(CPU)}{cpu_mode="used"}[10m]))`, 600)),
    viewersMs: await timed(() => ask(viewers, 60)),
  };
}

async function timed(ask: () => Promise<unknown>): Promise<number> {
  await ask();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const startedAtMs = performance.now();
    await ask();
    times.push(performance.now() - startedAtMs);
  }
  return Math.round(median(times) * 10) / 10;
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
