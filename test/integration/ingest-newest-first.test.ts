/**
 * After an outage people see the present within seconds while the backlog is written, and in the end every sum is exact:
 * also with messages sent again in either lane, numbers that never came, cumulative senders, and a kill in the middle.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { metricsPayload, TestOutbox, type TestPoint } from '@weir/test/harness/otlp-sender';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const NODES = 4;
const PARTITIONS = 1;
const BEHIND_MS = 4_000;
/** Small batches make the backlog last. */
const BATCH = 40;
const BACKLOG = 200;
const PAUSE_MS = 200;

describe('after an outage', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest | undefined;
  const outboxes: TestOutbox[] = [];
  const sent = { count: 0, sum: 0 };
  const payload = (outbox: TestOutbox, value: number, metric = 'live.io') => {
    const point: TestPoint = { metric, kind: 'counter', value, timeMs: Date.now() };
    return metricsPayload(outbox.sender, [point]);
  };
  const send = async (outbox: TestOutbox, value: number) => {
    sent.count++;
    sent.sum += value;
    const bytes = payload(outbox, value);
    await outbox.send('metrics', bytes);
    return bytes;
  };
  const config = {
    ingest: { name: 'copy-a', batchMaxMessages: BATCH, batchMaxDelayMs: 20, newestFirstAfterMs: BEHIND_MS },
    telemetry: { partitions: PARTITIONS },
  };
  const stored = async () =>
    Number((await pipeline.row("SELECT count() AS n FROM metric_samples WHERE node LIKE 'late-%'")).n);

  before(async () => {
    pipeline = await startPipeline();
    for (let number = 0; number < NODES; number++)
      outboxes.push(new TestOutbox(pipeline.connection, { node: `late-${number}` }, PARTITIONS));
  });
  after(async () => {
    await ingest?.close();
    await pipeline?.close();
  });

  it('the newest samples are answered within seconds while the backlog is written, exactly once', async () => {
    // what a sender counted since its start, through outage, lanes and kill
    const counting = new TestOutbox(pipeline.connection, { node: 'otlp-local-late' }, PARTITIONS);
    const startMs = Date.now() - 3_600_000;
    let counted = 0;
    const count = async () => {
      counted += 7;
      const point: TestPoint = { metric: 'jobs', kind: 'cumulative', value: counted, timeMs: Date.now(), startMs };
      await counting.send('otlp-metrics', metricsPayload(counting.sender, [point]));
    };
    let last = Buffer.alloc(0) as Uint8Array;
    for (let round = 1; round <= BACKLOG; round++) {
      for (const outbox of outboxes) last = await send(outbox, round);
      if (round % 50 === 0) await count();
    }
    const [first, second] = outboxes as [TestOutbox, TestOutbox];
    const lastOfBacklog = { bytes: last, sequence: (outboxes.at(-1) as TestOutbox).sequence };
    // an outbox that dropped three
    first.skip(3);
    await sleep(BEHIND_MS);

    ingest = await startTestIngest({ ...pipeline, config });
    const stop = new AbortController();
    const live = (async () => {
      for (let round = 1; !stop.signal.aborted; round++) {
        const bytes = await send(second, round);
        if (round % 10 === 0) {
          // acknowledgements that were lost: of the newest, and of the last one before the outage ended
          await second.send('metrics', bytes, { sequence: second.sequence, withoutMessageId: true });
          const old = outboxes.at(-1) as TestOutbox;
          await old.send('metrics', lastOfBacklog.bytes, { sequence: lastOfBacklog.sequence, withoutMessageId: true });
          await count();
          await send(first, round);
        }
        await sleep(PAUSE_MS);
      }
    })();
    const mark = new TestOutbox(pipeline.connection, { node: 'now-1' }, PARTITIONS);
    const delays: number[] = [];
    for (let value = 1; value <= 3; value++) {
      await mark.send('metrics', payload(mark, value, 'now'));
      const startedAtMs = performance.now();
      await eventually(
        () => pipeline.row("SELECT max(value) AS newest FROM metric_samples WHERE node = 'now-1'"),
        ({ newest }) => Number(newest) === value,
      );
      delays.push(performance.now() - startedAtMs);
      const missing = sent.count - (await stored());
      if (value < 3) assert.ok(missing > 50, `only ${missing} of the backlog were missing: nothing is shown`);
      if (value === 2) {
        await ingest.kill9();
        await ingest.restart();
      }
    }
    // seen: 0.3-0.5 s each on a busy machine, the second after a kill
    assert.ok(Math.max(...delays) < 15_000, `the newest took ${delays.map(Math.round).join(', ')} ms`);
    stop.abort();
    await live;
    await pipeline.holds("node LIKE 'late-%'", sent, 120_000);
    await pipeline.holds("node = 'otlp-local-late' AND metric = 'jobs'", jobs(counted));
    await pipeline.holds("node = 'now-1'", { count: 3, sum: 6 });
    const lost = async () => (await ingest?.metric('weir_ingest_lost_total')) ?? 0;
    await eventually(lost, (number) => number === 3, 10_000, 'three lost');
    assert.equal((await ingest.partitions()).length, PARTITIONS);
    await eventually(lag(ingest), (messages) => messages === 0, 10_000, 'no lag');
  });
});

/** All but the first point of a cumulative sum, which only says where it begins. */
function jobs(counted: number): { count: number; sum: number } {
  return { count: counted / 7 - 1, sum: counted - 7 };
}

function lag(ingest: TestIngest): () => Promise<number> {
  return () => ingest.metric('weir_ingest_lag');
}
