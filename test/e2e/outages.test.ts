/** Parts of a whole system are killed under load: streams flow on, and every sample arrives exactly once. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ROLLUPS } from '@weir/contracts/tables';
import { probe } from '../harness/ffmpeg.ts';
import { startSystem, type TestSystem } from '../harness/system.ts';
import { waitFor } from '../harness/wait.ts';

const INTERVAL_MS = 1_000;
const NODES = ['edge-1', 'edge-2', 'origin-1', 'origin-2'];

interface Coverage {
  node: string;
  /** Samples of one gauge that each node reports once per interval. */
  samples: number;
  /** Intervals in which there is at least one. */
  intervals: number;
  /** Intervals from the first to the last. */
  due: number;
  /** Intervals in which the node itself was too busy for a sample, as it counts them. */
  skipped: number;
  last: number;
}

describe('a system whose parts are killed', { timeout: 300_000 }, () => {
  let system: TestSystem;

  before(async () => {
    system = await startSystem(['--demo', '--telemetry-interval-ms', String(INTERVAL_MS)]);
    await seen(system, Date.now());
  });

  after(async () => {
    await system?.close();
  });

  it('loses nothing and counts nothing twice when the store is killed while ingest writes', async () => {
    const before = system.pids().store;
    assert.ok(before);
    process.kill(before, 'SIGKILL');
    await waitFor('the store to run again', () => system.pids().store !== before);
    await seen(system, Date.now());
    await assertExact(system);
  });

  it('loses nothing and counts nothing twice when ingest is killed', async () => {
    const [name, before] = ingestOf(system);
    process.kill(before, 'SIGKILL');
    await waitFor('ingest to run again', () => system.pids()[name] !== before);
    await seen(system, Date.now());
    await assertExact(system);
  });

  it('keeps media flowing while NATS is killed and restarted, and empties the outboxes afterwards', async () => {
    const seconds = 8;
    const before = system.pids().nats;
    assert.ok(before);
    const began = performance.now();
    const viewing = probe(`${system.node('edge-2').rtmp}/live/demo`, seconds);
    process.kill(before, 'SIGKILL');
    const killedAt = Date.now();
    const viewed = await viewing;
    const tookMs = performance.now() - began;
    const video = viewed.packets
      .filter((packet) => packet.codec_type === 'video')
      .map((packet) => Number(packet.dts_time));
    const steps = video.slice(1).map((time, index) => time - (video[index] ?? 0));
    assert.ok(Math.max(...steps) < 0.2, `a hole of ${Math.max(...steps)} s in the media`);
    assert.ok(tookMs < seconds * 3_000, `${seconds} s of media took ${Math.round(tookMs)} ms`);
    await waitFor('NATS to run again', () => system.pids().nats !== before);
    await seen(system, Math.max(killedAt, Date.now()));
    await waitFor('empty outboxes', async () => {
      const rows = await system.rows<{ node: string; waiting: number }>(
        `SELECT node, argMax(value, time) AS waiting FROM metric_samples WHERE metric = 'weir.outbox.messages' GROUP BY node`,
      );
      return rows.length === NODES.length && rows.every((row) => Number(row.waiting) <= 2);
    });
    await assertExact(system);
  });
});

function ingestOf(system: TestSystem): [name: string, pid: number] {
  const found = Object.entries(system.pids()).find(([name]) => name.startsWith('ingest'));
  assert.ok(found);
  return found;
}

/** Waits until samples of every node taken after `timeMs` can be asked for. */
async function seen(system: TestSystem, timeMs: number): Promise<void> {
  await waitFor(
    'fresh samples of every node',
    async () => {
      const rows = await coverage(system);
      return rows.length === NODES.length && rows.every((row) => row.last > timeMs);
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );
}

function coverage(system: TestSystem): Promise<Coverage[]> {
  const slot = `intDiv(toUnixTimestamp64Milli(time), ${INTERVAL_MS})`;
  return system.rows<Coverage>(
    `SELECT node, countIf(isUptime) AS samples, uniqExactIf(${slot}, isUptime) AS intervals, max(${slot}) - min(${slot}) + 1 AS due,
       arraySum(arrayPopFront(arraySort(groupArrayIf((time, value), NOT isUptime))).2) AS skipped,
       toUnixTimestamp64Milli(maxIf(time, isUptime)) AS last
     FROM (SELECT *, metric = 'process.uptime' AS isUptime FROM metric_samples
       WHERE metric IN ('process.uptime', 'weir.samples.skipped')) GROUP BY node ORDER BY node`,
  );
}

/** Nothing lost, nothing twice: one sample per node and interval, and the same figures at every level. */
async function assertExact(system: TestSystem): Promise<void> {
  for (const row of await coverage(system)) {
    assert.equal(row.samples, row.intervals, `${row.node} has samples twice: ${JSON.stringify(row)}`);
    assert.equal(row.intervals + row.skipped, row.due, `${row.node} lacks samples: ${JSON.stringify(row)}`);
  }
  for (const { table } of ROLLUPS) {
    await waitFor(`equal counts in ${table}`, async () => {
      const [row] = await system.rows<{ differing: number }>(
        `SELECT countIf(raw.n != level.n) AS differing
         FROM (SELECT series_id, count() AS n FROM metric_samples GROUP BY series_id) AS raw
         FULL JOIN (SELECT series_id, sum(count) AS n FROM ${table} GROUP BY series_id) AS level USING (series_id)`,
      );
      return row !== undefined && Number(row.differing) === 0;
    });
  }
}
