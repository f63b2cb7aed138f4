/**
 * A steady load on a running pipeline: nodes that send on the 5 s grid, spread over it as real ones are. Says how far
 * ingest lags behind, when a sample can be asked for, and what each process of the pipeline costs meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '@weir/contracts/config/load';
import { TABLE } from '@weir/contracts/tables';
import { startTestIngest } from '@weir/test/harness/ingest';
import { TestOutbox } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { cpuSeconds, peakMegabytes, quantile } from './process-cost.ts';
import type { SimulatedNode } from './simulated-node.ts';

/** What a steady load costs. */
export interface SteadyFigures {
  samplesPerSecond: number;
  /** Between JetStream's acknowledgement and an answer of ClickHouse that holds it, looked at about every 0.2 s. */
  visibleAfterMsP50: number;
  visibleAfterMsP95: number;
  maxLagSeconds: number;
  ingestCores: number;
  ingestPeakMegabytes: number;
  natsCores: number;
  storeCores: number;
  batchesPerSecond: number;
  insertsPerSecond: number;
}

const INTERVAL_MS = 5_000;
const LOOK_MS = 200;
/** All series are described in the first interval of a copy's life; that is a start, not the steady load. */
const WARM_UP_MS = 15_000;

/** Runs `nodes` for `seconds` after a warm-up of three intervals. */
export async function steady(
  pipeline: TestPipeline,
  nodes: readonly SimulatedNode[],
  series: number,
  seconds: number,
): Promise<SteadyFigures> {
  const { partitions } = loadConfig().telemetry;
  const ingest = await startTestIngest(pipeline);
  const stop = new AbortController();
  /** Acknowledged payloads: how many there were at what time. */
  const acknowledged: { count: number; atMs: number }[] = [];
  let count = 0;
  const sending = nodes.map(async (node, number) => {
    const outbox = new TestOutbox(pipeline.connection, node.sender, partitions);
    const offsetMs = (number * INTERVAL_MS) / nodes.length;
    for (let at = performance.now() + offsetMs; !stop.signal.aborted; at += INTERVAL_MS) {
      await sleep(Math.max(0, at - performance.now()), undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return;
      await outbox.send('metrics', node.payload(Date.now()));
      count += 1;
      acknowledged.push({ count, atMs: performance.now() });
    }
  });
  try {
    await sleep(WARM_UP_MS);
    const pids = { ingest: ingest.pid, nats: pipeline.nats.pid, store: pipeline.store.pid };
    const costs = () => ({
      ingest: cpuSeconds(pids.ingest),
      nats: cpuSeconds(pids.nats),
      store: cpuSeconds(pids.store),
    });
    const counters = async () => ({
      batches: await ingest.metric('weir_ingest_batches_total'),
      inserts: await ingest.metric('weir_ingest_insert_duration_count'),
    });
    const before = { cost: costs(), count, counters: await counters(), atMs: performance.now() };
    const delays: number[] = [];
    let seen = 0;
    while (performance.now() - before.atMs < seconds * 1_000) {
      await sleep(LOOK_MS);
      const { n } = await pipeline.row(`SELECT count() AS n FROM ${TABLE.metricSamples}`);
      const now = performance.now();
      const stored = Math.floor(Number(n) / series);
      for (; seen < stored && seen < acknowledged.length; seen++) {
        const sent = acknowledged[seen] as { atMs: number };
        if (sent.atMs > before.atMs) delays.push(now - sent.atMs);
      }
    }
    const elapsed = (performance.now() - before.atMs) / 1_000;
    const after = { cost: costs(), count, counters: await counters() };
    const cores = (who: 'ingest' | 'nats' | 'store') =>
      Math.round(((after.cost[who] - before.cost[who]) / elapsed) * 1_000) / 1_000;
    const rate = (what: 'batches' | 'inserts') =>
      Math.round(((after.counters[what] - before.counters[what]) / elapsed) * 10) / 10;
    return {
      samplesPerSecond: Math.round(((after.count - before.count) * series) / elapsed),
      visibleAfterMsP50: Math.round(quantile(delays, 0.5)),
      visibleAfterMsP95: Math.round(quantile(delays, 0.95)),
      maxLagSeconds: Math.round(Math.max(...delays) / 10) / 100,
      ingestCores: cores('ingest'),
      ingestPeakMegabytes: peakMegabytes(pids.ingest),
      natsCores: cores('nats'),
      storeCores: cores('store'),
      batchesPerSecond: rate('batches'),
      insertsPerSecond: rate('inserts'),
    };
  } finally {
    stop.abort();
    await Promise.all(sending);
    await ingest.close();
  }
}
