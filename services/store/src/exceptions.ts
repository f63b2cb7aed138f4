/**
 * What goes wrong with a query, in ClickHouse's own terms: a code, a name and a text that clients parse. Thrown by every
 * part of the store; turned into a status, headers and a body by http/answer.ts.
 */
import { WeirError } from '@weir/contracts/errors';

/** The exception codes the store raises itself (ClickHouse src/Common/ErrorCodes.cpp). */
export const CODE = {
  BAD_ARGUMENTS: 36,
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  UNKNOWN_TYPE_OF_QUERY: 78,
  UNKNOWN_SETTING: 115,
  READONLY: 164,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  NETWORK_ERROR: 210,
  ABORTED: 236,
  CANNOT_DECOMPRESS: 271,
  INTO_OUTFILE_NOT_ALLOWED: 358,
  BAD_REQUEST_PARAMETER: 408,
  FUNCTION_NOT_ALLOWED: 446,
  SETTING_CONSTRAINT_VIOLATION: 452,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_EXCEPTION: 1002,
} as const;

/** Name of an exception the store raises itself. */
export type CodeName = keyof typeof CODE;

/** A query that failed or was refused; `clickhouseCode` and `clickhouseName` are what a ClickHouse server would answer. */
export class QueryException extends WeirError {
  readonly clickhouseCode: number;
  readonly clickhouseName: string;

  constructor(clickhouseCode: number, clickhouseName: string, message: string, cause?: unknown) {
    super('STORE_QUERY_FAILED', message, { cause, retryable: clickhouseCode === CODE.TOO_MANY_SIMULTANEOUS_QUERIES });
    this.name = 'QueryException';
    this.clickhouseCode = clickhouseCode;
    this.clickhouseName = clickhouseName;
  }
}

/** An exception of the store's own; `message` is a sentence without the final full stop, as ClickHouse has them. */
export function refuse(name: CodeName, message: string, cause?: unknown): QueryException {
  return new QueryException(CODE[name], name, message, cause);
}

const WRAPPED = /^Code: \d+\. DB::Exception: /;
const TRAILER = /(?:\.?\s*\(version [^)]*\)\.?|\s*\(([A-Z][A-Z0-9_]+)\))\s*$/;

/**
 * An error of the engine as a {@link QueryException}. The code is the engine's; only the text is tidied: the binding's
 * prefix and the repeated `Code: …` / `(NAME) (version …)` of nested exceptions go, so that each appears once.
 * @param hidden Text the store itself put into the statement, removed from the message.
 */
export function fromEngine(error: unknown, hidden = ''): QueryException {
  if (error instanceof QueryException) return error;
  const thrown = error instanceof Error ? error.message : String(error);
  let message = thrown.replace(/^Query failed: /, '');
  const code = Number(/^Code: (\d+)\b/.exec(message)?.[1] ?? CODE.UNKNOWN_EXCEPTION);
  while (WRAPPED.test(message)) message = message.replace(WRAPPED, '');
  let name = '';
  for (let trailer = TRAILER.exec(message); trailer; trailer = TRAILER.exec(message)) {
    name ||= trailer[1] ?? '';
    message = message.slice(0, trailer.index);
  }
  if (hidden !== '') message = message.replaceAll(hidden, '');
  return new QueryException(code, name || 'UNKNOWN_EXCEPTION', message.replace(/\.$/, ''), error);
}

/** The exception as a ClickHouse server writes it into a body. */
export function exceptionText(exception: QueryException, version: string): string {
  const { clickhouseCode, clickhouseName, message } = exception;
  return `Code: ${clickhouseCode}. DB::Exception: ${message}. (${clickhouseName}) (version ${version})\n`;
}
