/** What viewers saw, rolled up per stream, edge and minute: known measurements by HTTP, every column of the rollups held to them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { faroMeasurement, faroPayload } from '@weir/test/harness/faro-payload';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

describe('rollups of viewers’ measurements', () => {
  let whole: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;

  const post = async (body: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${ingest.url}/faro/collect`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 202);
  };

  before(async () => {
    whole = await startIngestPipeline({ faro: { ratePerAddress: 0 } });
    ({ pipeline, ingest } = whole);
  });
  after(() => whole?.close());

  it('rolls viewers up per stream and edge, from the minute to the week', async () => {
    const stall = (duration: number) =>
      faroMeasurement('rolled', { type: 'player.stall', values: { duration_ms: duration } });
    const heart = faroMeasurement('rolled', { type: 'player.heartbeat', values: { watched_ms: 9_000, delay_ms: 700 } });
    await post(faroPayload('rolled-1', { measurements: [faroMeasurement('rolled'), stall(500), stall(1_500), heart] }));
    await post(
      faroPayload('rolled-2', { measurements: [faroMeasurement('rolled', { values: { total_ms: 200 } }), heart] }),
    );
    for (const level of ['1m', '1h', '1d', '1w']) {
      const sql = `SELECT uniqMerge(sessions) AS sessions, uniqMerge(stalled_sessions) AS stalled, sum(starts) AS starts,
        sum(stalls) AS stalls, sum(stall_ms) AS stall_ms, sum(watched_ms) AS watched_ms, max(longest_stall_ms) AS longest,
        quantilesTDigestMerge(0.5, 0.95, 0.99)(start_ms)[3] AS slowest FROM viewer_${level} WHERE stream = 'rolled' AND node = 'edge-1'`;
      const row = await eventually(
        () => pipeline.row(sql),
        ({ starts, watched_ms }) => starts === '2' && watched_ms === '18000',
      );
      assert.deepEqual(
        { ...row, slowest: Math.round(Number(row.slowest)) },
        {
          sessions: '2',
          stalled: '1',
          starts: '2',
          stalls: '2',
          stall_ms: '2000',
          watched_ms: '18000',
          longest: '1500',
          slowest: 413,
        },
        level,
      );
    }
    const seen = await pipeline.row(
      "SELECT sum(stalls) AS stalls, sum(sessions) AS n FROM viewer_experience WHERE stream = 'rolled'",
    );
    assert.equal(seen.stalls, '2');
  });

  it('keeps streams, edges and minutes apart, and sums to what was sent', async () => {
    const firstMs = Math.floor(Date.now() / 60_000) * 60_000 - 120_000;
    /** Distinct figures per place: stream number s, node number n, minute number m. */
    const placed = (s: number, n: number, m: number, type: string, values: Record<string, number>) => ({
      type: `player.${type}`,
      values,
      timestamp: new Date(firstMs + m * 60_000 + 1_000).toISOString(),
      context: { app: 'live', stream: `known-${s}`, node: `edge-${n}`, connection: `c-${s}-${n}` },
    });
    const expected = new Map<string, object>();
    for (const s of [1, 2])
      for (const n of [1, 2])
        for (const m of [0, 1]) {
          const weight = s * 100 + n * 10 + m;
          await post(
            faroPayload(`known-${s}-${n}`, {
              measurements: [
                placed(s, n, m, 'start', { total_ms: weight }),
                placed(s, n, m, 'stall', { duration_ms: weight }),
                placed(s, n, m, 'stall', { duration_ms: weight * 2 }),
                placed(s, n, m, 'reconnect', { away_ms: 1, attempts: 1 }),
                placed(s, n, m, 'rate', { rate: 1.1, delay_ms: 1 }),
                placed(s, n, m, 'heartbeat', {
                  ...{ watched_ms: weight * 10, delay_ms: weight, frames_decoded: weight, frames_dropped: m },
                }),
              ],
            }),
          );
          expected.set(`known-${s} edge-${n} ${m}`, {
            ...{ sessions: '1', stalled: '1', starts: '1', start: weight, stalls: '2', stall_ms: String(weight * 3) },
            ...{ longest: String(weight * 2), watched: String(weight * 10), delays: '1', delay: weight },
            ...{ decoded: String(weight), dropped: String(m), reconnects: '1' },
          });
        }
    const columns = `uniqMerge(sessions) AS sessions, uniqMerge(stalled_sessions) AS stalled, sum(starts) AS starts,
      quantilesTDigestMerge(0.5, 0.95, 0.99)(start_ms)[1] AS start, sum(stalls) AS stalls, sum(stall_ms) AS stall_ms,
      max(longest_stall_ms) AS longest, sum(watched_ms) AS watched, sum(delays) AS delays,
      quantilesTDigestMerge(0.5, 0.95, 0.99)(delay_ms)[1] AS delay, sum(frames_decoded) AS decoded,
      sum(frames_dropped) AS dropped, sum(reconnects) AS reconnects`;
    const rows = await eventually(
      () =>
        pipeline.rows(
          `SELECT stream, node, intDiv(toUnixTimestamp(time) - ${firstMs / 1_000}, 60) AS minute, ${columns}
            FROM viewer_1m WHERE startsWith(stream, 'known-') GROUP BY stream, node, minute ORDER BY stream, node, minute`,
        ),
      (found) => found.length === expected.size,
    );
    const seen = rows.map(({ stream, node, minute, start, delay, ...rest }) => [
      `${stream} ${node} ${minute}`,
      { ...rest, start: Number(start), delay: Number(delay) },
    ]);
    const sorted = (some: readonly (readonly [string, object])[]) =>
      some.map(([place, row]) => [place, Object.fromEntries(Object.entries(row).sort())]);
    assert.deepEqual(sorted(seen as [string, object][]), sorted([...expected]));
    // 8 places of weight 110 to 221: (110+111+120+121+210+211+220+221) × 3 ms of stalls.
    const [total] = await pipeline.rows(
      `SELECT sum(stall_ms) AS stall_ms, uniqMerge(sessions) AS sessions FROM viewer_1h WHERE startsWith(stream, 'known-')`,
    );
    assert.deepEqual(total, { stall_ms: '3972', sessions: '4' });
  });
});
