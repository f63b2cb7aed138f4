/**
 * The node's book of connections: who is on, what it has moved, why it ended, and whether there is room for more.
 * Before it: sessions of every protocol; after it: telemetry, through stats.ts.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { CloseReason, ConnectionRole, Protocol } from '@weir/contracts/events';
import type { ConnectionOpened, MediaObserver, MediaSnapshot } from '../stats.ts';
import { Tally, type TallyEntry } from './tally.ts';

/** What the book needs to know of a socket; viewers without a lasting connection count their bytes themselves. */
export type CountedSocket = Pick<
  Socket,
  'bytesRead' | 'bytesWritten' | 'writableLength' | 'remoteAddress' | 'remotePort'
>;

/** A socket that comes and goes; it may be one of another process. */
export interface ComingSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  once(event: 'close', listener: () => void): unknown;
}

/** Closes a connection that did nothing wrong: an operator wants it, or (`shutdown`) its node is going out of service. */
export type Kick = (reason?: KickReason) => void;
export type KickReason = 'kicked' | 'shutdown';

/** What a session knows of a connection that got its role. */
export interface ConnectionInfo {
  role: ConnectionRole;
  protocol: Protocol;
  app: string;
  stream: string;
  session: string;
  userAgent: string;
  socket: CountedSocket;
  /** Absent when there is nothing to close. */
  kick?: Kick;
}

/** An open connection in the book. */
export interface OpenConnection {
  readonly id: string;
  readonly opened: ConnectionOpened;
  readonly socket: CountedSocket;
  /** Messages not sent because the viewer did not keep up; set by the session before it closes. */
  framesDropped: number;
  /** `kicked` unless told otherwise; undefined when there is nothing to close. */
  readonly kick: Kick | undefined;
  /** Takes it out of the book and tells the observer. Later calls do nothing. */
  close(reason: CloseReason): void;
}

/** The connections' part of a snapshot. */
export type BookSnapshot = Pick<
  MediaSnapshot,
  'connections' | 'closed' | 'refused' | 'connectionLimit' | 'io' | 'apps' | 'sendQueueBytes'
>;

type CountKey = string;
const MAX_USER_AGENT = 200;
/** Of figures that are looked at again and again, not told: their bytes may be so old. */
const STALE_MS = 900;

/** One per node. */
export class Connections {
  /** Connections accepted at most, those without a role yet included; relays are not counted. */
  limit: number;
  readonly #observer: MediaObserver;
  readonly #open = new Set<OpenConnection>();
  readonly #tally = new Tally();
  readonly #closed = new Map<CountKey, number>();
  readonly #refused = new Map<CountKey, number>();
  #accepted = 0;

  constructor(limit: number, observer: MediaObserver) {
    this.limit = limit;
    this.#observer = observer;
  }

  /** Publishers and viewers connected now, those without a role yet included. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Open connections of one role. */
  count(role: ConnectionRole): number {
    return this.#tally.count(role);
  }

  /** Takes a place for a new client; false when there is none. Given back when its socket closes. */
  admit(socket: ComingSocket): boolean {
    if (this.#accepted >= this.limit) return false;
    this.#accepted += 1;
    socket.once('close', () => {
      this.#accepted -= 1;
    });
    return true;
  }

  /** A connection got its role. */
  open(info: ConnectionInfo): OpenConnection {
    const { socket, role, protocol } = info;
    const opened: ConnectionOpened = {
      id: randomUUID(),
      role,
      protocol,
      app: info.app,
      stream: info.stream,
      clientAddress: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      clientPort: socket.remotePort ?? 0,
      session: info.session,
      userAgent: info.userAgent.slice(0, MAX_USER_AGENT),
      openedAtMs: Date.now(),
    };
    const tallied = this.#tally.add({ role, protocol, app: info.app, socket });
    const connection: OpenConnection = {
      id: opened.id,
      opened,
      socket,
      kick: info.kick,
      framesDropped: 0,
      close: (reason) => this.#close(connection, tallied, reason),
    };
    this.#open.add(connection);
    this.#observer.connectionOpened(opened);
    return connection;
  }

  /** A connection ended without ever having a role. */
  refuse(protocol: Protocol, reason: CloseReason): void {
    add(this.#refused, `${protocol} ${reason}`);
  }

  /** Bytes that belong to a role and to no connection in the book (pulls from other nodes). */
  addIo(role: ConnectionRole, bytesIn: number, bytesOut: number): void {
    this.#tally.addMoved(role, { bytesIn, bytesOut });
  }

  /** The connections' part of a snapshot; bytes as they were at most `maxAgeMs` ago (reading them takes a walk over all). */
  snapshot(maxAgeMs = 0): BookSnapshot {
    return {
      ...this.#tally.sums(maxAgeMs),
      closed: [...this.#closed].map(([key, count]) => {
        const [role, protocol, reason] = key.split(' ') as [ConnectionRole, Protocol, CloseReason];
        return { role, protocol, reason, count };
      }),
      refused: [...this.#refused].map(([key, count]) => {
        const [protocol, reason] = key.split(' ') as [Protocol, CloseReason];
        return { protocol, reason, count };
      }),
      connectionLimit: this.limit,
    };
  }

  /** The same for who looks again and again: however many do, it costs about one walk a second. */
  recent(): BookSnapshot {
    return this.snapshot(STALE_MS);
  }

  /** What viewers of each app were handed, total. */
  sentByApp(): Map<string, number> {
    return new Map(this.snapshot().apps.map(({ app, bytesOut }) => [app, bytesOut]));
  }

  /** Every open connection; a copy. */
  list(): OpenConnection[] {
    return [...this.#open];
  }

  #close(connection: OpenConnection, tallied: TallyEntry, reason: CloseReason): void {
    if (!this.#open.delete(connection)) return;
    this.#tally.remove(tallied);
    const { opened, socket } = connection;
    const bytesIn = socket.bytesRead;
    const bytesQueued = socket.bytesWritten ?? 0;
    add(this.#closed, `${opened.role} ${opened.protocol} ${reason}`);
    this.#observer.connectionClosed({
      ...opened,
      reason,
      bytesIn,
      bytesQueued,
      bytesDelivered: Math.max(0, bytesQueued - socket.writableLength),
      framesDropped: connection.framesDropped,
      closedAtMs: Date.now(),
    });
  }
}

function add(counts: Map<CountKey, number>, key: CountKey): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
