/**
 * Who may in, asked from a worker: the primary decides, so that every limit and every callback is the node's. Before it:
 * the worker's listeners; after it: front-desk.ts in the primary.
 */
import type { CloseReason } from '@weir/contracts/events';
import type { Admission, Grant } from '../access/access.ts';
import { plainAddress } from '../access/address.ts';
import type { AccessRequest, Caller, Refusal } from '../access/check.ts';
import type { ComingSocket } from '../stream/connections.ts';
import type { ToPrimary, ToWorker } from './messages.ts';

type Answer = Extract<ToWorker, { kind: 'answer' }>;

/** One per worker. */
export class RemoteAccess implements Admission {
  readonly #send: (message: ToPrimary) => void;
  readonly #calls = new Map<number, (answer: Answer) => void>();
  /**
   * Numbers of the clients that are connected. Address and port would not do instead: a client that reset its connection
   * before it was accepted, as health checks do, has neither.
   */
  readonly #clients = new Map<string, number>();
  /** Of this worker's clients, by their numbers in the primary. */
  readonly #grants = new Map<number, Grant>();
  #lastClient = 0;
  #lastCall = 0;

  constructor(send: (message: ToPrimary) => void) {
    this.#send = send;
  }

  /** Only told: a refusal is kept by the primary and given when the client asks for something. */
  admit(socket: ComingSocket): undefined {
    const address = plainAddress(socket.remoteAddress);
    const who = clientOf({ address, port: socket.remotePort ?? 0 });
    this.#lastClient += 1;
    const client = this.#lastClient;
    this.#clients.set(who, client);
    this.#send({ kind: 'came', client, address });
    socket.once('close', () => {
      if (this.#clients.get(who) === client) this.#clients.delete(who);
      this.#send({ kind: 'left', client });
    });
  }

  async connect(caller: Caller, app: string, query: URLSearchParams): Promise<Refusal | undefined> {
    const client = this.#numberOf(caller);
    const answer = await this.#call((call) => {
      this.#send({ kind: 'connect', call, client, caller, app, query: query.toString() });
    });
    return answer.refusal;
  }

  async ask(request: AccessRequest): Promise<Grant | Refusal> {
    const client = this.#numberOf(request);
    // Callers may hand in more than the request: only what it is made of can be sent.
    const { action, app, name, query, protocol, address, port, userAgent } = request;
    const sent = { action, app, name, protocol, address, port, userAgent, query: query.toString() };
    const { refusal, grant } = await this.#call((call) => this.#send({ kind: 'ask', call, client, request: sent }));
    if (refusal || grant === undefined) return refusal ?? { refused: 'error', description: 'Nobody answered.' };
    const granted: Grant = {
      end: (reason: CloseReason) => {
        if (this.#grants.delete(grant)) this.#send({ kind: 'end-grant', grant, reason });
      },
    };
    this.#grants.set(grant, granted);
    return granted;
  }

  /** The primary withdraws a place. */
  withdrawn({ grant, reason }: Extract<ToWorker, { kind: 'withdraw' }>): void {
    this.#grants.get(grant)?.onWithdrawn?.(reason);
  }

  /** The primary answered. */
  answered(answer: Answer): void {
    this.#calls.get(answer.call)?.(answer);
    this.#calls.delete(answer.call);
  }

  /** 0: one that has left. */
  #numberOf(caller: Pick<Caller, 'address' | 'port'>): number {
    return this.#clients.get(clientOf(caller)) ?? 0;
  }

  #call(send: (call: number) => void): Promise<Answer> {
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      send(call);
    });
  }
}

/** A client that can ask for something: address and port are unique among these. */
function clientOf({ address, port }: Pick<Caller, 'address' | 'port'>): string {
  return `${address} ${port}`;
}
