/**
 * What a node has measured and NATS has not yet acknowledged, on disk. Before it: the exporters; after it: the publisher.
 *
 * Each message carries the outbox's id and a sequence without holes, by which ingest recognises a repeat for ever. So a
 * number must never be used twice. SQLite in WAL mode with synchronous=NORMAL keeps every commit when the process is
 * killed (0.03 ms a commit), but a power cut may undo the last ones, among them some already published: the first start
 * after each boot therefore goes on under a new id from 1, and what waits keeps its old id and sequence. FULL would
 * save the last seconds before a power cut for an fsync of the media's event loop per commit (ms on real disks).
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from '@weir/contracts/logger';
import type { Signal } from '@weir/contracts/nats/names';
import { readBootId } from './boot-id.ts';
import { explain, identify, isDamage, type MessageRow, openOutboxFile, prepareStatements } from './outbox-file.ts';

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
  /** The oldest message not yet removed. It is safe from the bounds until it is removed. */
  take(): OutboxMessage | undefined;
  /** Removes the taken message, which NATS has, or drops and counts it when `reason` is given. */
  remove(message: OutboxMessage, reason?: DropReason): void;
  /** Calls `listener` after each {@link put}. */
  onPut(listener: () => void): void;
  /** Gives disk space of a drained backlog back, a little at a time. */
  compact(): void;
  close(): void;
}

const COMPACT_ABOVE_PAGES = 4_096;
const COMPACT_PAGES = 512;
/**
 * Acknowledged messages deleted by one commit while a backlog drains: one by one, the checkpoints that follow would
 * make the event loop wait for the disk several times a second. A kill in between repeats at most so many.
 */
const DELETE_BATCH = 64;

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
  /** The message on its way. */
  #taken = 0;
  /** Newest message that is acknowledged or given up; all before it are too. */
  #doneThrough = 0;
  /** Messages among them that are still in the file. */
  #undeleted = 0;
  #isDiskFailing = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#database = openOutboxFile(options.path);
    try {
      const identity = identify(this.#database, options.bootId ?? readBootId());
      this.id = identity.outbox;
      this.#nextSequence = identity.nextSequence;
      this.#statements = prepareStatements(this.#database);
      Object.assign(this, this.#statements.count.get());
      this.#dropAged();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  put(signal: Signal, payload: Uint8Array): void {
    try {
      this.#dropAged();
      while (this.bytes + payload.length > this.#options.maxBytes && this.#dropOldest('size'));
      if (this.bytes + payload.length > this.#options.maxBytes) {
        this.dropped.size++;
        return;
      }
      this.#statements.insert.run(this.id, this.#nextSequence, signal, Date.now(), payload);
    } catch (error) {
      this.dropped.disk++;
      this.#diskFails(error, 'the outbox cannot be written; telemetry is lost until the disk takes it again');
      return;
    }
    this.#isDiskFailing = false;
    this.#nextSequence++;
    this.messages++;
    this.bytes += payload.length;
    for (const listener of this.#listeners) listener();
  }

  take(): OutboxMessage | undefined {
    const row = this.#statements.oldest.get(this.#doneThrough) as MessageRow | undefined;
    this.#taken = row?.id ?? 0;
    return row as OutboxMessage | undefined;
  }

  remove(message: OutboxMessage, reason?: DropReason): void {
    this.#doneThrough = message.id;
    this.messages--;
    this.bytes -= message.payload.length;
    if (reason) this.dropped[reason]++;
    this.#undeleted++;
    if (this.#undeleted >= DELETE_BATCH || this.messages === 0) this.#deleteDone();
  }

  onPut(listener: () => void): void {
    this.#listeners.push(listener);
  }

  compact(): void {
    const free = this.#database.prepare('PRAGMA freelist_count').get() as { freelist_count: number };
    if (free.freelist_count > COMPACT_ABOVE_PAGES) this.#database.exec(`PRAGMA incremental_vacuum(${COMPACT_PAGES})`);
  }

  close(): void {
    if (!this.#database.isOpen) return;
    this.#deleteDone();
    this.#database.close();
  }

  /** Everything up to the newest acknowledged message is acknowledged, because they go out in order. */
  #deleteDone(): void {
    try {
      if (this.#undeleted > 0) this.#statements.removeThrough.run(this.#doneThrough);
      this.#undeleted = 0;
    } catch (error) {
      this.#diskFails(error, 'published messages cannot be deleted from the outbox yet');
    }
  }

  /** Says it once until the disk works again. */
  #diskFails(error: unknown, what: string): void {
    if (!this.#isDiskFailing) this.#options.logger.error({ path: this.#options.path, err: error }, what);
    this.#isDiskFailing = true;
  }

  #dropAged(): void {
    const oldestMs = Date.now() - this.#options.maxAgeMs;
    for (;;) {
      const row = this.#statements.oldestCreated.get(this.#inUseThrough()) as { created_ms: number } | undefined;
      if (!row || row.created_ms >= oldestMs || !this.#dropOldest('age')) return;
    }
  }

  /** Messages up to here are published or on their way: the bounds leave them alone. */
  #inUseThrough(): number {
    return Math.max(this.#taken, this.#doneThrough);
  }

  /** Drops the oldest message that is not on its way to NATS right now; false when there is none. */
  #dropOldest(reason: DropReason): boolean {
    const row = this.#statements.oldestSize.get(this.#inUseThrough()) as { id: number; size: number } | undefined;
    if (!row) return false;
    this.#statements.remove.run(row.id);
    this.dropped[reason]++;
    this.messages--;
    this.bytes -= row.size;
    return true;
  }
}
