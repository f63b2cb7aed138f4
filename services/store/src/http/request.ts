/**
 * One HTTP request in the terms of ClickHouse's interface: who asks, for what, with which settings, and how the answer is
 * to be written. First step of a query's way; the body comes next (http/body.ts).
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { refuse } from '../exceptions.ts';
import { type RequestSettings, readSettings } from '../settings.ts';
import { authenticate, type Role, type StoreUsers } from '../users.ts';

/** Content encodings the store reads and writes, in order of preference. */
export const ENCODINGS = ['gzip', 'zstd', 'br', 'deflate'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** A query as it was asked. */
export interface QueryRequest extends RequestSettings {
  role: Role;
  /** The `query` parameter; the body is behind it. */
  urlQuery: string;
  database: string;
  /** Format of what names none. */
  defaultFormat: string;
  /** The whole result is to be ready before the first byte is sent, as far as memory allows. */
  waitEndOfQuery: boolean;
  /** Native blocks are written for a client of this revision; 0 = the plain form. */
  clientRevision: number;
}

/** Client's name for the query, or a new one. Needs no authentication, so that a refusal has it too. */
export function queryIdOf(url: URLSearchParams): string {
  return url.get('query_id') || randomUUID();
}

/**
 * Reads `message` and its URL.
 * @throws QueryException AUTHENTICATION_FAILED, or for parameters that cannot be taken.
 */
export function readRequest(
  message: IncomingMessage,
  url: URLSearchParams,
  users: StoreUsers,
  isKnownSetting: (name: string) => boolean,
): QueryRequest {
  const role = authenticate(users, message.headers, url);
  if (message.headers['content-type']?.startsWith('multipart/')) {
    throw refuse(
      'NOT_IMPLEMENTED',
      'multipart/form-data is not supported by the embedded store: send parameters in the URL',
    );
  }
  const asked = readSettings(role, url, isKnownSetting);
  return {
    ...asked,
    role,
    // As a server does: GET must not change anything. The reader can never.
    readonly: role === 'reader' ? 1 : message.method === 'POST' ? asked.readonly : asked.readonly || 2,
    urlQuery: url.get('query') ?? '',
    database: url.get('database') ?? header(message, 'x-clickhouse-database') ?? '',
    defaultFormat: formatName(url.get('default_format') ?? header(message, 'x-clickhouse-format') ?? 'TabSeparated'),
    waitEndOfQuery: url.get('wait_end_of_query') === '1' || url.get('http_wait_end_of_query') === '1',
    clientRevision: wholeNumber(url, 'client_protocol_version'),
  };
}

/** How the answer is to be compressed: the client's choice among {@link ENCODINGS}, if it asked for compression at all. */
export function encodingOf(message: IncomingMessage, url: URLSearchParams): Encoding | undefined {
  if (url.get('enable_http_compression') !== '1') return undefined;
  const accepted = new Set(
    (header(message, 'accept-encoding') ?? '').split(',').map((part) => part.split(';')[0]!.trim()),
  );
  return ENCODINGS.find((encoding) => accepted.has(encoding));
}

function header(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function formatName(name: string): string {
  if (!/^\w+$/.test(name)) throw refuse('BAD_ARGUMENTS', `'${name}' is no name of a format`);
  return name;
}

function wholeNumber(url: URLSearchParams, name: string): number {
  const text = url.get(name) ?? '0';
  if (!/^\d{1,9}$/.test(text)) throw refuse('BAD_REQUEST_PARAMETER', `${name} must be a whole number, not '${text}'`);
  return Number(text);
}
