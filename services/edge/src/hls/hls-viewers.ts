/**
 * Viewers of HLS: they have no connection that lasts, so a viewer is a session that keeps asking. Each counts as one
 * connection from its first playlist until it has not asked for a while, with the bytes it was given. The session stands in
 * every address a playlist names, so that bytes are told apart also behind one address.
 */
import type { IncomingMessage } from 'node:http';
import type { CloseReason } from '@weir/contracts/events';
import type { CountedSocket, OpenConnection } from '../stream/connections.ts';
import { addressOf, viewerKey } from './kicked-viewers.ts';

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

/** One viewer. */
export interface HlsViewer {
  readonly session: string;
  readonly connection: OpenConnection;
  readonly grant: HlsGrant;
  /** Whoever gives it something adds to `bytesWritten`. */
  readonly socket: { bytesWritten: number };
  /** Whoever comes from elsewhere with the same session has to show the right to watch again. */
  address: string;
  seenAtMs: number;
  /** Why it is a viewer no longer. */
  left: CloseReason | undefined;
}

/** A player that plays asks at least once per part; one that paused for so long is a new viewer when it comes back. */
const GONE_AFTER_MS = 12_000;

/** The viewers of one stream. */
export class HlsViewers {
  readonly #open: OpenHlsConnection;
  readonly #onKick: (request: IncomingMessage, session: string) => void;
  readonly #viewers = new Map<string, HlsViewer>();

  /** @param onKick told of who is kicked: by which request and with which session it came. */
  constructor(open: OpenHlsConnection, onKick: (request: IncomingMessage, session: string) => void) {
    this.#open = open;
    this.#onKick = onKick;
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** Who is here already: by its session and address; without a session by address and program. */
  find(request: IncomingMessage, session: string): HlsViewer | undefined {
    const known = this.#viewers.get(viewerKey(request, session));
    return known?.address === addressOf(request) ? known : undefined;
  }

  /** A viewer who was granted to watch. */
  enter(request: IncomingMessage, session: string, grant: HlsGrant): HlsViewer {
    const key = viewerKey(request, session);
    const address = addressOf(request);
    const seenAtMs = Date.now();
    const known = this.#viewers.get(key);
    if (known) {
      // Two requests of one viewer were let in at the same time, or it came to another network.
      grant.end('client-closed');
      return Object.assign(known, { address, seenAtMs });
    }
    const { remoteAddress, remotePort } = request.socket;
    const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0, remoteAddress, remotePort };
    const connection = this.#open(socket, session, request.headers['user-agent'] ?? '', () => {
      this.#leave(key, 'kicked');
      this.#onKick(request, session);
    });
    grant.onWithdrawn = (reason) => this.#leave(key, reason);
    const viewer: HlsViewer = { session, connection, grant, socket, address, seenAtMs, left: undefined };
    this.#viewers.set(key, viewer);
    return viewer;
  }

  /** Lets those go who have not asked for a while. */
  sweep(nowMs: number): void {
    for (const [key, { seenAtMs }] of this.#viewers) {
      if (nowMs - seenAtMs >= GONE_AFTER_MS) this.#leave(key, 'client-closed');
    }
  }

  close(reason: 'stream-ended' | 'shutdown'): void {
    for (const key of [...this.#viewers.keys()]) this.#leave(key, reason);
  }

  #leave(key: string, reason: CloseReason): void {
    const viewer = this.#viewers.get(key);
    if (!viewer) return;
    this.#viewers.delete(key);
    viewer.left = reason;
    viewer.connection.close(reason);
    viewer.grant.end(reason);
  }
}
