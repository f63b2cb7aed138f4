/**
 * What ingest takes and what it costs: a backlog through JetStream, decoding, insert and six rollups beside its floor
 * (bare inserts of the same encoded rows, same tables, same run), decoding alone, a steady load, bytes on disk.
 * Absolute figures hold for this machine and hour only; the machine's load is printed with them.
 *
 *   npm run bench -- ingest [--nodes 200] [--series 200] [--rounds 40] [--repeats 3]
 *                           [--steady-nodes 1000] [--steady 30] [--json]
 */
import { parseArgs } from 'node:util';
import { TABLE } from '@weir/contracts/tables';
import { startPipeline } from '@weir/test/harness/pipeline';
import { type DrainFigures, decodeRate, drain, floor, makeBacklog, reset } from './pipeline/backlog.ts';
import { machineLoad, median } from './pipeline/process-cost.ts';
import { SimulatedNode } from './pipeline/simulated-node.ts';
import { steady } from './pipeline/steady.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '200' },
    series: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '40' },
    repeats: { type: 'string', default: '3' },
    'steady-nodes': { type: 'string', default: '1000' },
    steady: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
  },
});
const series = Number(values.series);
const say = (line: string) => process.stderr.write(`${line}\n`);
const loadBefore = machineLoad();
const nodes = Array.from({ length: Number(values.nodes) }, (_, number) => new SimulatedNode(number, series));

const pipeline = await startPipeline();
try {
  const drains: DrainFigures[] = [];
  const floors: number[] = [];
  let decode = 0;
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    const backlog = makeBacklog(nodes, Number(values.rounds));
    decode = Math.max(decode, decodeRate(backlog));
    // in turns, so that a change of the machine's load meets both
    await reset(pipeline);
    floors.push(await floor(pipeline, backlog));
    await reset(pipeline);
    drains.push(await drain(pipeline, backlog, series));
    say(`run ${repeat + 1}: ${drains.at(-1)?.samplesPerSecond} samples/s, floor ${floors.at(-1)}`);
  }
  const bytes = drains.length > 0 ? await bytesPerSample() : undefined;
  await reset(pipeline);
  const steadyNodes = Array.from({ length: Number(values['steady-nodes']) }, (_, number) => {
    return new SimulatedNode(10_000 + number, series);
  });
  const steadyFigures =
    Number(values.steady) > 0 ? await steady(pipeline, steadyNodes, series, Number(values.steady)) : {};
  const result = {
    payloadBytes: nodes[0]?.payloadBytes,
    backlogSamples: drains[0]?.samples,
    samplesPerSecond: median(drains.map(({ samplesPerSecond }) => samplesPerSecond)),
    floorSamplesPerSecond: median(floors),
    ratioToFloor:
      Math.round(median(drains.map(({ samplesPerSecond }, i) => samplesPerSecond / (floors[i] ?? 1))) * 100) / 100,
    ingestCpuSeconds: median(drains.map(({ ingestCpuSeconds }) => ingestCpuSeconds)),
    ingestPeakMegabytes: Math.max(...drains.map(({ ingestPeakMegabytes }) => ingestPeakMegabytes)),
    decodeSamplesPerSecond: decode,
    bytesPerSample: bytes,
    steady: steadyFigures,
    machineLoad: [loadBefore, machineLoad()],
  };
  if (values.json) process.stdout.write(`${JSON.stringify({ bench: 'ingest', ...result })}\n`);
  else console.dir(result, { depth: 3 });
} finally {
  await pipeline.close();
}

/** Bytes on disk per raw sample when its parts are merged, in all columns and in each. */
async function bytesPerSample(): Promise<Record<string, number>> {
  await pipeline.clickhouse.command({ query: `OPTIMIZE TABLE ${TABLE.metricSamples} FINAL` });
  const columns = await pipeline.rows(
    `SELECT column AS name, sum(column_data_compressed_bytes + column_marks_bytes) / sum(rows) AS bytes
     FROM system.parts_columns WHERE database = currentDatabase() AND table = '${TABLE.metricSamples}' AND active
     GROUP BY name ORDER BY bytes DESC`,
  );
  const whole = await pipeline.row(
    `SELECT sum(bytes_on_disk) / sum(rows) AS bytes FROM system.parts
     WHERE database = currentDatabase() AND table = '${TABLE.metricSamples}' AND active`,
  );
  const rounded = (text: string | undefined) => Math.round(Number(text) * 1_000) / 1_000;
  return {
    total: rounded(whole.bytes),
    ...Object.fromEntries(columns.map(({ name, bytes }) => [name, rounded(bytes)])),
  };
}
