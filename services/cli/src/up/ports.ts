/** Ports of a system that is about to start: free ones found, given ones checked before anything runs. */
import { createServer } from 'node:net';
import { errorCode, WeirError } from '@weir/contracts/errors';
import { portOwner } from '@weir/contracts/listen';

/** One listener that is going to be. */
export interface Listener {
  /** What it is for, e.g. `RTMP of edge-1`. */
  purpose: string;
  host: string;
  port: number;
  /** Flag that moves it. */
  flag: string;
}

/** Below the range from which Linux takes the local ports of outgoing connections, so that none of those is in the way. */
const AUTO_FIRST = 20_000;
const AUTO_COUNT = 12_000;

/** Hands out free ports, each once. */
export interface PortFinder {
  next(host: string): Promise<number>;
}

/** A finder that starts at a random place, so that systems started at once do not meet. */
export function createPortFinder(first = AUTO_FIRST + Math.floor(Math.random() * AUTO_COUNT)): PortFinder {
  let offset = first - AUTO_FIRST;
  return {
    async next(host) {
      for (let tries = 0; tries < AUTO_COUNT; tries++) {
        const port = AUTO_FIRST + (offset++ % AUTO_COUNT);
        if ((await listenProblem(host, port)) === undefined) return port;
      }
      throw new WeirError(
        'UP_NO_PORT',
        `No port between ${AUTO_FIRST} and ${AUTO_FIRST + AUTO_COUNT} is free on ${host}.`,
      );
    },
  };
}

/**
 * Checks that every listener can be had.
 * @throws WeirError `UP_PORT_TAKEN` naming port and owner, `UP_PORT_REFUSED` when the system does not allow it.
 */
export async function checkPorts(listeners: readonly Listener[]): Promise<void> {
  const seen = new Map<number, Listener>();
  for (const listener of listeners) {
    const twin = seen.get(listener.port);
    if (twin) {
      throw new WeirError(
        'UP_PORT_TAKEN',
        `Port ${listener.port} is meant for two things, the ${twin.purpose} and the ${listener.purpose}: ` +
          `move one with ${twin.flag} or ${listener.flag}, or let --ports auto choose.`,
      );
    }
    seen.set(listener.port, listener);
  }
  const problems = await Promise.all(
    listeners.map(async (one) => ({ one, code: await listenProblem(one.host, one.port) })),
  );
  const first = problems.find(({ code }) => code !== undefined);
  if (first === undefined) return;
  const { one, code } = first;
  if (code !== 'EADDRINUSE') {
    throw new WeirError(
      'UP_PORT_REFUSED',
      `Cannot listen on ${one.host}:${one.port} for the ${one.purpose} (${code}): choose another with ${one.flag}.`,
    );
  }
  const owner = portOwner(one.port);
  const by = owner === undefined ? 'another process' : `${owner.command} (process ${owner.pid})`;
  throw new WeirError(
    'UP_PORT_TAKEN',
    `Port ${one.port} for the ${one.purpose} is taken by ${by}: stop it, move ours with ${one.flag}, or use --ports auto.`,
  );
}

/** The system's error code when nobody can listen there now, undefined when it is free. */
function listenProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(errorCode(error) ?? 'unknown'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
