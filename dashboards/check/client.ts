/** Asks a store or ClickHouse server over HTTP as the user that only reads. */
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { Ask, QueryAnswer } from './run.ts';

/** Where and as whom. */
export interface AskOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Default: that of the client, 30 s. */
  readonly requestTimeoutMs?: number;
}

/** An {@link Ask} and its end. Numbers come as numbers, 64-bit ones too: figures of panels, not ids. */
export function connectAsk(options: AskOptions): { ask: Ask; close(): Promise<void> } {
  const { url, user, password, database, requestTimeoutMs = 30_000 } = options;
  const client = createClient({
    url,
    username: user,
    password,
    database,
    request_timeout: requestTimeoutMs,
    // What goes wrong is said once, by whoever asked.
    log: { level: ClickHouseLogLevel.OFF },
  });
  const ask: Ask = async (sql, parameters = {}) => {
    const startedAt = performance.now();
    const result = await client.query({ query: sql, format: 'JSON', query_params: { ...parameters } });
    const answer = await result.json<Record<string, unknown>>();
    return {
      columns: answer.meta ?? [],
      rows: answer.data,
      rowsRead: answer.statistics?.rows_read ?? 0,
      elapsedMs: performance.now() - startedAt,
    } satisfies QueryAnswer;
  };
  return { ask, close: () => client.close() };
}
