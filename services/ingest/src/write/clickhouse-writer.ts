/**
 * Inserts into ClickHouse over HTTP through its official client: bytes that are already encoded go through `exec`, which
 * streams them as they are. Before it: the tables of a batch; after it: ClickHouse and its materialized views.
 */
import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import type { TablePayload } from '../decode/batch.ts';
import { InsertError } from './insert-error.ts';

/** Writes rows; one for all partitions of a copy. */
export interface ClickHouseWriter {
  readonly url: string;
  /**
   * Resolves when the rows and those of all views are in.
   * @param token an insert with a token that ClickHouse remembers changes nothing (10,000 per table, see migrations).
   * @param signal gives up waiting; the rows may or may not be in.
   * @throws InsertError
   */
  insert(payload: TablePayload, token: string, signal: AbortSignal): Promise<void>;
  /** Undefined when ClickHouse answers a query of our user, else one sentence. Asks at most once a second. */
  problem(): Promise<string | undefined>;
  close(): Promise<void>;
}

const PING_VALID_MS = 1_000;

/** Below the 10 s after which ClickHouse closes an idle connection, so that no insert meets one that is being closed. */
const IDLE_SOCKET_MS = 2_500;

/** A writer for the server `config` names; connects when first used. */
export function createClickHouseWriter(config: Config['clickhouse'], partitions: number): ClickHouseWriter {
  return new HttpWriter(config, partitions);
}

class HttpWriter implements ClickHouseWriter {
  readonly url: string;
  readonly #client: ClickHouseClient;
  #answer: { atMs: number; problem: Promise<string | undefined> } | undefined;

  constructor(config: Config['clickhouse'], partitions: number) {
    this.url = config.url;
    this.#client = createClient({
      url: config.url,
      username: config.user,
      password: config.password,
      database: config.database,
      application: 'weir-ingest',
      request_timeout: config.requestTimeoutMs,
      // the tables of a batch are written at once: mostly up to four
      max_open_connections: 4 * partitions + 1,
      keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS, eagerly_destroy_stale_sockets: true },
      // errors are thrown to us; the client would print them besides
      log: { level: ClickHouseLogLevel.OFF },
    });
  }

  async insert(payload: TablePayload, token: string, signal: AbortSignal): Promise<void> {
    try {
      const { stream } = await this.#client.exec({
        query: `INSERT INTO ${payload.table} FORMAT ${payload.format}`,
        values: Readable.from(payload.parts, { objectMode: false }),
        abort_signal: signal,
        clickhouse_settings: {
          // answered when all views are written, not when the rows are queued
          async_insert: 0,
          wait_end_of_query: 1,
          insert_deduplicate: 1,
          insert_deduplication_token: token,
          deduplicate_blocks_in_dependent_materialized_views: 1,
          // one block per insert, in the order of the rows: a repeat is made of the same blocks
          input_format_parallel_parsing: 0,
          max_insert_threads: '1',
          // the views have aggregated already; merging their few rows once more costs a tenth of an insert
          optimize_on_insert: 0,
        },
      });
      for await (const _chunk of stream);
    } catch (error) {
      throw new InsertError(payload.table, this.url, error);
    }
  }

  problem(): Promise<string | undefined> {
    if (!this.#answer || performance.now() - this.#answer.atMs > PING_VALID_MS) {
      this.#answer = { atMs: performance.now(), problem: this.#ask() };
    }
    return this.#answer.problem;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #ask(): Promise<string | undefined> {
    const result = await this.#client.ping({ select: true });
    return result.success ? undefined : `ClickHouse does not answer at ${this.url}: ${errorMessage(result.error)}`;
  }
}
