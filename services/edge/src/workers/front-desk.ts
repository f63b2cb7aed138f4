/**
 * Who may in, answered for one worker's clients by the primary's access: limits, keys and callbacks are the node's,
 * whichever worker a client got. Before it: remote-access.ts in the worker; after it: the node's access and book.
 */
import type { Admission, Grant } from '../access/access.ts';
import type { Refusal } from '../access/check.ts';
import { DistantSocket } from '../access/lasting-viewer.ts';
import type { ToPrimary, ToWorker } from './messages.ts';

interface Client {
  socket: DistantSocket;
  refusal: Refusal | undefined;
}

/** One per worker process. */
export class FrontDesk {
  readonly #access: Admission;
  readonly #send: (message: ToWorker) => void;
  readonly #clients = new Map<number, Client>();
  readonly #grants = new Map<number, Grant>();
  #lastGrant = 0;
  #closed = false;

  constructor(access: Admission, send: (message: ToWorker) => void) {
    this.#access = access;
    this.#send = send;
  }

  /** Takes a message if it is for the desk. */
  receive(message: ToPrimary): void {
    switch (message.kind) {
      case 'came': {
        const socket = new DistantSocket(message.address);
        this.#clients.set(message.client, { socket, refusal: this.#access.admit(socket) });
        return;
      }
      case 'left':
        this.#clients.get(message.client)?.socket.leave();
        this.#clients.delete(message.client);
        return;
      case 'connect': {
        const { call, client, caller, app, query } = message;
        void this.#refusalOf(client, () => this.#access.connect(caller, app, new URLSearchParams(query))).then(
          (refusal) => this.#send({ kind: 'answer', call, ...(refusal && { refusal }) }),
        );
        return;
      }
      case 'ask': {
        const { call, client, request } = message;
        void this.#ask(client, { ...request, query: new URLSearchParams(request.query) }).then((answer) =>
          this.#send({ kind: 'answer', call, ...answer }),
        );
        return;
      }
      case 'end-grant':
        this.#grants.get(message.grant)?.end(message.reason);
        this.#grants.delete(message.grant);
    }
  }

  /** The worker is gone, and everybody who was connected to it. */
  close(): void {
    this.#closed = true;
    for (const grant of this.#grants.values()) grant.end('error');
    for (const { socket } of this.#clients.values()) socket.leave();
    this.#grants.clear();
    this.#clients.clear();
  }

  async #refusalOf(client: number, ask: () => Promise<Refusal | undefined>): Promise<Refusal | undefined> {
    return this.#clients.get(client)?.refusal ?? ask();
  }

  async #ask(
    client: number,
    request: Parameters<Admission['ask']>[0],
  ): Promise<{ refusal: Refusal } | { grant: number }> {
    const refusal = this.#clients.get(client)?.refusal;
    if (refusal) return { refusal };
    const answer = await this.#access.ask(request);
    if ('refused' in answer) return { refusal: answer };
    if (this.#closed) answer.end('error');
    this.#lastGrant += 1;
    const grant = this.#lastGrant;
    this.#grants.set(grant, answer);
    answer.onWithdrawn = (reason) => this.#send({ kind: 'withdraw', grant, reason });
    return { grant };
  }
}
