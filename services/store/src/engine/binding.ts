/**
 * The four native calls of chDB the store is made of; the only file that knows the package's inside. Its public `Session`
 * cannot be used: `close()` waits for every query of the process, so that with one long query running no session of any
 * other request is ever freed (0.9 MB each, growing with their number). Here a connection is closed when its own query is
 * done, which is all the engine asks for. chdb is pinned to an exact version because of this file.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A native connection; opaque. */
export type Connection = object & { readonly __brand: 'chdb connection' };

/** What a query answers. */
export interface NativeResult {
  /** The output; owned by the caller. */
  bytes: Uint8Array;
  /** Rows and bytes of the result, not of what was read for it; for an INSERT of rows, what was written. */
  rowsRead: number;
  bytesRead: number;
}

/** The addon's functions in use. Errors are plain `Error`s whose message begins with `Code: N. DB::Exception: `. */
export interface Binding {
  /** Opens a connection to the data in `path`; all connections of a process must have the same path. */
  CreateConnection(path: string): Connection;
  /** Runs statements on a thread of libuv's pool. One call at a time per connection. */
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<NativeResult>;
  /** Frees the connection; nothing may run on it. */
  CloseConnection(connection: Connection): void;
}

/**
 * Loads the addon for this platform.
 * @throws ChdbPlatformUnsupportedError where there is none (anything but Linux with glibc and macOS).
 */
export function loadBinding(): Binding {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('chdb/package.json'));
  const loader = require(join(folder, 'dist', 'loader.js')) as { loadNative(): Binding };
  return loader.loadNative();
}
