/** Sends one query and lets its answer through to stdout as it comes. */
import { pipeline } from 'node:stream/promises';
import { ConfigError, errorCode } from '@weir/contracts/errors';
import type { Database } from '../clickhouse.ts';

/** Where and how a query is asked. */
export interface Asking {
  readonly database: Database;
  /** Format of the answer unless the query names one itself. */
  readonly format: string;
  /** Values of `{name:Type}` in the query. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Prints the answer of `query`.
 * @throws WeirError with ClickHouse's words; ConfigError `SQL_EMPTY` when there is nothing to ask.
 */
export async function print({ database, format, parameters }: Asking, query: string): Promise<void> {
  // A trailing semicolon is a habit of people; over HTTP one request is one statement anyway.
  const statement = query.replace(/[;\s]+$/, '');
  if (statement.trim() === '')
    throw new ConfigError('SQL_EMPTY', 'There is no query: give it as an argument or on stdin.');
  const answer = await database.stream(statement, format, parameters);
  try {
    await pipeline(answer, process.stdout, { end: false });
  } catch (error) {
    if (errorCode(error) !== 'EPIPE') throw error; // the reader (head, less) has seen enough
  }
}
