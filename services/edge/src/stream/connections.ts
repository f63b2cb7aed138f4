/**
 * The node's book of connections: who is on, what it has moved, why it ended, and whether there is room for more.
 * Before it: sessions of every protocol; after it: telemetry, through stats.ts.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { CloseReason, ConnectionRole, Protocol } from '@weir/contracts/events';
import type { AppSnapshot, ConnectionOpened, MediaObserver, MediaSnapshot } from '../stats.ts';

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
/** Apps told apart; what belongs to further ones goes under the empty name. Totals may not shrink, so none is forgotten. */
const MAX_APPS = 5_000;

/** One per node. */
export class Connections {
  /** Connections accepted at most, those without a role yet included; relays are not counted. */
  limit: number;
  readonly #observer: MediaObserver;
  readonly #open = new Set<OpenConnection>();
  readonly #opened = new Map<CountKey, number>();
  readonly #closed = new Map<CountKey, number>();
  readonly #refused = new Map<CountKey, number>();
  readonly #io = new Map<ConnectionRole, { bytesIn: number; bytesOut: number }>();
  /** Of closed publishers and viewers. */
  readonly #apps = new Map<string, { bytesIn: number; bytesOut: number }>();
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
    let count = 0;
    for (const connection of this.#open) if (connection.opened.role === role) count += 1;
    return count;
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
    const connection: OpenConnection = {
      id: opened.id,
      opened,
      socket,
      kick: info.kick,
      framesDropped: 0,
      close: (reason) => this.#close(connection, reason),
    };
    this.#open.add(connection);
    this.#bytesOf(this.#appOf(opened));
    add(this.#opened, `${role} ${protocol}`);
    this.#observer.connectionOpened(opened);
    return connection;
  }

  /** A connection ended without ever having a role. */
  refuse(protocol: Protocol, reason: CloseReason): void {
    add(this.#refused, `${protocol} ${reason}`);
  }

  /** Bytes that belong to a role and to no connection in the book (pulls from other nodes). */
  addIo(role: ConnectionRole, bytesIn: number, bytesOut: number): void {
    const io = this.#ioOf(role);
    io.bytesIn += bytesIn;
    io.bytesOut += bytesOut;
  }

  /** The connections' part of a snapshot. */
  snapshot(): BookSnapshot {
    const open = new Map<CountKey, number>();
    const io = new Map<ConnectionRole, { bytesIn: number; bytesOut: number }>();
    for (const role of ['publisher', 'viewer', 'relay'] as const) io.set(role, { ...this.#ioOf(role) });
    const apps = new Map<string, AppSnapshot>();
    for (const [app, bytes] of this.#apps) apps.set(app, { app, viewers: 0, publishers: 0, ...bytes });
    let sendQueueBytes = 0;
    for (const { opened, socket } of this.#open) {
      const { bytesRead, bytesWritten = 0 } = socket;
      add(open, `${opened.role} ${opened.protocol}`);
      const total = io.get(opened.role) as { bytesIn: number; bytesOut: number };
      total.bytesIn += bytesRead;
      total.bytesOut += bytesWritten;
      sendQueueBytes += socket.writableLength;
      if (opened.role === 'relay') continue;
      const app = apps.get(this.#appOf(opened)) as AppSnapshot;
      app[opened.role === 'viewer' ? 'viewers' : 'publishers'] += 1;
      if (opened.role === 'viewer') app.bytesOut += bytesWritten;
      else app.bytesIn += bytesRead;
    }
    return {
      connections: [...this.#opened].map(([key, opened]) => ({ ...roleOf(key), open: open.get(key) ?? 0, opened })),
      closed: [...this.#closed].map(([key, count]) => ({
        ...roleOf(key),
        reason: key.split(' ')[2] as CloseReason,
        count,
      })),
      refused: [...this.#refused].map(([key, count]) => {
        const [protocol, reason] = key.split(' ') as [Protocol, CloseReason];
        return { protocol, reason, count };
      }),
      connectionLimit: this.limit,
      io: [...io].map(([role, bytes]) => ({ role, ...bytes })),
      apps: [...apps.values()],
      sendQueueBytes,
    };
  }

  /** What viewers of each app were handed, total; a small part of a snapshot, for who asks often. */
  sentByApp(): Map<string, number> {
    const sent = new Map<string, number>();
    for (const [app, { bytesOut }] of this.#apps) sent.set(app, bytesOut);
    for (const { opened, socket } of this.#open) {
      if (opened.role !== 'viewer') continue;
      const app = this.#appOf(opened);
      sent.set(app, (sent.get(app) ?? 0) + (socket.bytesWritten ?? 0));
    }
    return sent;
  }

  /** Every open connection; a copy. */
  list(): OpenConnection[] {
    return [...this.#open];
  }

  #close(connection: OpenConnection, reason: CloseReason): void {
    if (!this.#open.delete(connection)) return;
    const { opened, socket } = connection;
    const bytesIn = socket.bytesRead;
    const bytesQueued = socket.bytesWritten ?? 0;
    this.addIo(opened.role, bytesIn, bytesQueued);
    const app = this.#bytesOf(this.#appOf(opened));
    if (opened.role === 'viewer') app.bytesOut += bytesQueued;
    else if (opened.role === 'publisher') app.bytesIn += bytesIn;
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

  /** The name its bytes go under. */
  #appOf({ app }: Pick<ConnectionOpened, 'app'>): string {
    return this.#apps.has(app) || this.#apps.size < MAX_APPS ? app : '';
  }

  #bytesOf(app: string): { bytesIn: number; bytesOut: number } {
    const known = this.#apps.get(app);
    if (known) return known;
    const bytes = { bytesIn: 0, bytesOut: 0 };
    this.#apps.set(app, bytes);
    return bytes;
  }

  #ioOf(role: ConnectionRole): { bytesIn: number; bytesOut: number } {
    const known = this.#io.get(role);
    if (known) return known;
    const io = { bytesIn: 0, bytesOut: 0 };
    this.#io.set(role, io);
    return io;
  }
}

function add(counts: Map<CountKey, number>, key: CountKey): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function roleOf(key: CountKey): { role: ConnectionRole; protocol: Protocol } {
  const [role, protocol] = key.split(' ') as [ConnectionRole, Protocol];
  return { role, protocol };
}
