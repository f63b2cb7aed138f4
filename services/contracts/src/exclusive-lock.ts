/**
 * A lock on a file that only one process of the machine can hold and that the kernel releases when the holder dies,
 * however it dies. Used for data directories (one `weir up`, one store, one node) and for the election of the one
 * host-metrics reporter of a machine. SQLite's file lock does this the same way on every system.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A held lock; `release()` may be called more than once. */
export interface ExclusiveLock {
  release(): void;
}

/**
 * Takes the lock at `path` (created with its folders) or returns undefined when another process holds it.
 * @throws what the file system answers when the path cannot be created.
 */
export function tryExclusiveLock(path: string): ExclusiveLock | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
