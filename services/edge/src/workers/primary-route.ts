/**
 * A worker's HTTP requests for anything but a live stream (HLS, the player, health, the list of streams), handed to the
 * primary, which has the whole node: any worker answers for all. Before it: the worker's HTTP listener; after it: the
 * primary's, on a Unix socket.
 */
import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { PlayerRoute } from '../http/player-route.ts';

/** Who the client is, in a request from a worker: address and port. */
const CLIENT_HEADER = 'weir-client';
/** Which worker answered: for people who look. */
const WORKER_HEADER = 'Weir-Worker';

/** Hands every request that reaches it to the primary's HTTP listener at `path`. */
export function primaryRoute(path: string, worker: number): PlayerRoute {
  return (request, response) => {
    const { remoteAddress = '', remotePort = 0 } = request.socket;
    const headers = { ...request.headers, [CLIENT_HEADER]: `${remoteAddress} ${remotePort}` };
    // A connection each: the primary takes it for the client's own.
    const { method, url } = request;
    const asking = ask({ socketPath: path, method, path: url, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, [WORKER_HEADER]: String(worker) });
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    });
    asking.once('error', () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
    response.once('close', () => asking.destroy());
    request.pipe(asking);
    return true;
  };
}

/** Comes before the primary's own routes: makes the worker's client that of the connection. */
export function asClientOfWorker(request: IncomingMessage): void {
  const [remoteAddress, port] = String(request.headers[CLIENT_HEADER] ?? '').split(' ');
  Object.defineProperties(request.socket, {
    remoteAddress: { value: remoteAddress, configurable: true },
    remotePort: { value: Number(port), configurable: true },
  });
}

/** `route` after {@link asClientOfWorker}. */
export function forWorkers(route: PlayerRoute | undefined): PlayerRoute {
  return (request: IncomingMessage, response: ServerResponse) => {
    asClientOfWorker(request);
    return route?.(request, response) ?? false;
  };
}
