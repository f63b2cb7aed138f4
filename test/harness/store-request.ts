/** One raw request to a store, for tests that look at status, headers and bytes rather than through a client. */
import type { TestStore } from './store.ts';

/** An answer, read to its end. */
export interface StoreAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
  text: string;
  /** `X-ClickHouse-Exception-Code`, or 0. */
  code: number;
}

/** What goes with a request. */
export interface StoreRequestOptions {
  url?: Record<string, string>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** POSTs `body` (GET when undefined) as the writer, the reader, or with headers of the caller's own. */
export async function ask(
  store: TestStore,
  role: 'writer' | 'reader' | 'nobody',
  body: string | Buffer | undefined,
  { url = {}, headers = {}, signal }: StoreRequestOptions = {},
): Promise<StoreAnswer> {
  const user = role === 'nobody' ? undefined : store[role];
  const response = await fetch(`${store.url}/?${new URLSearchParams(url).toString()}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...(user && { 'X-ClickHouse-User': user.name, 'X-ClickHouse-Key': user.password }), ...headers },
    ...(body === undefined ? {} : { body }),
    ...(signal && { signal }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    body: bytes,
    text: bytes.toString('utf8'),
    code: Number(response.headers.get('x-clickhouse-exception-code') ?? 0),
  };
}
