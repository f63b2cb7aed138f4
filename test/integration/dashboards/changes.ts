/** Panels of what the cluster did: who came and went, whose publisher moved, how far streams travel, who refuses whom. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expandQuery } from '@weir/dashboards/check/expand';
import { FAILOVER } from '@weir/dashboards/failover/dashboard';
import { STREAMS } from '@weir/dashboards/streams/dashboard';
import { ELECTED } from '@weir/dashboards/week/changes';
import type { TestWeek } from '@weir/test/harness/week';
import { AT_ONCE, asking, type Row } from './asking.ts';

/** Registers the tests. */
export function testChanges(get: () => TestWeek): void {
  const { panel, around, hoursAround, incident } = asking(get);
  const highest = (rows: readonly Row[], column: string): number => Math.max(...rows.map((row) => Number(row[column])));

  describe('a panel of what the cluster did knows the planted answer:', { concurrency: AT_ONCE }, () => {
    it('an origin was lost and came back, an edge stood in for it', async () => {
      assert.deepEqual(totals(await panel('failover', 30, hoursAround('origin-lost'))), {
        'gone: connection-lost': 1,
        'elected: origins-missing': 1,
        'joined: heard': 1,
        'relieved: origins-back': 1,
      });
      const { startMs, endMs } = incident('origin-lost');
      const rows = await panel('failover', 22, { ask: get().ask, fromMs: startMs, toMs: endMs + 60_000 });
      assert.deepEqual(
        rows.map(({ what, node, cause }) => [what, node, cause]),
        [
          ['relieved', ELECTED, 'origins-back'],
          ['joined', 'origin-1', 'heard'],
          ['elected', ELECTED, 'origins-missing'],
          ['gone', 'origin-1', 'connection-lost'],
        ],
      );
    });
    it('a drained node said so, left and was heard again', async () => {
      const { startMs, endMs } = incident('drain');
      const rows = await panel('failover', 22, { ask: get().ask, fromMs: startMs - 60_000, toMs: endMs + 60_000 });
      assert.deepEqual(rows.map(({ what }) => String(what)).toSorted(), ['draining', 'gone', 'joined', 'serving']);
      assert.ok(rows.every(({ node }) => node === 'edge-18'));
    });
    it('a stream went to another edge while its own was drained, and back', async () => {
      const { startMs, endMs } = incident('drain');
      const range = { ask: get().ask, fromMs: startMs - 60_000, toMs: endMs + 60_000 };
      const rows = await panel('failover', 32, { ...range, variables: { stream: ['tail\\'] } });
      assert.deepEqual(rows.map(({ change, cause, from, to }) => [change, cause, from, to].join(' ')).toSorted(), [
        'ended draining edge-18 ',
        'lost taken edge-17 edge-18',
        'published free  edge-17',
        'published newest-wins edge-17 edge-18',
      ]);
      const marks = STREAMS.annotations.find(({ name }) => name === 'Publishers that moved');
      const { rows: moved } = await get().ask(
        expandQuery(marks?.sql ?? '', { ...range, maxDataPoints: 200, variables: {} }),
      );
      assert.equal(moved.length, 2, JSON.stringify(moved));
    });
    it('the figures of publishers that came and went are as many as the rows', async () => {
      const { startMs, endMs } = incident('publisher-flapping');
      const counted = totals(await panel('failover', 31, hoursAround('publisher-flapping')));
      assert.deepEqual(counted, { 'published: free': 9, 'ended: client-closed': 9 });
      const rows = await panel('failover', 32, { ask: get().ask, fromMs: startMs, toMs: endMs + 1_000 });
      assert.equal(rows.length, 18);
      assert.ok(rows.every(({ app, stream }) => [app, stream].join('/') === 'live/news'));
    });
    it('every bucket has a row for each kind, so that bars keep their width', async () => {
      const rows = await panel('failover', 30, hoursAround('origin-lost'));
      const kinds = new Set(rows.map(({ kind }) => kind));
      const times = new Set(rows.map(({ time }) => time));
      assert.equal(rows.length, kinds.size * times.size);
      assert.ok(times.size > 50, String(times.size));
    });
    it('marks of the cluster say who, what, why and who saw it', async () => {
      const marks = FAILOVER.annotations.find(({ name }) => name === 'Changes of the cluster');
      const { fromMs, toMs } = around('node-dead');
      const { rows } = await get().ask(
        expandQuery(marks?.sql ?? '', { fromMs, toMs: toMs - 1_000, maxDataPoints: 200, variables: {} }),
      );
      assert.deepEqual(
        rows.map(({ text }) => text),
        ['edge-12 gone (connection-lost), seen by edge-01'],
      );
    });
    it('streams took one node more while an origin was lost', async () => {
      const { fromMs, toMs, ask } = hoursAround('origin-lost');
      const { startMs } = incident('origin-lost');
      assert.equal(highest(await panel('streams', 25, { ask, fromMs, toMs: startMs }), 'hops'), 2);
      assert.equal(highest(await panel('streams', 25, { ask, fromMs, toMs }), 'hops'), 3);
    });
    it('origins refused the edge whose clock is off, and nobody else that long', async () => {
      const rows = await panel('node', 33, hoursAround('clock-off'));
      const claims = rows.filter(({ reason }) => reason === 'claim');
      // two origins, half a pull a second each
      assert.ok(Math.abs(highest(claims, 'refused') - 1) < 0.01, String(highest(claims, 'refused')));
      const bad = claims.filter(({ refused }) => Number(refused) > 0.1);
      assert.ok(bad.length >= 14 && bad.length <= 16, `${bad.length} points of two minutes in half an hour`);
    });
    it('a node with a full card can take nearly nothing more', async () => {
      const rows = await panel('node', 32, hoursAround('edge-slow'));
      const least = rows.toSorted((a, b) => Number(a.weight) - Number(b.weight))[0];
      assert.equal(least?.node, 'edge-03');
      assert.ok(Number(least?.weight) < 10, JSON.stringify(least));
      const [first] = await panel('cluster', 6, { ...around('edge-slow'), variables: { node: ['edge-03'] } });
      assert.ok(Number(first?.weight) < 10, JSON.stringify(first));
    });
  });
}

/** Changes over the range by kind, none left out that is not zero. */
function totals(rows: readonly Row[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { kind, changes } of rows) sums[String(kind)] = (sums[String(kind)] ?? 0) + Number(changes);
  return sums;
}
