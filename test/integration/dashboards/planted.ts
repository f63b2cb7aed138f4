/** What panels say of the generated week is what was planted in it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_DASHBOARDS } from '@weir/dashboards/all';
import { panelsOf } from '@weir/dashboards/build/dashboards';
import { type MetricSeries, metricSql } from '@weir/dashboards/build/metric-sql';
import { expandQuery } from '@weir/dashboards/check/expand';
import { checkPanel } from '@weir/dashboards/check/run';
import type { TestWeek } from '@weir/test/harness/week';
import { AT_ONCE, asking, HOUR_MS } from './asking.ts';

/** Registers the tests. */
export function testPlanted(get: () => TestWeek): void {
  const { lastHours, panel, around } = asking(get);

  describe('a panel knows the planted answer:', { concurrency: AT_ONCE }, () => {
    it('20 nodes up, one retired and therefore quiet', async () => {
      const [row] = await panel('cluster', 1, lastHours(1));
      assert.deepEqual(
        [Number(row?.up), Number(row?.expected), Number(row?.silent), Number(row?.drained)],
        [20, 20, 0, 1],
      );
    });
    it('one node silent while edge-12 is dead', async () => {
      const [row] = await panel('cluster', 1, around('node-dead'));
      assert.deepEqual([Number(row?.up), Number(row?.silent)], [19, 1]);
    });
    it('a drained node is not silent', async () => {
      const [row] = await panel('cluster', 1, around('drain'));
      assert.deepEqual([Number(row?.up), Number(row?.silent), Number(row?.drained)], [19, 0, 2]);
    });
    it('the table of worst edges names the full card of edge-03 as the cause of its still pictures', async () => {
      const rows = await panel('viewers', 20, around('edge-slow'));
      assert.equal(rows[0]?.node, 'edge-03');
      assert.equal(rows[0]?.cause, 'card full', JSON.stringify(rows[0]));
      assert.ok(Number(rows[0]?.stall_ratio) > 0.02 && Number(rows[1]?.stall_ratio) < 0.002, JSON.stringify(rows[1]));
    });
    it('starts of live/concert are slow while they are, and only those', async () => {
      const rows = await panel('viewers', 21, around('start-slow'));
      const slow = rows.filter((row) => Number(row.start_p95) > 4).map((row) => `${row.app}/${row.stream}`);
      assert.deepEqual(slow, ['live/concert']);
    });
    it('two directors hold the address while they are split, none while it is lost', async () => {
      const split = await panel('balancing', 1, around('vrrp-split'));
      assert.deepEqual([split[0]?.held_by, Number(split[0]?.holders)], ['director-1, director-2', 2]);
      const lost = await panel('balancing', 1, around('address-lost'));
      assert.deepEqual([lost[0]?.held_by, Number(lost[0]?.holders), Number(lost[0]?.missing)], ['', 0, 2]);
    });
    it('edges have the share of connections that their weight is due', async () => {
      const rows = await panel('balancing', 20, lastHours(1));
      assert.equal(rows.length, 9);
      for (const row of rows) assert.ok(Math.abs(Number(row.due) - Number(row.has)) < 0.01, JSON.stringify(row));
    });
    it('the copy of ingest writes what the week says it writes', async () => {
      const rows = await panel('pipeline', 40, lastHours(1));
      assert.deepEqual(
        rows.map((row) => [row.node, Math.round(Number(row.rows)), Math.round(Number(row.messages) * 10)]),
        [['ingest-1', 278, 48]],
      );
    });
    it('raw samples take the bytes per sample that the engine says', async () => {
      const [row] = await panel('pipeline', 4, lastHours(1));
      const [truth] = (
        await get().ask(
          "SELECT sum(bytes_on_disk) / sum(rows) AS each FROM system.parts WHERE database = 'weir' AND table = 'metric_samples' AND active",
        )
      ).rows;
      assert.ok(Math.abs(Number(row?.raw) / Number(truth?.each) - 1) < 0.05 && Number(row?.raw) < 30, String(row?.raw));
    });
    it('the newest sample was fresh at the end of the week and a minute old in the silence', async () => {
      const [fresh] = await panel('pipeline', 1, lastHours(1));
      assert.ok(Number(fresh?.stale) <= 5, String(fresh?.stale));
      const [stale] = await panel('pipeline', 1, around('all-silent'));
      assert.ok(Number(stale?.stale) >= 240, String(stale?.stale));
    });
    it('the card of edge-03 is full while it is slow', async () => {
      const rows = await panel('cluster', 6, { ...around('edge-slow'), variables: { node: ['edge-03'] } });
      assert.ok(Number(rows[0]?.card) > 0.9, JSON.stringify(rows[0]));
    });
    it('the attacking subnet is on top of the spike', async () => {
      const rows = await panel('connections', 40, around('connection-spike'));
      assert.equal(rows[0]?.subnet, '203.0.113.0/24');
      assert.ok(Number(rows[0]?.connections) > 4_000);
    });
    it('each machine counts once, although edge-17 and edge-18 share one and ingest has its own', async () => {
      const { ask } = get();
      const [row] = (
        await ask(
          "SELECT uniqExact(machine_id) AS machines FROM nodes WHERE role IN ('edge', 'origin') AND version = '0.1.0'",
        )
      ).rows;
      const speeds = await panel('cluster', 21, lastHours(1));
      const cards = speeds.find((point) => point['90 % of all cards'] !== undefined)?.['90 % of all cards'];
      assert.equal(Number(row?.machines), 19);
      assert.equal(Math.round(Number(cards) / 0.9e9), 17 + 10 + 10 + 10 + 3);
    });
    it('several metrics in one pass are what each is alone', async () => {
      const { ask, noisy } = get();
      const context = { fromMs: noisy.endMs - 3 * HOUR_MS, toMs: noisy.endMs, maxDataPoints: 200, variables: {} };
      const where = { 'network.io.direction': 'transmit' };
      const alone = async (series: MetricSeries): Promise<readonly Record<string, unknown>[]> =>
        (await ask(expandQuery(metricSql(series), context))).rows;
      const sent = await alone({
        metric: 'system.network.io',
        where,
        fold: 'rate',
        across: 'sum',
        scale: 8,
        as: 'sent',
      });
      const speed = await alone({
        metric: 'system.network.speed',
        fold: 'mean',
        across: 'sum',
        scale: 0.9,
        as: 'speed',
      });
      const together = await panel('cluster', 21, lastHours(3));
      assert.ok(together.length > 100);
      for (const [i, point] of together.entries()) {
        assert.deepEqual([point.time, sent[i]?.time], [speed[i]?.time, point.time]);
        assert.ok(Math.abs(Number(point.Out) / Number(sent[i]?.sent) - 1) < 1e-9, `${point.Out} and ${sent[i]?.sent}`);
        assert.equal(Number(point['90 % of all cards']), Number(speed[i]?.speed));
      }
    });
    it('the table of nodes says of each what the views for people say', async () => {
      const { ask, noisy } = get();
      const rows = await panel('cluster', 6, lastHours(1));
      const minutes = `from = toDateTime(${noisy.endMs / 1_000 - 120}), to = toDateTime(${noisy.endMs / 1_000})`;
      const truth = new Map(
        (
          await ask(`SELECT n.node AS node, avg(n.viewers) AS viewers, avg(m.cpu) AS cpu, avg(m.memory) AS memory, avg(m.card) AS card, avg(m.disk) AS disk
            FROM node_minutes(${minutes}) AS n INNER JOIN machine_minutes(${minutes}) AS m ON m.time = n.time AND m.machine_id = n.machine_id WHERE n.role IN ('edge', 'origin') GROUP BY node`)
        ).rows.map((row) => [String(row.node), row]),
      );
      assert.equal(truth.size, 20);
      for (const row of rows.filter(({ state }) => state === 'up')) {
        for (const figure of ['viewers', 'cpu', 'memory', 'card', 'disk']) {
          const [shown, told] = [Number(row[figure]), Number(truth.get(String(row.node))?.[figure])];
          assert.ok(Math.abs(shown - told) <= 1e-6 + told * 0.01, `${row.node}: ${figure} ${shown}, not ${told}`);
        }
      }
    });
    it('viewers of all streams are the viewers of all edges', async () => {
      const streams = await panel('streams', 1, lastHours(1));
      const nodes = await panel('cluster', 6, lastHours(1));
      const sum = (rows: Record<string, unknown>[]) => rows.reduce((total, row) => total + Number(row.viewers), 0);
      assert.ok(Math.abs(sum(streams) / sum(nodes) - 1) < 0.05, `${sum(streams)} and ${sum(nodes)}`);
    });
    it('a stream has the pictures a second that its publisher sends, sound not counted', async () => {
      const rows = await panel('streams', 1, lastHours(1));
      const published = rows.filter((row) => Number(row.bitrate) > 0);
      assert.ok(published.length > 10);
      for (const row of published) assert.ok(Math.abs(Number(row.fps) - 25) < 2, JSON.stringify(row));
    });
    it('every viewer of the lost origin is in the fail-over summary', async () => {
      const { ask, noisy } = get();
      const lost = noisy.incidents.get('origin-lost');
      assert.ok(lost);
      const [row] = await panel('failover', 1, { ask, fromMs: lost.startMs - 1_000, toMs: lost.startMs + 60_000 });
      const planted = (
        await ask(`SELECT count() AS n, sum(viewers) AS viewers FROM failovers WHERE cause = 'disconnected'`)
      ).rows[0];
      assert.deepEqual([Number(row?.switches), Number(row?.viewers)], [Number(planted?.n), Number(planted?.viewers)]);
      assert.ok(Number(row?.worst_gap) > 2.5);
    });
    it('the restart of edge-12 is one restart', async () => {
      const { ask, noisy } = get();
      const dead = noisy.incidents.get('node-dead');
      assert.ok(dead);
      const options = {
        ask,
        fromMs: dead.startMs - HOUR_MS,
        toMs: dead.endMs + HOUR_MS,
        variables: { node: ['edge-12'] },
      };
      const rows = await panel('node', 30, options);
      assert.equal(
        rows.reduce((sum, row) => sum + Number(row.Restarts), 0),
        1,
      );
    });
    it('bandwidth is not yet the limit and edges can be spared', async () => {
      const rows = await panel('cluster', 41, lastHours(1));
      assert.deepEqual(rows.map((row) => row.what).toSorted(), ['Bandwidth', 'CPU', 'Connections']);
      for (const row of rows)
        assert.ok(Number(row.more_viewers) > 0 && Number(row.machines_spare) >= 0, JSON.stringify(row));
    });
    it('a year is read from the coarse levels', async () => {
      const { ask, noisy } = get();
      const viewers = ALL_DASHBOARDS.flatMap(panelsOf).find(({ title }) => title === 'Viewers by site');
      assert.ok(viewers);
      const [checked] = await checkPanel('cluster', viewers, {
        ask,
        fromMs: noisy.endMs - 365 * 24 * HOUR_MS,
        toMs: noisy.endMs,
      });
      assert.ok((checked?.answer?.rowsRead ?? 0) < 30_000, `${checked?.answer?.rowsRead} rows read`);
    });
  });
}
