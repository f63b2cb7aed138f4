/**
 * Viewers of HLS: they have no connection that lasts, so a viewer is a session that keeps asking. Each counts as one
 * connection from its first playlist until it has not asked for a while, with the bytes it was given. The session stands in
 * every address a playlist names, so that bytes are told apart also behind one address.
 */
import type { IncomingMessage } from 'node:http';
import type { CloseReason } from '@weir/contracts/events';
import type { CountedSocket, OpenConnection } from '../stream/connections.ts';

/** Opens a connection in the node's book; `kick` takes the viewer off for an operator. */
export type OpenHlsConnection = (
  socket: CountedSocket,
  session: string,
  userAgent: string,
  kick: () => void,
) => OpenConnection;

/** The right of one viewer to watch. */
export interface HlsGrant {
  end(reason: CloseReason): void;
  /** Set here: takes the viewer off, because its place is withdrawn. */
  onWithdrawn?: (reason: CloseReason) => void;
}

interface HlsViewer {
  connection: OpenConnection;
  grant: HlsGrant;
  socket: { bytesWritten: number };
  /** Whoever comes from elsewhere with the same session has to show the right to watch again. */
  address: string;
  seenAtMs: number;
}

/** A player that plays asks at least once per part; one that paused for so long is a new viewer when it comes back. */
const GONE_AFTER_MS = 12_000;
/** Who was kicked would come back with its next request: it is kept out for so long. */
const BARRED_MS = 60_000;
/** Kicked viewers remembered at most; the one kicked first is forgotten beyond. */
const MAX_BARRED = 1_000;

/** The viewers of one stream. */
export class HlsViewers {
  readonly #open: OpenHlsConnection;
  readonly #viewers = new Map<string, HlsViewer>();
  /** Until when, Unix time, ms. */
  readonly #barred = new Map<string, number>();

  constructor(open: OpenHlsConnection) {
    this.#open = open;
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** Whether this viewer is here already: by its session and address; without a session by address and program. */
  knows(request: IncomingMessage, session: string): boolean {
    const known = this.#viewers.get(keyOf(request, session));
    if (known?.address !== addressOf(request)) return false;
    known.seenAtMs = Date.now();
    return true;
  }

  /** True for a viewer that was kicked a moment ago. */
  isBarred(request: IncomingMessage, session: string): boolean {
    return (this.#barred.get(keyOf(request, session)) ?? 0) > Date.now();
  }

  /** A viewer who was granted to watch. */
  enter(request: IncomingMessage, session: string, grant: HlsGrant): void {
    const key = keyOf(request, session);
    const known = this.#viewers.get(key);
    if (known) {
      // Two requests of one viewer were let in at the same time, or it came to another network.
      grant.end('client-closed');
      known.address = addressOf(request);
      known.seenAtMs = Date.now();
      return;
    }
    const { remoteAddress, remotePort } = request.socket;
    const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0, remoteAddress, remotePort };
    const connection = this.#open(socket, session, request.headers['user-agent'] ?? '', () => this.#kick(key));
    grant.onWithdrawn = (reason) => this.#leave(key, reason);
    this.#viewers.set(key, { connection, grant, socket, address: addressOf(request), seenAtMs: Date.now() });
  }

  /** Id of the viewer's connection in the book; undefined for who is not here. */
  connectionOf(request: IncomingMessage, session: string): string | undefined {
    return this.#viewers.get(keyOf(request, session))?.connection.id;
  }

  /** Bytes were given to a viewer. */
  gave(request: IncomingMessage, session: string, sizeBytes: number): void {
    const viewer = this.#viewers.get(keyOf(request, session));
    if (!viewer) return;
    viewer.socket.bytesWritten += sizeBytes;
    viewer.seenAtMs = Date.now();
  }

  /** Lets those go who have not asked for a while. */
  sweep(nowMs: number): void {
    for (const [key, { seenAtMs }] of this.#viewers) {
      if (nowMs - seenAtMs >= GONE_AFTER_MS) this.#leave(key, 'client-closed');
    }
    for (const [key, untilMs] of this.#barred) if (nowMs >= untilMs) this.#barred.delete(key);
  }

  close(reason: 'stream-ended' | 'shutdown'): void {
    for (const key of [...this.#viewers.keys()]) this.#leave(key, reason);
  }

  #leave(key: string, reason: CloseReason): void {
    const viewer = this.#viewers.get(key);
    if (!viewer) return;
    this.#viewers.delete(key);
    viewer.connection.close(reason);
    viewer.grant.end(reason);
  }

  #kick(key: string): void {
    this.#leave(key, 'kicked');
    this.#barred.set(key, Date.now() + BARRED_MS);
    const [first] = this.#barred.keys();
    if (this.#barred.size > MAX_BARRED && first !== undefined) this.#barred.delete(first);
  }
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}

/** Sessions have no space in them that a query could not carry otherwise; a sender's key begins with one. */
function keyOf(request: IncomingMessage, session: string): string {
  return session === '' ? ` ${addressOf(request)} ${request.headers['user-agent'] ?? ''}` : session;
}
