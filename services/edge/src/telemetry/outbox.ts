/**
 * What a node has measured and NATS has not yet acknowledged, on disk. Before it: the exporters; after it: the publisher.
 *
 * Each message carries the outbox's id and a sequence without holes, by which ingest recognises a repeat for ever. So a
 * number must never be used twice. SQLite in WAL mode with synchronous=NORMAL keeps every commit when the process is
 * killed (0.03 ms a commit), but a power cut may undo the last ones, among them some already published: the first start
 * after each boot therefore goes on under a new id from 1, and what waits keeps its old id and sequence. FULL would
 * save the last seconds before a power cut for an fsync of the media's event loop per commit (ms on real disks).
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError, errorCode, errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { Signal } from '@weir/contracts/nats/names';
import { readBootId } from './boot-id.ts';

/** A message that waits. */
export interface OutboxMessage {
  /** Place in the queue; meaningless outside of this outbox. */
  readonly id: number;
  /** Id of the outbox it was numbered in. */
  readonly outbox: string;
  /** From 1. */
  readonly sequence: number;
  readonly signal: Signal;
  readonly payload: Uint8Array;
}

/** Why a message was dropped: bound on bytes, bound on age, the disk refused it, NATS can never take it. */
export type DropReason = 'size' | 'age' | 'disk' | 'refused';

/** Options of {@link openOutbox}. */
export interface OutboxOptions {
  /** File, created with its folders. */
  path: string;
  /** Payload bytes that may wait. */
  maxBytes: number;
  /** Age that a waiting message may reach. */
  maxAgeMs: number;
  logger: Logger;
  /** Present boot; default: the system's. */
  bootId?: string;
}

/** A queue on disk. All calls are synchronous and take tens of microseconds. */
export interface Outbox {
  /** Id under which new messages are numbered. */
  readonly id: string;
  /** Messages that wait. */
  readonly messages: number;
  /** Payload bytes that wait. */
  readonly bytes: number;
  /** Dropped messages since start, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Appends; the payload is copied. Drops and counts the oldest beyond the bounds, or this one when the disk refuses. */
  put(signal: Signal, payload: Uint8Array): void;
  /** The oldest message, or undefined. It is safe from the bounds until it is removed or another is taken. */
  take(): OutboxMessage | undefined;
  /** Removes a message that NATS has, or drops and counts it when `reason` is given. */
  remove(message: OutboxMessage, reason?: DropReason): void;
  /** Calls `listener` after each {@link put}. */
  onPut(listener: () => void): void;
  /** Gives disk space of a drained backlog back, a little at a time. */
  compact(): void;
  close(): void;
}

interface Row {
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
const COMPACT_ABOVE_PAGES = 4_096;
const COMPACT_PAGES = 512;

/**
 * Opens or creates the outbox for this process alone. A file that is damaged is put aside as `<path>.damaged`.
 * @throws ConfigError `OUTBOX_IN_USE` when another process has it, `OUTBOX_FILE` when it cannot be opened.
 */
export function openOutbox(options: OutboxOptions): Outbox {
  try {
    mkdirSync(dirname(options.path), { recursive: true });
    try {
      return new SqliteOutbox(options);
    } catch (error) {
      if (!isDamage(error)) throw error;
      options.logger.error(
        { path: options.path, err: error },
        'the outbox is damaged; put aside, starting an empty one',
      );
      renameSync(options.path, `${options.path}.damaged`);
      for (const suffix of ['-wal', '-shm']) rmSync(options.path + suffix, { force: true });
      return new SqliteOutbox(options);
    }
  } catch (error) {
    throw explain(error, options.path);
  }
}

class SqliteOutbox implements Outbox {
  readonly id: string;
  readonly dropped = { size: 0, age: 0, disk: 0, refused: 0 };
  messages = 0;
  bytes = 0;
  readonly #database: DatabaseSync;
  readonly #options: OutboxOptions;
  readonly #statements;
  readonly #listeners: (() => void)[] = [];
  #nextSequence: number;
  #taken = 0;
  #isDiskFailing = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#database = new DatabaseSync(options.path, { timeout: 0 });
    try {
      this.#database.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL',
      );
      this.#database.exec('PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304');
      this.#database.exec(SCHEMA);
      const identity = this.#identify(options.bootId ?? readBootId());
      this.id = identity.outbox;
      this.#nextSequence = this.#lastId() - identity.base + 1;
      this.#statements = prepare(this.#database);
      Object.assign(this, this.#statements.count.get());
      this.#dropAged();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  put(signal: Signal, payload: Uint8Array): void {
    this.#dropAged();
    while (this.bytes + payload.length > this.#options.maxBytes && this.#dropOldest('size'));
    if (this.bytes + payload.length > this.#options.maxBytes) {
      this.dropped.size++;
      return;
    }
    try {
      this.#statements.insert.run(this.id, this.#nextSequence, signal, Date.now(), payload);
      this.#isDiskFailing = false;
    } catch (error) {
      this.dropped.disk++;
      if (!this.#isDiskFailing)
        this.#options.logger.error(
          { path: this.#options.path, err: error },
          'the outbox cannot be written; telemetry is lost until the disk takes it again',
        );
      this.#isDiskFailing = true;
      return;
    }
    this.#nextSequence++;
    this.messages++;
    this.bytes += payload.length;
    for (const listener of this.#listeners) listener();
  }

  take(): OutboxMessage | undefined {
    const row = this.#statements.oldest.get(0) as Row | undefined;
    this.#taken = row?.id ?? 0;
    return row as OutboxMessage | undefined;
  }

  remove(message: OutboxMessage, reason?: DropReason): void {
    if (this.#statements.remove.run(message.id).changes === 0) return;
    if (reason) this.dropped[reason]++;
    this.#taken = 0;
    this.messages--;
    this.bytes -= message.payload.length;
  }

  onPut(listener: () => void): void {
    this.#listeners.push(listener);
  }

  compact(): void {
    const free = this.#database.prepare('PRAGMA freelist_count').get() as { freelist_count: number };
    if (free.freelist_count > COMPACT_ABOVE_PAGES) this.#database.exec(`PRAGMA incremental_vacuum(${COMPACT_PAGES})`);
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** Who we are; anew on the first start after a boot. Numbers of a new identity start after all ids given so far. */
  #identify(bootId: string): { outbox: string; base: number } {
    const known = this.#database.prepare('SELECT outbox, boot, base FROM identity').get();
    if (known && known.boot === bootId) return known as { outbox: string; base: number };
    const identity = { outbox: randomUUID(), base: this.#lastId() };
    this.#database
      .prepare('INSERT OR REPLACE INTO identity (only, outbox, boot, base) VALUES (1, ?, ?, ?)')
      .run(identity.outbox, bootId, identity.base);
    return identity;
  }

  /** The highest id ever given; AUTOINCREMENT keeps it when all rows are gone. */
  #lastId(): number {
    const row = this.#database.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'messages'`).get();
    return typeof row?.seq === 'number' ? row.seq : 0;
  }

  #dropAged(): void {
    const oldestMs = Date.now() - this.#options.maxAgeMs;
    for (;;) {
      const row = this.#statements.oldestCreated.get(this.#taken) as { created_ms: number } | undefined;
      if (!row || row.created_ms >= oldestMs || !this.#dropOldest('age')) return;
    }
  }

  /** Drops the oldest message that is not on its way to NATS right now; false when there is none. */
  #dropOldest(reason: DropReason): boolean {
    const row = this.#statements.oldestSize.get(this.#taken) as { id: number; size: number } | undefined;
    if (!row) return false;
    this.#statements.remove.run(row.id);
    this.dropped[reason]++;
    this.messages--;
    this.bytes -= row.size;
    return true;
  }
}

function prepare(database: DatabaseSync) {
  const oldest = (columns: string) =>
    database.prepare(`SELECT ${columns} FROM messages WHERE id > ? ORDER BY id LIMIT 1`);
  return {
    insert: database.prepare(
      'INSERT INTO messages (outbox, sequence, signal, created_ms, payload) VALUES (?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('DELETE FROM messages WHERE id = ?'),
    count: database.prepare('SELECT count(*) AS messages, coalesce(sum(length(payload)), 0) AS bytes FROM messages'),
    oldest: oldest('id, outbox, sequence, signal, payload'),
    oldestCreated: oldest('created_ms'),
    oldestSize: oldest('id, length(payload) AS size'),
  };
}

function sqliteCode(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
}

function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

function explain(error: unknown, path: string): ConfigError {
  if (sqliteCode(error) === SQLITE_BUSY) {
    const message = `The outbox ${path} is in use by another process; give each node a node.dataDir of its own.`;
    return new ConfigError('OUTBOX_IN_USE', message, { cause: error });
  }
  const why = errorCode(error) ?? errorMessage(error);
  const message = `The outbox ${path} cannot be opened (${why}); check node.dataDir and its permissions.`;
  return new ConfigError('OUTBOX_FILE', message, { cause: error });
}
