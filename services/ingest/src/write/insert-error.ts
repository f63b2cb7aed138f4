/**
 * What to do about an insert that failed, decided by ClickHouse's error code. Three classes:
 * - `data`: these very rows can't be stored; repeating the insert can't help. The rows are narrowed down to the messages
 *   that carry them, which become dead letters.
 * - `operator`: the server works but doesn't let us write (rights, schema, settings, disk). Data wait in JetStream; it is
 *   tried again at leisure and shown by `/readyz`.
 * - `transient`: all else, known (overload, too many parts, a lost connection, a replica away) or not: tried again soon.
 *   An unknown code must never cost data.
 */
import { ClickHouseError } from '@clickhouse/client';
import { errorCode, WeirError } from '@weir/contracts/errors';
import type { TableName } from '@weir/contracts/tables';

export type InsertErrorClass = 'data' | 'operator' | 'transient';

/** Codes of rows that can't be read or stored. Names as in ClickHouse's ErrorCodes.cpp. */
const DATA_CODES: ReadonlySet<string> = new Set([
  '6', // CANNOT_PARSE_TEXT
  '25', // CANNOT_PARSE_ESCAPE_SEQUENCE
  '26', // CANNOT_PARSE_QUOTED_STRING
  '27', // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  '33', // CANNOT_READ_ALL_DATA
  '38', // CANNOT_PARSE_DATE
  '41', // CANNOT_PARSE_DATETIME
  '69', // ARGUMENT_OUT_OF_BOUND
  '70', // CANNOT_CONVERT_TYPE
  '72', // CANNOT_PARSE_NUMBER
  '117', // INCORRECT_DATA
  '128', // TOO_LARGE_ARRAY_SIZE
  '130', // CANNOT_READ_ARRAY_FROM_TEXT
  '131', // TOO_LARGE_STRING_SIZE
  '190', // SIZES_OF_ARRAYS_DONT_MATCH
  '321', // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  '349', // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  '376', // CANNOT_PARSE_UUID
  '407', // DECIMAL_OVERFLOW
  '469', // VIOLATED_CONSTRAINT
]);

/** Codes that only a person can mend. */
const OPERATOR_CODES: ReadonlySet<string> = new Set([
  '16', // NO_SUCH_COLUMN_IN_TABLE
  '47', // UNKNOWN_IDENTIFIER
  '48', // NOT_IMPLEMENTED
  '53', // TYPE_MISMATCH
  '60', // UNKNOWN_TABLE
  '62', // SYNTAX_ERROR
  '73', // UNKNOWN_FORMAT
  '81', // UNKNOWN_DATABASE
  '115', // UNKNOWN_SETTING
  '164', // READONLY
  '192', // UNKNOWN_USER
  '193', // WRONG_PASSWORD
  '194', // REQUIRED_PASSWORD
  '195', // IP_ADDRESS_NOT_ALLOWED
  '201', // QUOTA_EXCEEDED
  '243', // NOT_ENOUGH_SPACE
  '291', // DATABASE_ACCESS_DENIED
  '452', // SETTING_CONSTRAINT_VIOLATION
  '497', // ACCESS_DENIED
  '516', // AUTHENTICATION_FAILED
]);

/** An insert that failed; `clickhouseCode` is empty when ClickHouse did not answer. */
export class InsertError extends WeirError {
  readonly errorClass: InsertErrorClass;
  readonly clickhouseCode: string;

  constructor(table: TableName, url: string, cause: unknown) {
    const isAnswer = cause instanceof ClickHouseError;
    const clickhouseCode = isAnswer ? cause.code : '';
    const errorClass = DATA_CODES.has(clickhouseCode)
      ? 'data'
      : OPERATOR_CODES.has(clickhouseCode)
        ? 'operator'
        : 'transient';
    super('INGEST_INSERT', sentence(table, url, errorClass, cause), { cause, retryable: errorClass !== 'data' });
    this.name = 'InsertError';
    this.errorClass = errorClass;
    this.clickhouseCode = clickhouseCode;
  }
}

function sentence(table: TableName, url: string, errorClass: InsertErrorClass, cause: unknown): string {
  if (!(cause instanceof ClickHouseError)) {
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    return `ClickHouse at ${url} did not answer an insert into ${table} (${why}); trying on.`;
  }
  const answer = `${cause.type ?? 'error'} (code ${cause.code})`;
  const detail = cause.message.slice(0, 300);
  if (errorClass === 'data') return `ClickHouse refused rows for ${table} with ${answer}: ${detail}`;
  const mend = errorClass === 'operator' ? 'check its user, its disk and whether `weir migrate` has run; ' : '';
  return `ClickHouse at ${url} refused an insert into ${table} with ${answer}: ${detail}; ${mend}trying on.`;
}
