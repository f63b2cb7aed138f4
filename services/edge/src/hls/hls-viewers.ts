/**
 * Viewers of HLS: they have no connection that lasts, so a viewer is a session that keeps asking. Each counts as one
 * connection from its first playlist until it has not asked for a while, with the bytes it was given.
 */
import type { IncomingMessage } from 'node:http';
import type { CloseReason } from '@weir/contracts/events';
import type { CountedSocket, OpenConnection } from '../stream/connections.ts';

/** Opens a connection in the node's book. */
export type OpenHlsConnection = (socket: CountedSocket, session: string, userAgent: string) => OpenConnection;

/** The right of one viewer to watch. */
export interface HlsGrant {
  end(reason: CloseReason): void;
}

interface HlsViewer {
  connection: OpenConnection;
  grant: HlsGrant;
  socket: { bytesWritten: number };
  seenAtMs: number;
}

/** A player that plays asks at least once per part; one that paused for so long is a new viewer when it comes back. */
const GONE_AFTER_MS = 12_000;

/** The viewers of one stream. */
export class HlsViewers {
  readonly #open: OpenHlsConnection;
  readonly #viewers = new Map<string, HlsViewer>();
  /** Newest session of an address and program, for requests that name none: segments are the same for all. */
  readonly #bySender = new Map<string, string>();

  constructor(open: OpenHlsConnection) {
    this.#open = open;
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** Whether this viewer is here already: by its session, or, when the request names none, by who sends it. */
  knows(request: IncomingMessage, session: string): boolean {
    const sender = senderOf(request);
    const key = session === '' ? (this.#bySender.get(sender) ?? sender) : session;
    const known = this.#viewers.get(key);
    if (!known) return false;
    known.seenAtMs = Date.now();
    this.#bySender.set(sender, key);
    return true;
  }

  /** A viewer who was granted to watch. */
  enter(request: IncomingMessage, session: string, grant: HlsGrant): void {
    if (this.knows(request, session)) {
      // Two requests of one viewer were let in at the same time.
      grant.end('client-closed');
      return;
    }
    const sender = senderOf(request);
    const key = session === '' ? sender : session;
    const { remoteAddress, remotePort } = request.socket;
    const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0, remoteAddress, remotePort };
    const connection = this.#open(socket, session, request.headers['user-agent'] ?? '');
    this.#bySender.set(sender, key);
    this.#viewers.set(key, { connection, grant, socket, seenAtMs: Date.now() });
  }

  /** Bytes were given to whoever sent `request`. */
  gave(request: IncomingMessage, sizeBytes: number): void {
    const viewer = this.#viewers.get(this.#bySender.get(senderOf(request)) ?? '');
    if (!viewer) return;
    viewer.socket.bytesWritten += sizeBytes;
    viewer.seenAtMs = Date.now();
  }

  /** Lets those go who have not asked for a while. */
  sweep(nowMs: number): void {
    for (const [key, { connection, grant, seenAtMs }] of this.#viewers) {
      if (nowMs - seenAtMs < GONE_AFTER_MS) continue;
      connection.close('client-closed');
      grant.end('client-closed');
      this.#viewers.delete(key);
    }
    for (const [sender, key] of this.#bySender) if (!this.#viewers.has(key)) this.#bySender.delete(sender);
  }

  close(reason: 'stream-ended' | 'shutdown'): void {
    for (const { connection, grant } of this.#viewers.values()) {
      connection.close(reason);
      grant.end(reason);
    }
    this.#viewers.clear();
    this.#bySender.clear();
  }
}

function senderOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ''} ${request.headers['user-agent'] ?? ''}`;
}
