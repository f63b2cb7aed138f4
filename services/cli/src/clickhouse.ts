/** How the command line asks ClickHouse: one client for one configuration, errors as one sentence with ClickHouse's code. */
import { ClickHouseError, ClickHouseLogLevel, createClient, type DataFormat } from '@clickhouse/client';
import type { Config } from '@weir/contracts/config/schema';
import { errorCode, errorMessage, WeirError } from '@weir/contracts/errors';

/** UNKNOWN_QUERY_PARAMETER */
const PARAMETER_MISSING = '456';

/** A connection as the reading or the writing user. */
export interface Database {
  /** Rows of a query as objects. */
  rows<Row>(query: string): Promise<Row[]>;
  /** The answer as it comes, in `format` unless the query names one itself; `parameters` are values of its `{name:Type}`. */
  stream(query: string, format: string, parameters?: Readonly<Record<string, string>>): Promise<NodeJS.ReadableStream>;
  close(): Promise<void>;
}

/** Connects lazily: nothing is sent before the first query. Numbers of 64 bits come as numbers. */
export function openDatabase(config: Config['clickhouse'], as: 'reader' | 'writer'): Database {
  const [username, password] =
    as === 'reader' ? [config.readUser, config.readPassword] : [config.user, config.password];
  const client = createClient({
    url: config.url,
    database: config.database,
    username,
    password,
    request_timeout: config.requestTimeoutMs,
    // What goes wrong is said once, by whoever asked.
    log: { level: ClickHouseLogLevel.OFF },
  });
  return {
    async rows<Row>(query: string) {
      try {
        return await (await client.query({ query, format: 'JSONEachRow' })).json<Row>();
      } catch (error) {
        throw databaseError(error, config.url);
      }
    },
    async stream(query, format, parameters = {}) {
      try {
        const answer = await client.exec({
          query,
          query_params: { ...parameters },
          clickhouse_settings: { default_format: format as DataFormat },
        });
        return answer.stream;
      } catch (error) {
        throw databaseError(error, config.url);
      }
    },
    close: () => client.close(),
  };
}

/** What the client throws as a sentence: away, refused, or ClickHouse's own words. */
function databaseError(error: unknown, url: string): WeirError {
  if (error instanceof ClickHouseError) {
    const words = error.message.trim().replace(/\.$/, '');
    const mend = error.code === PARAMETER_MISSING ? '; --param name=value gives it' : '';
    return new WeirError('SQL_FAILED', `ClickHouse says: ${words} (code ${error.code})${mend}`, { cause: error });
  }
  const code = errorCode(error);
  const why = code === 'ECONNREFUSED' ? 'nobody listens there' : errorMessage(error) || (code ?? 'no answer');
  return new WeirError(
    'SQL_AWAY',
    `ClickHouse does not answer at ${url} (${why}): start the system with weir up, or name another with --clickhouse-url.`,
    { retryable: true, cause: error },
  );
}
