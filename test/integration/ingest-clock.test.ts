/**
 * A node whose clock jumps: what it measured stands where its clock said, what is out of bounds is left out and counted, and
 * its neighbours on the same partition keep every figure, at every level, in the right place.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { partitionOf } from '@weir/contracts/nats/names';
import { ROLLUPS } from '@weir/contracts/tables';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { metricsPayload, type TestOutbox } from '@weir/test/harness/otlp-sender';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 4;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const [WRONG, ...RIGHT] = namesOfOnePartition(3);
/** How far off the clock is at each message, and whether that is within bounds (8 days before to 1 h after). */
const JUMPS: readonly { offsetMs: number; isKept: boolean }[] = [
  { offsetMs: 0, isKept: true },
  { offsetMs: 30 * MINUTE_MS, isKept: true },
  { offsetMs: 3 * 60 * MINUTE_MS, isKept: false },
  { offsetMs: -3 * DAY_MS, isKept: true },
  { offsetMs: -9 * DAY_MS, isKept: false },
  { offsetMs: 365 * DAY_MS, isKept: false },
  { offsetMs: 0, isKept: true },
];

describe('a clock that jumps', () => {
  let whole: IngestPipeline;
  before(async () => {
    whole = await startIngestPipeline();
  });
  after(() => whole?.close());

  const send = (outbox: TestOutbox, timeMs: number, value: number) =>
    outbox.send('metrics', metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value, timeMs }]));

  it('moves its own figures only: those of its neighbours stay whole and in place', async () => {
    const { pipeline, ingest } = whole;
    const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS;
    const wrong = whole.outboxOf(WRONG);
    const right = RIGHT.map((node) => whole.outboxOf(node));
    for (const [number, { offsetMs }] of JUMPS.entries()) {
      await send(wrong, nowMs + number * MINUTE_MS + offsetMs, 1_000);
      // the neighbours send out of order: a minute back and forth
      for (const outbox of right) await send(outbox, nowMs + (number ^ 1) * MINUTE_MS, number + 1);
    }
    const kept = JUMPS.filter(({ isKept }) => isKept).length;
    await pipeline.holds(`node = '${WRONG}'`, { count: kept, sum: kept * 1_000 });
    const sum = JUMPS.reduce((total, _, number) => total + number + 1, 0);
    for (const node of RIGHT) await pipeline.holds(`node = '${node}'`, { count: JUMPS.length, sum });
    await eventually(
      () => ingest.metric('weir_ingest_skipped_total', { reason: 'time' }),
      (found) => found === JUMPS.length - kept,
    );
    for (const { table, seconds } of ROLLUPS.filter(({ level }) => level !== '1w')) {
      const buckets = await pipeline.rows(
        `SELECT toUnixTimestamp(time) AS at, sum(sum) AS sum FROM ${table} WHERE node = '${RIGHT[0]}' GROUP BY time ORDER BY time`,
      );
      const expected = new Map<number, number>();
      for (const number of JUMPS.keys()) {
        const at = Math.floor((nowMs + (number ^ 1) * MINUTE_MS) / 1_000 / seconds) * seconds;
        expected.set(at, (expected.get(at) ?? 0) + number + 1);
      }
      assert.deepEqual(
        buckets.map((row) => [Number(row.at), Number(row.sum)]),
        [...expected].sort(([one], [other]) => one - other),
        table,
      );
    }
  });

  it('changes nothing of when its neighbours were heard of', async () => {
    const rows = await whole.pipeline.rows(
      'SELECT node, toUnixTimestamp(first_seen) AS first, toUnixTimestamp(last_seen) AS last FROM nodes ORDER BY node',
    );
    assert.deepEqual(
      rows.map(({ node }) => node),
      [WRONG, ...RIGHT].sort(),
    );
    for (const { node, first, last } of rows.filter((row) => row.node !== WRONG)) {
      assert.ok(Number(first) > Date.now() / 1_000 - 1_800, `${node} first heard of at ${first}`);
      assert.ok(Number(last) < Date.now() / 1_000 + 1, `${node} last heard of at ${last}`);
    }
  });
});

/** Names of nodes whose messages share a partition, and with it an owner and its batches. */
function namesOfOnePartition(count: number): [string, ...string[]] {
  const names = Array.from({ length: 100 }, (_, number) => `clock-${number}`);
  const partition = partitionOf(names[0] as string, PARTITIONS);
  return names.filter((name) => partitionOf(name, PARTITIONS) === partition).slice(0, count) as [string, ...string[]];
}
