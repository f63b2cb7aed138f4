/**
 * One request's session of the engine. Opening one takes a fifth of a millisecond, so each request has its own: settings,
 * database, query parameters and read-only mode cannot reach another request. Read-only mode is set last and cannot be left.
 */
import { refuse } from '../exceptions.ts';
import type { Binding } from './binding.ts';

/** The state a session is in before the statement runs. */
export interface SessionSetup {
  database: string;
  settings: ReadonlyMap<string, string>;
  /** `{name:Type}` parameters in the escaped form of the HTTP interface. */
  parameters: ReadonlyMap<string, string>;
  /** 0 everything; 1 reads only; 2 reads and settings. */
  readonly: number;
  /** Unique among running queries: what the engine knows the query by, for `KILL QUERY`. */
  marker: string;
}

/** What a statement did, as far as the engine tells. */
export interface RunResult {
  /** Output of a statement without `INTO OUTFILE`. The bytes are the caller's. */
  bytes: Uint8Array;
  /** Rows of the result, or rows an INSERT … FROM INFILE wrote. */
  rows: number;
  /** Their bytes in the engine's memory. */
  rowBytes: number;
}

/** A session of one request; not for use by two at once. */
export interface EngineSession {
  /**
   * Runs one statement.
   * @throws Error as the engine puts it; see exceptions.ts.
   */
  run(sql: string, format?: string): Promise<RunResult>;
  /** Frees the session; nothing may run on it. */
  close(): void;
}

/**
 * Opens a session on the engine's data directory.
 * @throws Error of the engine when a setting's value or the database is refused.
 */
export async function openSession(binding: Binding, path: string, setup?: SessionSetup): Promise<EngineSession> {
  const connection = binding.CreateConnection(path);
  try {
    if (setup) await binding.QueryAsyncConnection(connection, setupStatements(setup), 'Null');
  } catch (error) {
    binding.CloseConnection(connection);
    throw error;
  }
  return {
    async run(sql, format = 'TabSeparated') {
      const { bytes, rowsRead, bytesRead } = await binding.QueryAsyncConnection(connection, sql, format);
      return { bytes, rows: rowsRead, rowBytes: bytesRead };
    },
    close: () => binding.CloseConnection(connection),
  };
}

function setupStatements(setup: SessionSetup): string {
  const settings = [['log_comment', setup.marker] as const, ...setup.settings].map(([name, value]) =>
    assign(name, value),
  );
  const parameters = [...setup.parameters].map(([name, value]) => assign(`param_${name}`, value));
  return [
    setup.database === '' ? '' : `USE ${quoteIdentifier(setup.database)}`,
    `SET ${[...settings, ...parameters].join(', ')}`,
    setup.readonly === 0 ? '' : `SET readonly = ${setup.readonly}`,
  ]
    .filter((statement) => statement !== '')
    .join('; ');
}

function assign(name: string, value: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw refuse('BAD_ARGUMENTS', `'${name}' is no name of a setting or parameter`);
  return `${name} = ${quoteString(value)}`;
}

/** `text` as a string literal of ClickHouse SQL. */
export function quoteString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `name` as an identifier of ClickHouse SQL. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
