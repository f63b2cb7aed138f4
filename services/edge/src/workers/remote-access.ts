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
  /** Of this worker's clients, by their numbers in the primary. */
  readonly #grants = new Map<number, Grant>();
  #lastCall = 0;

  constructor(send: (message: ToPrimary) => void) {
    this.#send = send;
  }

  /** Only told: a refusal is kept by the primary and given when the client asks for something. */
  admit(socket: ComingSocket): undefined {
    const address = plainAddress(socket.remoteAddress);
    const client = clientOf({ address, port: socket.remotePort ?? 0 });
    this.#send({ kind: 'came', client, address });
    socket.once('close', () => this.#send({ kind: 'left', client }));
  }

  async connect(caller: Caller, app: string, query: URLSearchParams): Promise<Refusal | undefined> {
    const client = clientOf(caller);
    const answer = await this.#call((call) => {
      this.#send({ kind: 'connect', call, client, caller, app, query: query.toString() });
    });
    return answer.refusal;
  }

  async ask(request: AccessRequest): Promise<Grant | Refusal> {
    const client = clientOf(request);
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

  #call(send: (call: number) => void): Promise<Answer> {
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      send(call);
    });
  }
}

/** A connected client; address and port are unique among the open ones. */
function clientOf({ address, port }: Pick<Caller, 'address' | 'port'>): string {
  return `${address} ${port}`;
}
