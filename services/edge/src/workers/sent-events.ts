/**
 * What happens to a worker's connections, told to the primary in batches. Before it: the worker's book; after it: the
 * node's observer, by way of crew.ts.
 */
import type { ConnectionClosed, ConnectionOpened, MediaObserver } from '../stats.ts';
import type { ToPrimary } from './messages.ts';

/** Events of one batch at most; a fuller one leaves at once. */
const MAX_BATCH = 512;

/** Until `flush()` events wait; what happens to one connection is told in its order. */
export class SentEvents implements MediaObserver {
  readonly #send: (message: ToPrimary) => void;
  #opened: ConnectionOpened[] = [];
  #closed: ConnectionClosed[] = [];

  constructor(send: (message: ToPrimary) => void) {
    this.#send = send;
  }

  connectionOpened(connection: ConnectionOpened): void {
    if (this.#opened.push(connection) >= MAX_BATCH) this.flush();
  }

  connectionClosed(connection: ConnectionClosed): void {
    if (this.#closed.push(connection) >= MAX_BATCH) this.flush();
  }

  // These happen in the primary only.
  failover(): void {}
  clusterChanged(): void {}
  streamChanged(): void {}
  adminAction(): void {}

  /** Sends what waits. */
  flush(): void {
    if (this.#opened.length > 0) this.#send({ kind: 'opened', connections: this.#opened });
    if (this.#closed.length > 0) this.#send({ kind: 'closed', connections: this.#closed });
    this.#opened = [];
    this.#closed = [];
  }
}
