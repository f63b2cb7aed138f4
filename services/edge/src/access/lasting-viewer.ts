/**
 * A viewer without a connection that lasts: HLS asks again and again, over any number of sockets, and a worker's client is
 * in another process. It takes the places a socket takes, until it has gone. Before it: HLS and front-desk.ts; after it:
 * access, for which it is a socket that comes and goes.
 */
import { EventEmitter } from 'node:events';
import type { ComingSocket } from '../stream/connections.ts';
import type { Admission, Grant } from './access.ts';
import type { AccessRequest, Refusal } from './check.ts';

/** Stands for a socket that is elsewhere, as far as its place on the node goes. */
export class DistantSocket extends EventEmitter<{ close: [] }> implements ComingSocket {
  readonly remoteAddress: string;
  readonly remotePort = 0;

  constructor(address: string) {
    super();
    this.remoteAddress = address;
  }

  /** It has gone: its places are free. */
  leave(): void {
    this.emit('close');
  }
}

/** Lets a viewer in as a connection of its own: connect rate, places of its address and of the node, then its stream. */
export async function admitLasting(access: Admission, request: AccessRequest): Promise<Grant | Refusal> {
  const place = new DistantSocket(request.address);
  const full = access.admit(place);
  if (full) return full;
  const grant = await access.ask(request);
  if ('refused' in grant) {
    place.leave();
    return grant;
  }
  const lasting: Grant = {
    end(reason) {
      grant.end(reason);
      place.leave();
    },
  };
  grant.onWithdrawn = (reason) => lasting.onWithdrawn?.(reason);
  return lasting;
}
