/**
 * A store with a generated week of a 20-node cluster, for tests of dashboards, alert rules and SQL examples: a noisy week
 * with planted incidents, a quiet one, and an empty database, all migrated. Takes about a minute; start it once per file.
 */

import { ClickHouseLogLevel } from '@clickhouse/client';
import { createLogger } from '@weir/contracts/logger';
import type { MetricName } from '@weir/contracts/metrics';
import { connectAsk } from '@weir/dashboards/check/client';
import type { Ask } from '@weir/dashboards/check/run';
import { generateWeek, type Week } from '@weir/dashboards/week/generate';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestStore, type TestStore } from './store.ts';

/** Metrics that alert rules judge: all a quiet week needs. */
const JUDGED: readonly MetricName[] = [
  'system.cpu.utilization',
  'system.memory.utilization',
  'system.filesystem.utilization',
  'system.network.io',
  'system.network.speed',
  'system.clock.offset',
  'process.uptime',
  'nodejs.eventloop.delay.p99',
  'live.connections',
  'live.connections.limit',
  'live.connections.opened',
  'live.connections.closed',
  'live.stream.viewers',
  'live.stream.frames',
  'weir.outbox.messages',
  'weir.outbox.dropped',
  'weir.ingest.lag',
  'weir.ingest.delay',
  'weir.ingest.dead_letters',
  'weir.vrrp.state',
  'weir.vrrp.address.held',
  'weir.vrrp.directors',
  'weir.vrrp.changes',
  'weir.ipvs.servers',
  'weir.dns.address.up',
  'weir.dns.answers',
  'weir.dns.answer.failures',
];

/** What a test may ask, as the user that only reads. */
export interface TestWeek {
  readonly store: TestStore;
  readonly noisy: Week;
  readonly quiet: Week;
  readonly ask: Ask;
  readonly askQuiet: Ask;
  readonly askEmpty: Ask;
  /** A system of one edge and one copy of ingest that was started ten minutes ago: no fail-over, no browser, no agent yet. */
  readonly askNew: Ask;
  /** Time it took to make the noisy week. */
  readonly madeInMs: number;
  close(): Promise<void>;
}

/** Starts the store and fills it. */
export async function startTestWeek(): Promise<TestWeek> {
  const store = await startTestStore({ maxExecutionSeconds: 60 });
  const logger = createLogger('test', 'warn');
  const { name: user, password } = store.writer;
  const writer = store.client({ request_timeout: 300_000, log: { level: ClickHouseLogLevel.ERROR } });
  const execute = async (sql: string): Promise<void> => {
    await writer.command({ query: sql });
  };
  try {
    for (const database of ['weir', 'weir_quiet', 'weir_empty', 'weir_new']) {
      await migrate({ url: store.url, user, password, database, cluster: '', logger });
    }
    // Nothing asks the quiet week for more than ten minutes at once: its coarser levels need not be made.
    for (const view of ['metric_1h_from_10m', 'metric_1d_from_1h', 'metric_1w_from_1d', 'viewer_1h_from_1m'])
      await execute(`DROP VIEW weir_quiet.${view}`);
    const endMs = Date.now();
    const startedAt = performance.now();
    const noisy = await generateWeek({ execute, database: 'weir', endMs });
    const madeInMs = performance.now() - startedAt;
    const quiet = await generateWeek({ execute, database: 'weir_quiet', endMs, quiet: true, metrics: JUDGED });
    for (const sql of newSystem(noisy.endMs / 1_000 - 600)) await execute(sql);
    const reader = { url: store.url, user: store.reader.name, password: store.reader.password };
    const [full, calm, empty, fresh] = ['weir', 'weir_quiet', 'weir_empty', 'weir_new'].map((database) =>
      connectAsk({ ...reader, database }),
    );
    if (!full || !calm || !empty || !fresh) throw new Error('four databases');
    return {
      store,
      noisy,
      quiet,
      madeInMs,
      ask: full.ask,
      askQuiet: calm.ask,
      askEmpty: empty.ask,
      askNew: fresh.ask,
      async close() {
        await Promise.all([full.close(), calm.close(), empty.close(), fresh.close()]);
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The last minutes of two of the week's nodes, as if all had begun then. */
function newSystem(fromSeconds: number): string[] {
  const from = `toDateTime64(${fromSeconds}, 3, 'UTC')`;
  const machines = "machine_id IN ('m-edge-01', 'm-core-1')";
  return [
    `INSERT INTO weir_new.metric_series SELECT * FROM weir.metric_series WHERE ${machines}`,
    `INSERT INTO weir_new.metric_samples SELECT * FROM weir.metric_samples WHERE ${machines} AND time >= ${from}`,
    `INSERT INTO weir_new.node_reports SELECT arrayJoin([${from}, last_seen]) AS time, cluster, site, machine_id, node, role, version, pid, attributes FROM weir.nodes WHERE ${machines}`,
    `INSERT INTO weir_new.machine_reports SELECT arrayJoin([${from}, last_seen]) AS time, cluster, site, machine_id, host_name, arch, os, kernel, cpu_models, cpu_count, memory_bytes, network_cards, attributes FROM weir.machines WHERE ${machines}`,
    `INSERT INTO weir_new.connection_events SELECT * REPLACE (greatest(c.opened_at, ${from}) AS opened_at) FROM weir.connection_events AS c WHERE ${machines} AND (c.version = 0 OR c.opened_at >= ${from})`,
  ];
}
