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

/** What a question to a week may take on cores that are busy with others; times that matter are asserted. */
const MAX_EXECUTION_SECONDS = 60;

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
  const store = await startTestStore({ maxExecutionSeconds: MAX_EXECUTION_SECONDS });
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
    // Each kind of series has parts of its own, which nothing is gained from merging; it took as long as writing them.
    await execute('SYSTEM STOP MERGES');
    const fillQuiet = await withoutRollups(store, execute);
    const endMs = Date.now();
    const startedAt = performance.now();
    const noisy = await generateWeek({ execute, database: 'weir', endMs });
    const madeInMs = performance.now() - startedAt;
    const quiet = await generateWeek({ execute, database: 'weir_quiet', endMs, quiet: true, metrics: JUDGED });
    await fillQuiet();
    for (const [database, week] of Object.entries({ weir: noisy, weir_quiet: quiet })) {
      for (const sql of keepMinutes(database, week)) await execute(sql);
    }
    for (const sql of newSystem(noisy.endMs / 1_000 - 600)) await execute(sql);
    const reader = { url: store.url, user: store.reader.name, password: store.reader.password };
    const [full, calm, empty, fresh] = ['weir', 'weir_quiet', 'weir_empty', 'weir_new'].map((database) =>
      connectAsk({ ...reader, database, requestTimeoutMs: 2 * MAX_EXECUTION_SECONDS * 1_000 }),
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

/** Views of minutes that many rules read, which is most of what asking all rules about a week costs. */
const KEPT = ['node_minutes', 'machine_minutes'] as const;
/** So much of a week is worked out at once. */
const PIECE_SECONDS = 302_400;

/** Tables that hold what the views {@link KEPT} say of the whole week. */
function keepMinutes(database: string, { startMs, endMs }: Week): string[] {
  return KEPT.flatMap((view) => {
    const pieces: string[] = [];
    for (let from = startMs / 1_000; from < endMs / 1_000; from += PIECE_SECONDS) {
      const to = Math.min(endMs / 1_000, from + PIECE_SECONDS);
      const into = from === startMs / 1_000 ? 'CREATE TABLE' : 'INSERT INTO';
      const engine = from === startMs / 1_000 ? 'ENGINE = MergeTree ORDER BY time AS ' : '';
      pieces.push(
        `${into} ${database}.kept_${view} ${engine}SELECT * FROM ${database}.${view}(from = toDateTime(${from}), to = toDateTime(${to}))`,
      );
    }
    return pieces;
  });
}

/** A rule's SQL over a range of the week, with what the views say read from where {@link keepMinutes} put it. */
export function fromKept(sql: string): string {
  const views = new RegExp(
    `\\b(${KEPT.join('|')})\\(from = (toDateTime\\(\\d+\\)), to = (toDateTime\\(\\d+\\))\\)`,
    'g',
  );
  const kept = sql.replaceAll(views, '(SELECT * FROM kept_$1 WHERE time >= $2 AND time < $3)');
  if (KEPT.some((view) => kept.includes(`${view}(`)))
    throw new Error(`A view is asked in a way not known here: ${sql}`);
  return kept;
}

/**
 * Leaves out of the quiet week what nobody asks it for: viewers by the hour, and coarser levels but those of the one metric
 * whose baseline is read from them, which the returned function makes from the minutes.
 */
async function withoutRollups(store: TestStore, execute: (sql: string) => Promise<void>): Promise<() => Promise<void>> {
  const view = 'metric_5m_from_1m';
  const answer = await store.client().query({
    query: `SELECT as_select AS text FROM system.tables WHERE database = 'weir_quiet' AND name = '${view}'`,
    format: 'JSONEachRow',
  });
  const [{ text } = { text: '' }] = await answer.json<{ text: string }>();
  for (const name of [view, 'metric_1h_from_10m', 'viewer_1h_from_1m']) await execute(`DROP VIEW weir_quiet.${name}`);
  const filled = text.replace(' GROUP BY', " WHERE s.metric = 'live.connections.opened' GROUP BY");
  if (filled === text) throw new Error(`The view ${view} reads otherwise than is known here: ${text}`);
  return () => execute(`INSERT INTO weir_quiet.metric_5m ${filled}`);
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
