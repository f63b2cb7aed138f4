/**
 * Runs one query: finds out what kind of statement it is, takes a turn at the engine, and moves bytes between the request's
 * body, the engine and the answer. The middle of a query's way; http/ is before and after.
 */
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Engine, Turn } from './engine/engine.ts';
import type { OutputPipe } from './engine/pipes.ts';
import { quoteString, type RunResult, type SessionSetup } from './engine/session.ts';
import { fromEngine, QueryException, refuse } from './exceptions.ts';
import type { Answer, Summary } from './http/answer.ts';
import { type RequestBody, spool } from './http/body.ts';
import type { QueryRequest } from './http/request.ts';
import { writeForRevision } from './native/revision.ts';
import { limitReader, type ReaderLimits } from './settings.ts';
import { guardReader } from './sql/reader-guard.ts';
import { analyse, type Statement } from './sql/statement.ts';

/** All that one query needs. */
export interface Execution {
  engine: Engine;
  limits: ReaderLimits;
  /** Functions the reader may not call, see sql/reader-guard.ts. */
  forbidden: ReadonlySet<string>;
  request: QueryRequest;
  body: RequestBody;
  answer: Answer;
  /** Aborts when the client goes away or the store closes. */
  signal: AbortSignal;
}

/** Fewer rows than this are parsed by one thread: starting several takes longer (8 ms against 2 ms for 100 rows). */
const PARALLEL_PARSING_BYTES = 1_048_576;

type Select = Extract<Statement, { kind: 'select' }>;
type Other = Pick<Extract<Statement, { kind: 'other' }>, 'format'>;
type Insert = Extract<Statement, { kind: 'insert' }>;

/**
 * Runs the query and ends the answer when it went well.
 * @throws QueryException for every way a query can fail; the answer is then still open.
 */
export async function execute(execution: Execution): Promise<void> {
  const { request, body, engine, signal } = execution;
  const separator = request.urlQuery !== '' && body.head.length > 0 ? '\n' : '';
  const bytes = Buffer.concat([Buffer.from(request.urlQuery + separator), body.head]);
  const statement = analyse(bytes.toString('latin1'));
  if (statement.kind === 'empty') throw refuse('SYNTAX_ERROR', 'Syntax error: Empty query');
  if (statement.kind === 'insert') {
    if (request.role === 'reader') throw refuse('READONLY', 'Cannot execute query in readonly mode');
    await insert(execution, statement, bytes);
    return;
  }
  if (body.rest) throw refuse('SYNTAX_ERROR', 'Max query size exceeded: a statement without rows may have 1 MiB');
  const sql = bytes.toString('utf8', 0, statement.end);
  const isWrite = request.role === 'writer' && statement.kind === 'other';
  const run = (turn: Turn): Promise<void> =>
    isWrite ? other(execution, turn, sql, statement) : read(execution, turn, sql);
  await engine
    .take(isWrite ? 'writes' : 'reads', signal, run)
    .catch((error: unknown) => Promise.reject(fromEngine(error)));
}

/** A statement that reads: the engine's own parser has the last word on what it is, before anything is put into it. */
async function read(execution: Execution, turn: Turn, sql: string): Promise<void> {
  const normalised = await turn.normalise(sql);
  if (execution.request.role === 'reader') guardReader(normalised, execution.forbidden);
  const bytes = Buffer.from(normalised);
  const statement = analyse(bytes.toString('latin1'));
  if (statement.kind === 'select') await select(execution, turn, statement, bytes);
  else if (statement.kind === 'other') await other(execution, turn, normalised, statement);
}

/** A result of any size: through a pipe, byte for byte as the engine writes it. */
async function select(execution: Execution, turn: Turn, statement: Select, bytes: Buffer): Promise<void> {
  const { request, answer } = execution;
  const format = statement.format ?? request.defaultFormat;
  answer.begin(format, request.waitEndOfQuery);
  const result = await turn.pipes.lend(async (pipe) => {
    const output = `INTO OUTFILE ${quoteString(pipe.path)} APPEND`;
    const formatClause = statement.format === undefined ? ` FORMAT ${format}` : '';
    const tail = bytes.toString('utf8', statement.outputAt, statement.end);
    const sql = `${bytes.toString('utf8', 0, statement.outputAt)}\n${output}${formatClause}\n${tail}`;
    return await stream(execution, turn, pipe, sql, deliverer(execution, format)).catch((error: unknown) => {
      throw fromEngine(error, output);
    });
  });
  await answer.succeed(resultSummary(result));
}

/** Runs `sql`, which writes into `pipe`, and hands on what comes out; cancelled when the client goes away. */
async function stream(
  execution: Execution,
  turn: Turn,
  pipe: OutputPipe,
  sql: string,
  deliver: Deliver,
): Promise<RunResult> {
  const { signal } = execution;
  const stop = (): void => {
    pipe.discard();
    void turn.cancel();
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const running = turn.run(setupOf(execution), sql).finally(() => pipe.finish());
    const pumping = deliver(pipe.chunks).catch((error: unknown) => {
      stop();
      throw error;
    });
    const [ran, pumped] = await Promise.allSettled([running, pumping]);
    signal.throwIfAborted();
    if (pumped.status === 'rejected' && pumped.reason instanceof QueryException) throw pumped.reason;
    if (ran.status === 'rejected') throw ran.reason;
    if (pumped.status === 'rejected') throw pumped.reason;
    return ran.value;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Moves result bytes to the answer. */
type Deliver = (chunks: AsyncIterable<Buffer>) => Promise<void>;

/** How bytes of `format` reach this client: as they are, except Native for a client that names its revision. */
function deliverer({ answer, request }: Execution, format: string): Deliver {
  const sink = (chunk: Buffer): Promise<void> => answer.write(chunk);
  if (format === 'Native' && request.clientRevision > 0) {
    return (chunks) => writeForRevision(chunks, sink, request.clientRevision);
  }
  return async (chunks) => {
    for await (const chunk of chunks) await sink(chunk);
  };
}

/** Rows in any format the engine reads: to a file as they come, then into the table in one go. */
async function insert(execution: Execution, statement: Insert, bytes: Buffer): Promise<void> {
  const { answer, signal, engine, body } = execution;
  answer.begin(undefined, true);
  const path = engine.spoolPath();
  try {
    const sizeBytes = await spool(path, bytes.subarray(statement.dataAt), body.rest);
    const setup = setupOf(execution);
    if (sizeBytes < PARALLEL_PARSING_BYTES) {
      setup.settings = new Map([['input_format_parallel_parsing', '0'], ...setup.settings]);
    }
    const input = `FROM INFILE ${quoteString(path)} COMPRESSION 'none'`;
    const settings = bytes.toString('utf8', statement.settingsAt, statement.settingsEnd);
    const sql = `${bytes.toString('utf8', 0, statement.inputAt)}\n${input}\n${settings}\nFORMAT ${statement.format}`;
    const result = await engine
      .take('writes', signal, (turn) => turn.run(setup, sql))
      .catch((error: unknown) => Promise.reject(fromEngine(error, input)));
    const { rows, rowBytes } = result;
    await answer.succeed({ read_rows: rows, read_bytes: rowBytes, written_rows: rows, written_bytes: rowBytes });
  } finally {
    await rm(path, { force: true });
  }
}

/** DDL, SHOW, INSERT … SELECT and the like. */
async function other(execution: Execution, turn: Turn, sql: string, { format }: Other): Promise<void> {
  const { request, answer } = execution;
  const result = await turn.run(setupOf(execution), sql, request.defaultFormat);
  const bytes = Buffer.from(result.bytes.buffer, result.bytes.byteOffset, result.bytes.byteLength);
  const named = format ?? request.defaultFormat;
  answer.begin(bytes.length === 0 ? undefined : named, true);
  await deliverer(execution, named)(Readable.from([bytes]));
  await answer.succeed(resultSummary(result));
}

function setupOf({ request, limits }: Execution): Omit<SessionSetup, 'marker'> {
  const settings = request.role === 'reader' ? limitReader(request.settings, limits) : request.settings;
  return { database: request.database, settings, parameters: request.parameters, readonly: request.readonly };
}

function resultSummary(result: RunResult): Summary {
  return { result_rows: result.rows, result_bytes: result.rowBytes };
}
