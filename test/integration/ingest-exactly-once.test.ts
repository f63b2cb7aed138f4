/**
 * Nothing lost and nothing twice, in raw samples and at every rollup level, whatever of ingest, store and NATS is killed
 * while data flow. Values are whole numbers, so that sums must be exactly equal.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { Traffic } from '@weir/test/harness/traffic';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 2;
/** Small batches make many places to be killed at. */
const BATCHES = { batchMaxMessages: 100, batchMaxDelayMs: 30 };

/** A generator of its own, so that a run can be repeated with the seed it prints. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

describe('exactly once', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const random = seeded(seed);
  const somewhere = () => sleep(50 + random() * 400);

  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest({
      ...pipeline,
      config: { ingest: { ...BATCHES, name: 'copy-a' }, telemetry: { partitions: PARTITIONS } },
    });
    await eventually(
      () => ingest.ready(),
      ({ status }) => status === 200,
    );
  });
  after(async () => {
    await ingest?.close();
    await pipeline?.close();
  });

  it('when ingest is killed at any moment and started again', async (context) => {
    context.diagnostic(`SEED=${seed}`);
    const traffic = new Traffic(pipeline.connection, 'killed-ingest', PARTITIONS);
    for (let round = 0; round < 8; round++) {
      await somewhere();
      await ingest.kill9();
      await somewhere();
      await ingest.restart();
    }
    const expected = await traffic.end();
    assert.ok(expected.count > 1_000, `only ${expected.count} samples were sent`);
    await pipeline.holds("node LIKE 'killed-ingest-%'", expected);
    assert.ok((await ingest.metric('weir_ingest_repeats_total')) >= 0);
  });

  it('when the store is killed at any moment and started again', async (context) => {
    context.diagnostic(`SEED=${seed}`);
    const traffic = new Traffic(pipeline.connection, 'killed-store', PARTITIONS);
    for (let round = 0; round < 5; round++) {
      await somewhere();
      await pipeline.store.kill9();
      await somewhere();
      await pipeline.store.restart();
      await eventually(
        () => ingest.ready(),
        ({ status }) => status === 200,
      );
    }
    const expected = await traffic.end();
    await pipeline.holds("node LIKE 'killed-store-%'", expected);
    assert.ok((await ingest.metric('weir_ingest_retries_total', { class: 'transient' })) > 0);
  });

  it('when NATS is killed at any moment and started again', async (context) => {
    context.diagnostic(`SEED=${seed}`);
    const traffic = new Traffic(pipeline.connection, 'killed-nats', PARTITIONS);
    for (let round = 0; round < 4; round++) {
      await somewhere();
      await pipeline.nats.kill9();
      await somewhere();
      await pipeline.nats.restart();
      await eventually(
        () => ingest.ready(),
        ({ status }) => status === 200,
      );
    }
    const expected = await traffic.end();
    await pipeline.holds("node LIKE 'killed-nats-%'", expected);
  });

  it('when they are killed in any combination', async (context) => {
    context.diagnostic(`SEED=${seed}`);
    const traffic = new Traffic(pipeline.connection, 'killed-all', PARTITIONS);
    const victims = [ingest, pipeline.store, pipeline.nats];
    for (let round = 0; round < 5; round++) {
      const chosen = victims.filter(() => random() < 0.6);
      await Promise.all(
        chosen.map(async (victim) => {
          await somewhere();
          await victim.kill9();
          await somewhere();
          await victim.restart();
        }),
      );
    }
    const expected = await traffic.end();
    await pipeline.holds("node LIKE 'killed-all-%'", expected);
  });

  it('and says on /readyz what is away', async () => {
    await pipeline.store.stop();
    const storeAway = await eventually(
      () => ingest.ready(),
      ({ status }) => status === 503,
    );
    assert.match(storeAway.reasons.join(' '), /ClickHouse does not answer at http/);
    await pipeline.store.restart();
    await eventually(
      () => ingest.ready(),
      ({ status }) => status === 200,
    );
    await pipeline.nats.stop();
    const natsAway = await eventually(
      () => ingest.ready(),
      ({ status }) => status === 503,
    );
    assert.match(natsAway.reasons.join(' '), /NATS does not answer at nats:/);
    await pipeline.nats.restart();
    await eventually(
      () => ingest.ready(),
      ({ status }) => status === 200,
    );
  });
});
