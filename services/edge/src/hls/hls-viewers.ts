/**
 * Viewers of HLS: they have no connection that lasts, so a viewer is a session that keeps asking. Each counts as one
 * connection from its first playlist until it has not asked for a while, with the bytes it was given.
 */
import type { IncomingMessage } from 'node:http';
import type { CountedSocket, OpenConnection } from '../stream/connections.ts';

/** Opens a connection in the node's book. */
export type OpenHlsConnection = (socket: CountedSocket, session: string, userAgent: string) => OpenConnection;

interface HlsViewer {
  connection: OpenConnection;
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

  /** A viewer asked for the playlist. */
  asked(request: IncomingMessage, session: string): void {
    const sender = senderOf(request);
    const key = session === '' ? sender : session;
    this.#bySender.set(sender, key);
    const known = this.#viewers.get(key);
    if (known) {
      known.seenAtMs = Date.now();
      return;
    }
    const { remoteAddress, remotePort } = request.socket;
    const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0, remoteAddress, remotePort };
    const connection = this.#open(socket, session, request.headers['user-agent'] ?? '');
    this.#viewers.set(key, { connection, socket, seenAtMs: Date.now() });
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
    for (const [key, { connection, seenAtMs }] of this.#viewers) {
      if (nowMs - seenAtMs < GONE_AFTER_MS) continue;
      connection.close('client-closed');
      this.#viewers.delete(key);
    }
    for (const [sender, key] of this.#bySender) if (!this.#viewers.has(key)) this.#bySender.delete(sender);
  }

  close(reason: 'stream-ended' | 'shutdown'): void {
    for (const { connection } of this.#viewers.values()) connection.close(reason);
    this.#viewers.clear();
    this.#bySender.clear();
  }
}

function senderOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ''} ${request.headers['user-agent'] ?? ''}`;
}
