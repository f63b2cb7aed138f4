/** The SQLite file behind the outbox: its tables, its settings, who it is, and what its errors mean. */
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError, errorCode, errorMessage } from '@weir/contracts/errors';

/** A message as it lies in the file. */
export interface MessageRow {
  id: number;
  outbox: string;
  sequence: number;
  signal: string;
  payload: Uint8Array;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    signal TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    outbox TEXT NOT NULL,
    boot TEXT NOT NULL,
    base INTEGER NOT NULL
  ) STRICT;`;

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Opens or creates the file for this process alone; the settings are argued in outbox.ts. */
export function openOutboxFile(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304');
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Who the outbox is; anew on the first start after a boot. Numbers of a new identity start after all ids given so far. */
export function identify(database: DatabaseSync, bootId: string): { outbox: string; nextSequence: number } {
  const lastId = lastGivenId(database);
  const known = database.prepare('SELECT outbox, boot, base FROM identity').get();
  if (known && known.boot === bootId)
    return { outbox: String(known.outbox), nextSequence: lastId - Number(known.base) + 1 };
  const outbox = randomUUID();
  database
    .prepare('INSERT OR REPLACE INTO identity (only, outbox, boot, base) VALUES (1, ?, ?, ?)')
    .run(outbox, bootId, lastId);
  return { outbox, nextSequence: 1 };
}

/** The highest id ever given; AUTOINCREMENT keeps it when all rows are gone. */
function lastGivenId(database: DatabaseSync): number {
  const row = database.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'messages'`).get();
  return typeof row?.seq === 'number' ? row.seq : 0;
}

/** Everything that is ever asked of the file. */
export function prepareStatements(database: DatabaseSync) {
  const oldest = (columns: string) =>
    database.prepare(`SELECT ${columns} FROM messages WHERE id > ? ORDER BY id LIMIT 1`);
  return {
    insert: database.prepare(
      'INSERT INTO messages (outbox, sequence, signal, created_ms, payload) VALUES (?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('DELETE FROM messages WHERE id = ?'),
    removeThrough: database.prepare('DELETE FROM messages WHERE id <= ?'),
    count: database.prepare('SELECT count(*) AS messages, coalesce(sum(length(payload)), 0) AS bytes FROM messages'),
    oldest: oldest('id, outbox, sequence, signal, payload'),
    oldestCreated: oldest('created_ms'),
    oldestSize: oldest('id, length(payload) AS size'),
  };
}

function sqliteCode(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
}

/** True when the file is no database (any more). */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** `error` as a sentence for the operator. */
export function explain(error: unknown, path: string): ConfigError {
  if (sqliteCode(error) === SQLITE_BUSY) {
    const message = `The outbox ${path} is in use by another process; give each node a node.dataDir of its own.`;
    return new ConfigError('OUTBOX_IN_USE', message, { cause: error });
  }
  const why = errorCode(error) ?? errorMessage(error);
  const message = `The outbox ${path} cannot be opened (${why}); check node.dataDir and its permissions.`;
  return new ConfigError('OUTBOX_FILE', message, { cause: error });
}
