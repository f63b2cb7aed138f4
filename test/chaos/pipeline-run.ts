/**
 * The whole pipeline under blows: exporters of nodes with their outboxes on disk, NATS, two copies of ingest and the store,
 * of which one or two at a time are killed -9 (or hang) while data flow. In the end everything is compared with what was
 * sent, raw and at every rollup level. Before it: a seed; after it: figures, and what did not hold.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { readTelemetry, type Sample, withoutRepeats } from '@weir/test/harness/telemetry';
import { startTelemetryNode, type TelemetryNode } from '@weir/test/harness/telemetry-node';
import { Traffic } from '@weir/test/harness/traffic';
import { pick, seededRandom } from './random.ts';

/** What a run is made of; the same seed strikes the same blows. */
export interface PipelineChaosOptions {
  seed: number;
  blows: number;
  /** One blow in so many ms. */
  everyMs: number;
  /** Time for everything to be written in the end. */
  settleMs: number;
  say: (line: string) => void;
}

/** What a run came to. */
export interface PipelineChaosFigures {
  seed: number;
  blows: Record<string, number>;
  /** Whole-numbered samples of simulated outboxes, each fifth message sent again later. */
  samplesSent: number;
  /** Samples of real exporters, as they stand in JetStream. */
  samplesExported: number;
  /** Messages that stand in JetStream more than once. */
  sentAgain: number;
  /** From the end of the traffic until all of it is answered at every level. */
  settledAfterMs: number;
  /** What did not hold, one sentence each; empty = exact. */
  problems: string[];
}

const PARTITIONS = 4;
const NODES = ['exporter-1', 'exporter-2'];
const INTERVAL_MS = 500;
const PREFIX = 'chaos';
/** Small batches make many places to be killed at, a low bound of age the second lane. */
const BATCHES = { batchMaxMessages: 200, batchMaxDelayMs: 50, newestFirstAfterMs: 4_000 };
/** Longer than the lease of a partition. */
const HANG_MS = 7_500;

interface Part {
  readonly name: string;
  kill9(): Promise<void>;
  restart(): Promise<void>;
}

/** Runs it and judges. Throws only when a part does not come up again. */
export async function runPipelineChaos(options: PipelineChaosOptions): Promise<PipelineChaosFigures> {
  const { seed, everyMs, say } = options;
  const random = seededRandom(seed);
  const dir = mkdtempSync(join(tmpdir(), 'weir-chaos-'));
  const pipeline = await startPipeline();
  const copies: TestIngest[] = [];
  const nodes = new Map<string, TelemetryNode>();
  const start = async (node: string) => {
    const telemetry = { intervalMs: INTERVAL_MS, partitions: PARTITIONS };
    const values = {
      nats: { servers: [pipeline.nats.url] },
      node: { dataDir: join(dir, node) },
      machine: { stateDir: dir },
    };
    nodes.set(node, await startTelemetryNode({ node, values: { ...values, telemetry } }));
  };
  try {
    for (const name of ['copy-a', 'copy-b'])
      copies.push(
        await startTestIngest({
          ...pipeline,
          config: { ingest: { ...BATCHES, name }, telemetry: { partitions: PARTITIONS } },
        }),
      );
    await Promise.all(NODES.map(start));
    const traffic = new Traffic(pipeline.connection, PREFIX, PARTITIONS);
    const parts: Part[] = [
      ...copies.map((copy) => ({ name: copy.name, kill9: () => copy.kill9(), restart: () => copy.restart() })),
      { name: 'store', kill9: () => pipeline.store.kill9(), restart: () => pipeline.store.restart() },
      { name: 'nats', kill9: () => pipeline.nats.kill9(), restart: () => pipeline.nats.restart() },
      ...NODES.map((name) => ({
        name,
        kill9: async () => nodes.get(name)?.kill9(),
        restart: () => start(name),
      })),
    ];
    const blows: Record<string, number> = {};
    for (let number = 1; number <= options.blows; number++) {
      const nextMs = performance.now() + everyMs;
      const dice = random();
      const first = pick(random, parts);
      const second = pick(random, parts);
      const awayMs = random() * 2_000;
      const copy = pick(random, copies);
      const struck = dice < 0.12 ? [] : dice < 0.35 && second !== first ? [first, second] : [first];
      const what = struck.length === 0 ? `${copy.name} hangs` : struck.map(({ name }) => name).join(' and ');
      say(`${number}. ${what}, ${Math.round(struck.length === 0 ? HANG_MS : awayMs)} ms`);
      blows[what] = (blows[what] ?? 0) + 1;
      if (struck.length === 0) {
        copy.hang();
        await sleep(HANG_MS);
        copy.goOn();
      }
      await Promise.all(struck.map((part) => part.kill9()));
      await sleep(awayMs);
      // whoever needs another one waits for it
      await Promise.all(struck.map((part) => part.restart()));
      await sleep(Math.max(0, nextMs - performance.now()));
    }
    const sent = await traffic.end();
    await Promise.all([...nodes.values()].map((node) => node.close()));
    const judged = await judge(pipeline, sent, options.settleMs);
    return { seed, blows, samplesSent: sent.count, ...judged };
  } finally {
    await Promise.all([...nodes.values()].map((node) => node.kill9()));
    await Promise.all(copies.map((copy) => copy.close()));
    await pipeline.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function judge(
  pipeline: TestPipeline,
  sent: { count: number; sum: number },
  settleMs: number,
): Promise<Pick<PipelineChaosFigures, 'samplesExported' | 'sentAgain' | 'settledAfterMs' | 'problems'>> {
  const problems: string[] = [];
  const startedAtMs = performance.now();
  const exact = async (what: string, where: string, expected: { count: number; sum: number }) => {
    const leftMs = Math.max(1_000, settleMs - (performance.now() - startedAtMs));
    await pipeline.holds(where, expected, leftMs).catch((error: Error) => problems.push(`${what}: ${error.message}`));
  };
  await exact('simulated outboxes', `node LIKE '${PREFIX}-%'`, sent);

  // what real exporters sent is in the stream, whole: their outboxes number it
  const all = (await readTelemetry(pipeline.connection)).filter(({ node }) => NODES.includes(node));
  const messages = withoutRepeats(all);
  for (const node of NODES) {
    const numbers = new Set(messages.filter((message) => message.node === node).map(({ sequence }) => sequence));
    const holes = Math.max(0, ...numbers) - numbers.size;
    if (holes > 0 || numbers.size === 0) problems.push(`${node}: ${holes} of ${numbers.size} messages are missing`);
  }
  const exported = messages.flatMap(({ samples }) => samples).filter(({ kind }) => kind === 'gauge' || kind === 'sum');
  const metrics = Map.groupBy(exported, ({ metric }) => metric);
  const ours = "machine_id IN (SELECT DISTINCT machine_id FROM nodes WHERE node LIKE 'exporter-%')";
  const expected = [...metrics].map(([metric, samples]) => ({ metric, count: samples.length, sum: total(samples) }));
  const whole = expected.filter(({ sum }) => Number.isSafeInteger(sum) && Math.abs(sum) < 2 ** 52);
  const isWhole = (metric: string) => metrics.get(metric)?.every(({ value }) => Number.isInteger(value)) ?? false;
  for (const { metric, count, sum } of whole.filter(({ metric: name }) => isWhole(name)))
    await exact(metric, `metric = '${metric}' AND ${ours}`, { count, sum });
  // sums of fractions depend on their order, counts do not
  const counts = await pipeline.levels(ours);
  for (const { level, count } of counts)
    if (count !== exported.length) problems.push(`exporters, ${level}: ${count} samples of ${exported.length}`);
  return {
    samplesExported: exported.length,
    sentAgain: all.length - messages.length,
    settledAfterMs: Math.round(performance.now() - startedAtMs),
    problems,
  };
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, { value }) => sum + value, 0);
}
