/**
 * How many connections there are and what they have moved, by role, protocol and app. Numbers are kept as connections come
 * and go; bytes are read off the sockets when somebody asks, no oftener than that one needs: with thousands of viewers
 * the walk is most of what counting costs. Before it: the book; after it: snapshots, quotas, the node's weight.
 */
import { performance } from 'node:perf_hooks';
import type { ConnectionRole, Protocol } from '@weir/contracts/events';
import type { AppSnapshot, MediaSnapshot } from '../stats.ts';

/** Whose bytes are counted. */
export interface Counted {
  readonly role: ConnectionRole;
  readonly protocol: Protocol;
  readonly app: string;
  /** `bytesWritten` is undefined of a socket that never connected. */
  readonly socket: { readonly bytesRead: number; readonly bytesWritten?: number; readonly writableLength: number };
}

/** A connection in the sums; kept by whoever added it, to be removed. */
export class TallyEntry {
  readonly counted: Counted;
  readonly moved: Moved;
  readonly app: AppSnapshot;
  readonly number: { open: number };
  /** Of its bytes, those that are in the sums. */
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(counted: Counted, sums: { moved: Moved; app: AppSnapshot; number: { open: number } }) {
    this.counted = counted;
    this.moved = sums.moved;
    this.app = sums.app;
    this.number = sums.number;
  }

  /** Adds what it moved since it was last read. A destroyed socket forgets what it still had to write: no sum falls. */
  read(): void {
    const { role, socket } = this.counted;
    const bytesIn = Math.max(0, socket.bytesRead - this.#bytesIn);
    const bytesOut = Math.max(0, (socket.bytesWritten ?? 0) - this.#bytesOut);
    this.#bytesIn += bytesIn;
    this.#bytesOut += bytesOut;
    this.moved.bytesIn += bytesIn;
    this.moved.bytesOut += bytesOut;
    if (role === 'viewer') this.app.bytesOut += bytesOut;
    else if (role === 'publisher') this.app.bytesIn += bytesIn;
  }
}

/** Bytes, total. */
export interface Moved {
  bytesIn: number;
  bytesOut: number;
}

/** Apps told apart; what belongs to further ones goes under the empty name. Totals may not shrink, so none is forgotten. */
const MAX_APPS = 5_000;

/** One per book. */
export class Tally {
  readonly #entries = new Set<TallyEntry>();
  readonly #numbers = new Map<string, { role: ConnectionRole; protocol: Protocol; open: number; opened: number }>();
  readonly #moved: Record<ConnectionRole, Moved> = {
    publisher: { bytesIn: 0, bytesOut: 0 },
    viewer: { bytesIn: 0, bytesOut: 0 },
    relay: { bytesIn: 0, bytesOut: 0 },
  };
  readonly #apps = new Map<string, AppSnapshot>();
  #sendQueueBytes = 0;
  #walkedAtMs = Number.NEGATIVE_INFINITY;

  /** A connection opened. */
  add(counted: Counted): TallyEntry {
    const number = this.#numberOf(counted);
    number.open += 1;
    number.opened += 1;
    const app = this.#appOf(counted.app);
    count(counted.role, app, 1);
    const entry = new TallyEntry(counted, { moved: this.#moved[counted.role], app, number });
    this.#entries.add(entry);
    return entry;
  }

  /** It closed: its last bytes are read. */
  remove(entry: TallyEntry): void {
    if (!this.#entries.delete(entry)) return;
    entry.read();
    entry.number.open -= 1;
    count(entry.counted.role, entry.app, -1);
  }

  /** Bytes of a role that no connection here has moved. */
  addMoved(role: ConnectionRole, { bytesIn, bytesOut }: Moved): void {
    this.#moved[role].bytesIn += bytesIn;
    this.#moved[role].bytesOut += bytesOut;
  }

  /** Connections of one role that are open. */
  count(role: ConnectionRole): number {
    let open = 0;
    for (const number of this.#numbers.values()) if (number.role === role) open += number.open;
    return open;
  }

  /** All of it; the bytes as they were at most `maxAgeMs` ago. */
  sums(maxAgeMs: number): Pick<MediaSnapshot, 'connections' | 'io' | 'apps' | 'sendQueueBytes'> {
    this.#walk(maxAgeMs);
    return {
      connections: [...this.#numbers.values()].map((number) => ({ ...number })),
      io: (['publisher', 'viewer', 'relay'] as const).map((role) => ({ role, ...this.#moved[role] })),
      apps: [...this.#apps.values()].map((app) => ({ ...app })),
      sendQueueBytes: this.#sendQueueBytes,
    };
  }

  #walk(maxAgeMs: number): void {
    const nowMs = performance.now();
    if (maxAgeMs > 0 && nowMs - this.#walkedAtMs <= maxAgeMs) return;
    this.#walkedAtMs = nowMs;
    let queued = 0;
    for (const entry of this.#entries) {
      entry.read();
      queued += entry.counted.socket.writableLength;
    }
    this.#sendQueueBytes = queued;
  }

  #numberOf({ role, protocol }: Counted): { open: number; opened: number } {
    const key = `${role} ${protocol}`;
    const known = this.#numbers.get(key);
    if (known) return known;
    const number = { role, protocol, open: 0, opened: 0 };
    this.#numbers.set(key, number);
    return number;
  }

  #appOf(name: string): AppSnapshot {
    const known = this.#apps.get(name);
    if (known) return known;
    if (name !== '' && this.#apps.size >= MAX_APPS) return this.#appOf('');
    const app = { app: name, viewers: 0, publishers: 0, bytesIn: 0, bytesOut: 0 };
    this.#apps.set(name, app);
    return app;
  }
}

function count(role: ConnectionRole, app: AppSnapshot, by: number): void {
  if (role === 'viewer') app.viewers += by;
  else if (role === 'publisher') app.publishers += by;
}
