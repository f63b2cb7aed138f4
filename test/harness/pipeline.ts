/**
 * The measuring half of the system for tests: NATS, a migrated store and a connection to each, on free ports. Nodes are
 * played by harness/otlp-sender.ts, copies of ingest are started by harness/ingest.ts.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { DATABASE, ROLLUPS, TABLE } from '@weir/contracts/tables';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startNats, type TestNats } from './nats.ts';
import { startTestStore, type TestStore } from './store.ts';
import { eventually } from './wait.ts';

/** NATS and the store, ready for ingest. */
export interface TestPipeline {
  readonly nats: TestNats;
  readonly store: TestStore;
  /** Reconnects by itself. */
  readonly connection: NatsConnection;
  readonly clickhouse: ClickHouseClient;
  /** First row of a query, values as text. */
  row(sql: string): Promise<Record<string, string>>;
  rows(sql: string): Promise<Record<string, string>[]>;
  /** Count and sum of the samples that `where` selects: raw, then each rollup level. */
  levels(where: string): Promise<{ level: string; count: number; sum: number }[]>;
  /** Waits until raw samples and every level hold exactly these; fails with what they hold when they do not in time. */
  holds(where: string, expected: { count: number; sum: number }, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 60_000;

/** Starts both and applies the migrations. */
export async function startPipeline(): Promise<TestPipeline> {
  const nats = await startNats();
  const store = await startTestStore();
  const logger = createLogger('test', 'silent');
  const { name: user, password } = store.writer;
  await migrate({ url: store.url, user, password, database: DATABASE, cluster: '', logger });
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  // so that nodes can publish before a copy of ingest runs
  await ensureTelemetryStreams(await jetstreamManager(connection), loadConfig());
  const clickhouse = store.client({ database: DATABASE });

  const rows = async (query: string): Promise<Record<string, string>[]> => {
    const answer = await clickhouse.query({
      query,
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });
    const found = await answer.json<Record<string, unknown>>();
    return found.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])));
  };
  const levels: TestPipeline['levels'] = async (where) => {
    const raw = `SELECT 'raw' AS level, count() AS count, sum(value) AS sum FROM ${TABLE.metricSamples} WHERE ${where}`;
    const rolled = ROLLUPS.map(
      ({ level, table }) =>
        `SELECT '${level}' AS level, sum(count) AS count, sum(sum) AS sum FROM ${table} WHERE ${where}`,
    );
    const found = new Map((await rows([raw, ...rolled].join(' UNION ALL '))).map((row) => [row.level, row]));
    return ['raw', ...ROLLUPS.map(({ level }) => level)].map((level) => ({
      level,
      count: Number(found.get(level)?.count),
      sum: Number(found.get(level)?.sum),
    }));
  };
  return {
    nats,
    store,
    connection,
    clickhouse,
    rows,
    levels,
    async row(sql) {
      const [first] = await rows(sql);
      if (!first) throw new Error(`No row: ${sql}`);
      return first;
    },
    async holds(where, expected, timeoutMs = TIMEOUT_MS) {
      const isExact = (found: Awaited<ReturnType<typeof levels>>) =>
        found.every(({ count, sum }) => count === expected.count && sum === expected.sum);
      await eventually(() => levels(where), isExact, timeoutMs, `${expected.count} samples, sum ${expected.sum}`);
    },
    async close() {
      await connection.close();
      await store.close();
      await nats.close();
    },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
