/** Who belongs to the cluster: expected or first heard of, until retired; and what `cluster_load` says was due when (M5). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { RESOURCE } from '@weir/contracts/resource';
import { ruleSql } from '@weir/dashboards/alerts/rule';
import { ALERT_RULES } from '@weir/dashboards/alerts/rules';
import { connectAsk } from '@weir/dashboards/check/client';
import { expandQuery } from '@weir/dashboards/check/expand';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';
import { asking } from './dashboards/asking.ts';

describe('membership of nodes', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  /** On the 5 s grid, some minutes ago, so that marks of now lie behind all samples. */
  const startMs = Math.floor(Date.now() / 5_000) * 5_000 - 600_000;
  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest(pipeline);
  });
  after(async () => {
    await ingest?.close();
    await pipeline?.close();
  });
  const run = (...args: string[]) => {
    const { url, writer, reader } = pipeline.store;
    const flags = ['--cluster', 'test', '--nats-servers', pipeline.nats.url, '--clickhouse-url', url];
    const users = ['--clickhouse-user', writer.name, '--clickhouse-password', writer.password];
    const readers = ['--clickhouse-read-user', reader.name, '--clickhouse-read-password', reader.password];
    return weir(['nodes', ...args, ...flags, ...users, ...readers]);
  };
  const listed = async () => {
    const { stdout, stderr, status } = await run('--json');
    assert.equal(status, 0, stderr);
    return (JSON.parse(stdout) as { node: string; reasons: string[] }[]).map(({ node, reasons }) => [
      node,
      reasons.join(),
    ]);
  };
  const report = (node: string, machineId: string, timeMs: number, more: { metric: string; value: number }[] = []) => {
    const outbox = new TestOutbox(
      pipeline.connection,
      { node, machineId, cluster: 'test', resource: { [RESOURCE.role]: 'edge' } },
      4,
    );
    const gauges = [{ metric: 'process.uptime', value: 9 }, { metric: 'system.memory.limit', value: 1e9 }, ...more];
    return outbox.send(
      'metrics',
      metricsPayload(
        outbox.sender,
        gauges.map((gauge) => ({ ...gauge, kind: 'gauge', timeMs })),
      ),
    );
  };
  const mark = (secondsAfter: number, node: string, what: string) =>
    pipeline.clickhouse.command({
      query: `INSERT INTO node_marks VALUES (fromUnixTimestamp64Milli(toInt64(${startMs + secondsAfter * 1_000})), 'test', '${node}', '${what}', '')`,
    });
  const load = () =>
    pipeline.rows(
      `SELECT (toUnixTimestamp(time) - ${startMs / 1_000}) AS at, machines, machines_known AS due, nodes, nodes_known
       FROM cluster_load WHERE cluster = 'test' ORDER BY time`,
    );

  it('makes of each past moment what was due then, and keeps it when more is said later', async () => {
    await mark(-1, 'edge-1', 'expected');
    await mark(-1, 'edge-2', 'expected');
    await mark(7, 'edge-3', 'expected');
    await mark(12, 'edge-2', 'retired');
    // edge-1 and edge-2 share a machine, edge-3 has its own
    await report('edge-1', 'm-1', startMs);
    await report('edge-2', 'm-1', startMs);
    await report('edge-1', 'm-1', startMs + 10_000);
    await report('edge-1', 'm-1', startMs + 15_000);
    await report('edge-3', 'm-3', startMs + 20_000);
    await report('edge-1', 'm-1', startMs + 20_000);
    const row = (at: number, machines: number, due: number, nodes: number, known: number) => ({
      ...{ at: String(at), machines: String(machines), due: String(due) },
      ...{ nodes: String(nodes), nodes_known: String(known) },
    });
    const past = [row(0, 1, 1, 2, 2), row(10, 1, 2, 1, 3), row(15, 1, 2, 1, 2), row(20, 2, 2, 2, 2)];
    // samples are there before the nodes they are of: tables are written at once
    await eventually(load, (rows) => isDeepStrictEqual(rows, past));
    assert.equal((await run('retire', 'edge-3', '--reason', "it's sold")).status, 0);
    assert.equal((await run('expect', 'edge-9')).status, 0);
    assert.deepEqual(await load(), past);
    const { reason } = await pipeline.row("SELECT reason FROM node_marks WHERE node = 'edge-3' AND mark = 'retired'");
    assert.equal(reason, "it's sold");
  });

  it('says of each member that is not heard of why it may be', async () => {
    await report('edge-4', 'm-4', Date.now(), [{ metric: 'system.clock.offset', value: -7.25 }]);
    const rows = new Map(
      await eventually(listed, (found) => found.some(([node]) => node === 'edge-4')).then((found) =>
        found.map(([node, why]) => [node, why] as const),
      ),
    );
    assert.match(
      String(rows.get('edge-9')),
      /^Expected since \d{4}-.*, never heard of: check its NATS address and credentials\.$/,
    );
    assert.match(String(rows.get('edge-1')), /^Silent since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.$/);
    assert.match(String(rows.get('edge-4')), /Its machine's clock is off by -7\.3 s\.$/);
    assert.equal(rows.has('edge-3'), false);
    assert.equal(rows.has('edge-2'), false);
  });

  it('is what the dashboard of the cluster counts, members that nobody ever heard of included', async (t) => {
    const { url, reader } = pipeline.store;
    const { ask, close } = connectAsk({ url, user: reader.name, password: reader.password, database: 'weir' });
    t.after(close);
    const { panel } = asking(() => assert.fail('asks no week'));
    // ranges are in whole seconds: what was said just now is in the one that has begun
    const toMs = Date.now() + 1_000;
    const range = { ask, fromMs: toMs - 900_000, toMs, mayBeEmpty: true };
    const numbers = (row: Record<string, unknown> | undefined) =>
      Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]));
    // edge-4 is up, edge-1 silent, edge-9 never heard of, edge-2 and edge-3 are retired
    const [nodes] = await panel('cluster', 1, range);
    assert.deepEqual(numbers(nodes), { up: 1, expected: 3, silent: 2, drained: 2 });
    const states = (await panel('cluster', 6, range)).map(({ node, state }) => [node, state]);
    assert.deepEqual(
      states.toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      [
        ['edge-1', 'silent'],
        ['edge-2', 'drained'],
        ['edge-3', 'drained'],
        ['edge-4', 'up'],
        ['edge-9', 'never heard'],
      ],
    );
    const then = { ...range, fromMs: startMs - 60_000, toMs: startMs + 60_000 };
    const due = (await panel('cluster', 24, then)).map(({ Answering, Expected }) => [
      Number(Answering),
      Number(Expected),
    ]);
    assert.deepEqual(due, [
      [2, 2],
      [1, 3],
      [1, 2],
      [2, 2],
    ]);
  });

  it('ends the alarm that a cluster is blind: with its last member, or after a week', async (t) => {
    const { url, reader } = pipeline.store;
    const { ask, close } = connectAsk({ url, user: reader.name, password: reader.password, database: 'weir' });
    t.after(close);
    const rule = ALERT_RULES.find(({ name }) => name === 'measuring-blind');
    assert.ok(rule);
    const blind = async () => {
      const toMs = Date.now();
      const context = { fromMs: toMs - 300_000, toMs, maxDataPoints: 1_000, variables: {} };
      const { rows } = await ask(expandQuery(ruleSql(rule), context));
      const above = rows.filter(({ value }) => Number(value) > rule.above).map(({ cluster }) => cluster);
      // what the tests before sent may be fresh or a minute old by now
      return above.filter((cluster) => cluster !== 'test');
    };
    const heard = (cluster: string, daysAgo: number) =>
      pipeline.clickhouse.command({
        query: `INSERT INTO node_reports (time, cluster, node, role) VALUES (now64(3) - INTERVAL ${daysAgo} DAY, '${cluster}', 'edge-1', 'edge')`,
      });
    await heard('lately', 6);
    await heard('long-gone', 8);
    assert.deepEqual(await blind(), ['lately']);
    await pipeline.clickhouse.command({
      query: "INSERT INTO node_marks VALUES (now64(3) - INTERVAL 1 SECOND, 'lately', 'edge-1', 'retired', 'sold')",
    });
    assert.deepEqual(await blind(), []);
  });

  it('refuses what is no name and what it does not know', async () => {
    assert.match((await run('expect', 'a b')).stderr, /\[NODES_NAME\]/);
    assert.match((await run('retire')).stderr, /\[NODES_WHICH\]/);
    assert.match((await run('forget', 'x')).stderr, /knows expect and retire, not "forget"\. \[NODES_ACTION\]/);
  });
});
