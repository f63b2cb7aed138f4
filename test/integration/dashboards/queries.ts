/** Every panel, variable, annotation and rule is asked as Grafana would: shape, figures, bounds, time, and input of any kind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_DASHBOARDS } from '@weir/dashboards/all';
import { type CheckedQuery, checkQueries } from '@weir/dashboards/check/run';
import { timeDashboards } from '@weir/dashboards/check/timing';
import { weekStreams } from '@weir/dashboards/week/cluster';
import type { TestWeek } from '@weir/test/harness/week';
import { AT_ONCE, asking, HOUR_MS, problems } from './asking.ts';

/** Registers the tests. */
export function testQueries(get: () => TestWeek): void {
  const { lastHours, panel } = asking(get);

  describe('making the week', () => {
    it('takes less than two minutes', (t) => {
      t.diagnostic(`made in ${(get().madeInMs / 1_000).toFixed(0)} s`);
      // stated for two cores of our own; a test machine shares them
      assert.ok(get().madeInMs < 360_000);
    });
  });

  describe('all queries', () => {
    for (const hours of [1, 7 * 24, 365 * 24]) {
      it(`answer with the right shape and plausible figures over ${hours} hours`, async (t) => {
        const checked = await checkQueries(lastHours(hours));
        t.diagnostic(timing(checked));
        assert.deepEqual(problems(checked), []);
      });
    }

    it('are fast: asserted at three times what a busy machine showed (p95 270 ms, a whole dashboard 3.7 s)', async (t) => {
      const times = await timeDashboards(lastHours(6));
      const checked = times.flatMap((time) => time.checked);
      t.diagnostic(timing(checked));
      assert.deepEqual(problems(checked), []);
      assert.ok(percentile(checked, 0.95) <= 810, `p95 ${percentile(checked, 0.95)} ms`);
      for (const { title, inSequenceMs, atOnceMs } of times) {
        t.diagnostic(
          `${title}: ${inSequenceMs.toFixed(0)} ms one after the other, ${atOnceMs.toFixed(0)} ms six at once`,
        );
        assert.ok(inSequenceMs <= 11_100, `${title} took ${inSequenceMs} ms`);
      }
    });

    it('work in an empty database', async () => {
      const { askEmpty, noisy } = get();
      const checked = await checkQueries({
        ask: askEmpty,
        fromMs: noisy.startMs,
        toMs: noisy.endMs,
        mayBeEmpty: true,
        atOnce: AT_ONCE,
      });
      assert.deepEqual(problems(checked), []);
    });

    it('leave no panel empty on a healthy system of ten minutes, but those whose emptiness is good news or says what is missing', async () => {
      const { askNew, noisy } = get();
      const checked = await checkQueries({
        ask: askNew,
        fromMs: noisy.endMs - HOUR_MS,
        toMs: noisy.endMs,
        atOnce: AT_ONCE,
      });
      assert.deepEqual(problems(checked), []);
      for (const { panels } of ALL_DASHBOARDS.flatMap(({ groups }) => groups)) {
        for (const { mayBeEmpty, noValue, title } of panels) {
          assert.ok(!mayBeEmpty || (noValue ?? 'None').length > 3, title);
        }
      }
    });

    it('work before the first sample', async () => {
      const { ask, noisy } = get();
      const checked = await checkQueries({
        ask,
        fromMs: noisy.startMs - 24 * HOUR_MS,
        toMs: noisy.startMs - HOUR_MS,
        mayBeEmpty: true,
        atOnce: AT_ONCE,
      });
      assert.deepEqual(problems(checked), []);
    });

    it('take any name in every variable without breaking or changing', async () => {
      const names = weekStreams().flatMap(({ app, stream }) => [app, stream]);
      const hostile = [
        ...names,
        "' OR 1=1 --",
        "\\' OR 1=1 --",
        `$\{cluster:raw}`,
        '$__toTime',
        'a&v=edge-01',
        '%27',
        '😀\\',
        '',
      ];
      const variables = Object.fromEntries(
        ['cluster', 'node', 'app', 'stream', 'address'].map((name) => [name, hostile]),
      );
      const checked = await checkQueries({ ...lastHours(1), variables, mayBeEmpty: true });
      assert.deepEqual(problems(checked), []);
    });

    it('show a node that is gone', async () => {
      const checked = await checkQueries({ ...lastHours(1), variables: { node: ['edge-99'] }, mayBeEmpty: true });
      assert.deepEqual(problems(checked), []);
      const [row] = await panel('node', 1, { ...lastHours(1), variables: { node: ['edge-99'] } });
      assert.equal(row?.version, '0.0.9');
    });
  });

  describe('a variable', { concurrency: AT_ONCE }, () => {
    it('narrows to exactly the stream that bears the name, whatever the name', async () => {
      for (const { app, stream } of weekStreams()) {
        const rows = await panel('streams', 1, { ...lastHours(1), variables: { app: [app], stream: [stream] } });
        assert.deepEqual(
          rows.map((row) => [row.app, row.stream]),
          [[app, stream]],
        );
      }
    });
    it('takes several values', async () => {
      const rows = await panel('cluster', 6, { ...lastHours(1), variables: { node: ['edge-01', 'edge-02'] } });
      assert.deepEqual(rows.map((row) => row.node).toSorted(), ['edge-01', 'edge-02']);
    });
    it('typed into the box narrows the single connections to one address, one subnet or a beginning of it', async () => {
      const [first] = await panel('connections', 42, lastHours(1));
      const address = String(first?.address);
      const subnet = `${address.split('.').slice(0, 3).join('.')}.0/24`;
      for (const [typed, fits] of [
        [address, (found: string) => found === address],
        [subnet, (found: string) => found.startsWith(subnet.slice(0, -4))],
        ['10.1', (found: string) => found.startsWith('10.1')],
      ] as const) {
        const rows = await panel('connections', 42, { ...lastHours(1), variables: { address: [typed] } });
        assert.ok(rows.length > 0 && rows.every((row) => fits(String(row.address))), typed);
      }
    });
    it('lets nothing through where the name does not exist', async () => {
      const rows = await panel('cluster', 6, {
        ...lastHours(1),
        variables: { node: ["x' OR '1'='1"] },
        mayBeEmpty: true,
      });
      assert.deepEqual(rows, []);
    });
  });
}

function percentile(checked: readonly CheckedQuery[], share: number): number {
  const times = checked.map(({ answer }) => answer?.elapsedMs ?? 0).toSorted((a, b) => a - b);
  return times[Math.ceil(times.length * share) - 1] ?? 0;
}

function timing(checked: readonly CheckedQuery[]): string {
  const slowest = checked.toSorted((a, b) => (b.answer?.elapsedMs ?? 0) - (a.answer?.elapsedMs ?? 0))[0];
  const ms = (share: number) => percentile(checked, share).toFixed(0);
  return `${checked.length} queries: p50 ${ms(0.5)} ms, p95 ${ms(0.95)} ms, worst ${ms(1)} ms (${slowest?.place} / ${slowest?.name})`;
}
