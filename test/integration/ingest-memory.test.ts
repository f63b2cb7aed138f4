/** A slow or absent ClickHouse costs a copy of ingest a bounded memory: what waits, waits in JetStream. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { waitFor } from '@weir/test/harness/wait';
import { peakMegabytes } from '../bench/pipeline/process-cost.ts';
import { SimulatedNode } from '../bench/pipeline/simulated-node.ts';

const NODES = 100;
const SERIES = 200;
const ROUNDS = 60;
/** The bench sees 274 MB while a backlog is written; a copy without work has 130. */
const MOST_MEGABYTES = 400;

let under: IngestPipeline;
before(async () => {
  under = await startIngestPipeline();
});
after(async () => {
  if (under?.pipeline.store.pid) process.kill(under.pipeline.store.pid, 'SIGCONT');
  await under?.close();
});

it('a backlog is read as it can be written: memory stays within its bound, and every sample arrives', async () => {
  const { pipeline, ingest, outboxOf } = under;
  // hangs: takes connections and answers nothing
  process.kill(pipeline.store.pid, 'SIGSTOP');
  const nodes = Array.from({ length: NODES }, (_, number) => new SimulatedNode(number, SERIES));
  let bytes = 0;
  await Promise.all(
    nodes.map(async (node) => {
      const outbox = outboxOf(node.sender.node, { machineId: node.sender.machineId ?? '' });
      for (let round = 0; round < ROUNDS; round++) {
        const payload = node.payload(Date.now() - (ROUNDS - round) * 5_000);
        bytes += payload.length;
        await outbox.send('metrics', payload);
      }
    }),
  );
  assert.ok(bytes > 60e6, `only ${bytes} bytes`);
  // it has read ahead what it may
  await waitFor('a copy that waits', async () => {
    const lag = await ingest.metric('weir_ingest_lag');
    return lag > NODES * ROUNDS * 0.5;
  });
  process.kill(pipeline.store.pid, 'SIGCONT');
  const samples = NODES * ROUNDS * SERIES;
  const levels = async () =>
    (await pipeline.levels("node LIKE 'bench-%' OR machine_id LIKE 'bench-%'")).map(({ count }) => count);
  await waitFor('every sample at every level', async () => (await levels()).every((count) => count === samples), {
    timeoutMs: 180_000,
    everyMs: 500,
  });
  const peak = peakMegabytes(ingest.pid);
  assert.ok(peak < MOST_MEGABYTES, `${peak} MB`);
});
