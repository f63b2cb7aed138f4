/**
 * The node's book of connections when its clients are spread over workers: the primary's own (publishers, relays, HLS)
 * and what the workers last told of theirs. Whoever reads it sees one node.
 */
import type { ConnectionRole } from '@weir/contracts/events';
import { type BookSnapshot as Book, Connections } from '../stream/connections.ts';

/** See the head of the file. Workers are told apart by a number that is never used twice. */
export class CrewBook extends Connections {
  readonly #parts = new Map<number, Book>();
  /** Totals of workers that are gone. */
  #gone: Book | undefined;

  /** A worker's totals; they count from its start. */
  told(worker: number, book: Book): void {
    this.#parts.set(worker, book);
  }

  /** A worker is gone: its totals stay, what it had open is closed (`error` unless it closed all itself). */
  lost(worker: number): void {
    const last = this.#parts.get(worker);
    if (!last || !this.#parts.delete(worker)) return;
    const cut = last.connections.filter(({ open }) => open > 0);
    const closed = cut.map(({ role, protocol, open }) => ({ role, protocol, reason: 'error' as const, count: open }));
    const ended: Book = {
      ...last,
      connections: last.connections.map((one) => ({ ...one, open: 0 })),
      closed: [...last.closed, ...closed],
      apps: last.apps.map((app) => ({ ...app, viewers: 0, publishers: 0 })),
      sendQueueBytes: 0,
    };
    this.#gone = this.#gone ? sum([this.#gone, ended]) : ended;
  }

  /** Viewers of one worker, as it last told. */
  viewersOf(worker: number): number {
    return openOf(this.#parts.get(worker), 'viewer');
  }

  override count(role: ConnectionRole): number {
    let count = super.count(role);
    for (const part of this.#parts.values()) count += openOf(part, role);
    return count;
  }

  override snapshot(maxAgeMs = 0): Book {
    return sum([super.snapshot(maxAgeMs), ...(this.#gone ? [this.#gone] : []), ...this.#parts.values()]);
  }
}

function openOf(book: Book | undefined, role: ConnectionRole): number {
  const counts = book?.connections.filter((one) => one.role === role) ?? [];
  return counts.reduce((total, { open }) => total + open, 0);
}

/** The sum of books; the limit is the first one's. */
function sum(books: readonly [Book, ...Book[]]): Book {
  return {
    connections: sumBy(
      books.flatMap((book) => book.connections),
      ['role', 'protocol'],
    ),
    closed: sumBy(
      books.flatMap((book) => book.closed),
      ['role', 'protocol', 'reason'],
    ),
    refused: sumBy(
      books.flatMap((book) => book.refused),
      ['protocol', 'reason'],
    ),
    connectionLimit: books[0].connectionLimit,
    io: sumBy(
      books.flatMap((book) => book.io),
      ['role'],
    ),
    apps: sumBy(
      books.flatMap((book) => book.apps),
      ['app'],
    ),
    sendQueueBytes: books.reduce((total, book) => total + book.sendQueueBytes, 0),
  };
}

/** One row per combination of `keys`; all other fields are numbers and added up. */
function sumBy<T extends object>(rows: readonly T[], keys: readonly (keyof T & string)[]): T[] {
  const sums = new Map<string, Record<string, unknown>>();
  for (const row of rows as readonly Record<string, unknown>[]) {
    const key = keys.map((name) => row[name]).join(' ');
    const known = sums.get(key);
    if (!known) sums.set(key, { ...row });
    else
      for (const name of Object.keys(row))
        if (!keys.includes(name as never)) known[name] = Number(known[name]) + Number(row[name]);
  }
  return [...sums.values()] as T[];
}
