/**
 * Which URL parameters are settings, and which of them a user may change. Comes after http/request.ts; what is left goes
 * to engine/session.ts, which sets it on a session of the request's own.
 */
import { refuse } from './exceptions.ts';
import type { Role } from './users.ts';

/** URL parameters of ClickHouse's HTTP interface that are no settings of the engine. */
const INTERFACE_PARAMETERS: ReadonlySet<string> = new Set([
  'query',
  'database',
  'default_format',
  'user',
  'password',
  'query_id',
  'quota_key',
  'role',
  'client_protocol_version',
  'wait_end_of_query',
  'buffer_size',
  'http_wait_end_of_query',
  'http_response_buffer_size',
  'enable_http_compression',
  'http_zlib_compression_level',
  'stacktrace',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_write_exception_in_output_format',
  'cancel_http_readonly_queries_on_client_close',
  'session_check',
  'close_session',
  'add_http_cors_header',
  // The store puts its own there, to find the query again when it is to be cancelled.
  'log_comment',
]);

/** What the store cannot do and must not seem to do: a value other than 0 is refused. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  session_id: 'Sessions over HTTP are not supported by the embedded store: each request stands alone',
  compress:
    'compress=1 is not supported by the embedded store: use enable_http_compression=1 with Accept-Encoding: gzip',
  decompress: 'decompress=1 is not supported by the embedded store: use Content-Encoding: gzip',
};

/** How a result is written and how much a query may use: nothing here reaches a file, a network or another's data. */
const READER_SETTINGS =
  /^(output_format_(?!.*(?:path|schema))\w+|format_(csv_delimiter|csv_null_representation|tsv_null_representation|decimal_\w+)|date_time_output_format|session_timezone|max_execution_time|timeout_before_checking_execution_speed|timeout_overflow_mode|max_result_rows|max_result_bytes|result_overflow_mode|max_memory_usage|max_threads|max_block_size|max_rows_to_read|max_bytes_to_read|read_overflow_mode|max_rows_to_group_by|group_by_overflow_mode|max_query_size|limit|offset|extremes|join_use_nulls|final|prefer_column_name_to_alias|use_query_cache|optimize_\w+|log_queries|enable_\w*json\w*|allow_experimental_(analyzer|json_type|variant_type|dynamic_type))$/;

/** What a program that creates tables and writes them needs besides. */
const WRITER_SETTINGS =
  /^(async_insert\w*|wait_for_async_insert\w*|insert_\w+|deduplicate_\w+|input_format_\w+|format_csv_\w+|date_time_input_format|cast_\w+|data_type_\w+|min_\w+|max_\w+|throw_on_\w+|materialized_views_\w+|parallel_view_processing|optimize_\w+|mutations_sync|alter_sync|replication_\w+|distributed_ddl_\w+|database_\w+|flatten_nested|lightweight_\w+|allow_experimental_\w+|allow_suspicious_\w+|enable_\w+|join_\w+|use_\w+|do_not_merge_\w+|default_table_engine|compatibility\w*|async_query_\w+|transform_null_in|update_insert_\w+|ignore_materialized_views_\w+|distinct_overflow_mode)$/;

/** Limits of the read-only user; a request may lower them, never raise them. */
export interface ReaderLimits {
  maxExecutionSeconds: number;
  maxResultRows: number;
  maxMemoryBytes: number;
}

/** What a request asks for besides its statement. */
export interface RequestSettings {
  /** Settings of the engine by name, allowed for the role. */
  settings: Map<string, string>;
  /** Query parameters (`param_x`) by name, in the escaped form the engine expects. */
  parameters: Map<string, string>;
  /** What `readonly=` asks for; 0 when it is absent. */
  readonly: number;
}

/**
 * Sorts the URL parameters.
 * @param isKnown Whether the engine has a setting of that name; tells a forbidden setting from an unknown one.
 * @throws QueryException UNKNOWN_SETTING (115), SETTING_CONSTRAINT_VIOLATION (452), NOT_IMPLEMENTED (48) or READONLY (164).
 */
export function readSettings(role: Role, url: URLSearchParams, isKnown: (name: string) => boolean): RequestSettings {
  const found: RequestSettings = { settings: new Map(), parameters: new Map(), readonly: 0 };
  for (const [name, value] of url) {
    const unsupported = UNSUPPORTED[name];
    if (unsupported !== undefined) {
      if (value !== '0' && value !== '') throw refuse('NOT_IMPLEMENTED', unsupported);
    } else if (name === 'readonly') {
      found.readonly = readonlyLevel(role, value);
    } else if (name.startsWith('param_')) {
      found.parameters.set(name.slice('param_'.length), value);
    } else if (READER_SETTINGS.test(name) || (role === 'writer' && WRITER_SETTINGS.test(name))) {
      found.settings.set(name, value);
    } else if (!INTERFACE_PARAMETERS.has(name)) {
      throw isKnown(name)
        ? refuse('SETTING_CONSTRAINT_VIOLATION', `Setting ${name} should not be changed`)
        : refuse('UNKNOWN_SETTING', `Setting ${name} is neither a builtin setting nor started with the prefix 'SQL_'`);
    }
  }
  return found;
}

function readonlyLevel(role: Role, value: string): number {
  if (value !== '0' && value !== '1' && value !== '2') {
    throw refuse('BAD_ARGUMENTS', `Setting readonly is 0, 1 or 2, not '${value}'`);
  }
  if (role === 'reader' && value === '0') {
    throw refuse('READONLY', "Cannot modify 'readonly' setting in readonly mode");
  }
  return Number(value);
}

/** The reader's settings with the store's limits: the smaller of what is asked for and what is allowed. */
export function limitReader(asked: ReadonlyMap<string, string>, limits: ReaderLimits): Map<string, string> {
  const settings = new Map(asked);
  const lower = (name: string, limit: number): void => {
    const wanted = Number(settings.get(name));
    settings.set(name, String(wanted > 0 && wanted < limit ? wanted : limit));
  };
  lower('max_execution_time', limits.maxExecutionSeconds);
  lower('max_result_rows', limits.maxResultRows);
  lower('max_memory_usage', limits.maxMemoryBytes);
  settings.set('timeout_overflow_mode', 'throw');
  if (settings.get('result_overflow_mode') !== 'break') settings.set('result_overflow_mode', 'throw');
  return settings;
}
