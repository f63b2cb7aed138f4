/**
 * How fast a backlog drains, beside its floor: the very same rows, already encoded by ingest's own decoder, in batches
 * of ingest's size, inserted bare into the same (emptied) tables by the same client, one loop per partition.
 * Before it: simulated nodes; after it: the rates and their ratio.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '@weir/contracts/config/load';
import { partitionOf } from '@weir/contracts/nats/names';
import { TABLE } from '@weir/contracts/tables';
import { Batch, type TablePayload, type TelemetryMessage } from '@weir/ingest/decode/batch';
import { ResourceCache } from '@weir/ingest/decode/resource-cache';
import { createClickHouseWriter } from '@weir/ingest/write/clickhouse-writer';
import { startTestIngest } from '@weir/test/harness/ingest';
import { TestOutbox } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { cpuSeconds, peakMegabytes } from './process-cost.ts';
import type { SimulatedNode } from './simulated-node.ts';

/** A run over one backlog. */
export interface DrainFigures {
  samples: number;
  samplesPerSecond: number;
  ingestCpuSeconds: number;
  ingestPeakMegabytes: number;
}

/** A payload, who sent it and when it was sampled. */
export interface Sent {
  node: SimulatedNode;
  payload: Buffer;
}

/** Seldom enough that counting the rows takes nothing from what is measured. */
const POLL_MS = 100;

/** `rounds` payloads of every node, 5 s apart and ending now. */
export function makeBacklog(nodes: readonly SimulatedNode[], rounds: number): Sent[] {
  const startMs = Math.floor(Date.now() / 5_000) * 5_000 - rounds * 5_000;
  return Array.from({ length: rounds }, (_, round) =>
    nodes.map((node) => ({ node, payload: node.payload(startMs + round * 5_000) })),
  ).flat();
}

/** Puts the backlog into JetStream, then starts ingest and measures until the last sample can be asked for. */
export async function drain(pipeline: TestPipeline, backlog: readonly Sent[], series: number): Promise<DrainFigures> {
  const { partitions } = loadConfig().telemetry;
  const outboxes = new Map<SimulatedNode, TestOutbox>();
  const chains = new Map<TestOutbox, Promise<unknown>>();
  for (const { node, payload } of backlog) {
    const outbox = outboxes.get(node) ?? new TestOutbox(pipeline.connection, node.sender, partitions);
    outboxes.set(node, outbox);
    const before = chains.get(outbox) ?? Promise.resolve();
    chains.set(
      outbox,
      before.then(() => outbox.send('metrics', payload)),
    );
  }
  await Promise.all(chains.values());
  const samples = backlog.length * series;
  const ingest = await startTestIngest(pipeline);
  try {
    // from the first partition taken: a copy's start is not what is measured
    while ((await ingest.partitions()).length === 0) await sleep(POLL_MS);
    const startedAtMs = performance.now();
    const cpuBefore = cpuSeconds(ingest.pid);
    while ((await stored(pipeline)) < samples) await sleep(POLL_MS);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    return {
      samples,
      samplesPerSecond: Math.round(samples / seconds),
      ingestCpuSeconds: Math.round((cpuSeconds(ingest.pid) - cpuBefore) * 100) / 100,
      ingestPeakMegabytes: peakMegabytes(ingest.pid),
    };
  } finally {
    await ingest.close();
  }
}

/** The floor: samples a second of bare inserts of the same rows. */
export async function floor(pipeline: TestPipeline, backlog: readonly Sent[]): Promise<number> {
  const config = loadConfig();
  const { partitions } = config.telemetry;
  const byPartition = Map.groupBy(backlog, ({ node }) => partitionOf(node.sender.node, partitions));
  const encoded = [...byPartition.values()].map((sent) => encode(sent, config.ingest));
  const { url, writer } = pipeline.store;
  const client = createClickHouseWriter(
    { ...config.clickhouse, url, user: writer.name, password: writer.password },
    partitions,
  );
  try {
    const startedAtMs = performance.now();
    await Promise.all(
      encoded.map(async (batches, partition) => {
        for (const [number, tables] of batches.entries()) {
          for (const table of tables) {
            const token = `floor-${startedAtMs}-${partition}-${number}-${table.table}`;
            await client.insert(table, token, AbortSignal.timeout(60_000));
          }
        }
      }),
    );
    const samples = encoded
      .flat(2)
      .reduce((sum, { table, rows }) => sum + (table === TABLE.metricSamples ? rows : 0), 0);
    return Math.round((samples / (performance.now() - startedAtMs)) * 1_000);
  } finally {
    await client.close();
  }
}

/** Decoding and encoding alone, one core: samples a second, the best of three looks as the machine is shared. */
export function decodeRate(backlog: readonly Sent[]): number {
  const { ingest } = loadConfig();
  const rates = [0, 1, 2].map(() => {
    const startedAtMs = performance.now();
    let samples = 0;
    encode(backlog, ingest, (rows) => {
      samples += rows;
    });
    return (samples / (performance.now() - startedAtMs)) * 1_000;
  });
  return Math.round(Math.max(...rates));
}

/** Empties everything ingest writes to, in JetStream and ClickHouse. */
export async function reset(pipeline: TestPipeline): Promise<void> {
  const tables = await pipeline.rows(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations'`,
  );
  for (const { name } of tables) await pipeline.clickhouse.command({ query: `TRUNCATE TABLE ${name}` });
}

async function stored(pipeline: TestPipeline): Promise<number> {
  return Number((await pipeline.row(`SELECT count() AS n FROM ${TABLE.metricSamples}`)).n);
}

function encode(
  sent: readonly Sent[],
  limits: { batchMaxMessages: number; batchMaxBytes: number },
  onBatch?: (samples: number) => void,
): TablePayload[][] {
  const batch = new Batch(new ResourceCache({ cluster: 'test', site: 'lab' }));
  const batches: TablePayload[][] = [];
  let bytes = 0;
  let messages = 0;
  const end = () => {
    const tables = batch.tables();
    if (onBatch) onBatch(batch.samples);
    // the batch's memory is used again
    else batches.push(tables.map((table) => ({ ...table, parts: table.parts.map((part) => Buffer.from(part)) })));
    batch.clear();
    bytes = 0;
    messages = 0;
  };
  for (const [sequence, { node, payload }] of sent.entries()) {
    const fault = batch.add(message(sequence + 1, node.sender.node, payload));
    if (fault) throw new Error(fault.reason);
    bytes += payload.length;
    messages += 1;
    if (messages >= limits.batchMaxMessages || bytes >= limits.batchMaxBytes || batch.fill >= 1) end();
  }
  if (messages > 0) end();
  return batches;
}

function message(sequence: number, node: string, payload: Uint8Array): TelemetryMessage {
  return {
    sequence,
    subject: '',
    node,
    signal: 'metrics',
    payload,
    contentType: 'application/x-protobuf',
    storedAtMs: Date.now(),
    outbox: undefined,
  };
}
