/**
 * Listening on a TCP port with an error a person can act on: which port, which configuration key, and who holds it when
 * the system lets us see. Used by every part that listens, also by means of {@link portTaken} when a framework listens.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { errorCode, WeirError } from './errors.ts';

/** Where to listen. */
export interface ListenTarget {
  /** An address, or the path of a Unix socket (it begins with `/`), which has no port. */
  host: string;
  /** 0 = a free one. */
  port: number;
  /** Configuration key of the port, e.g. `rtmp.port`. */
  key: string;
  /** First word of the error code, e.g. `EDGE` → `EDGE_PORT_TAKEN`. */
  part: string;
}

/**
 * Listens and resolves with the port (0 for a Unix socket).
 * @throws WeirError `<part>_PORT_TAKEN`; any other error of the system as it is.
 */
export async function listen(server: Server, target: ListenTarget): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => reject(portTaken(error, target) ?? error);
    server.once('error', fail);
    const { host, port } = target;
    server.listen(host.startsWith('/') ? { path: host } : { host, port }, () => {
      server.removeListener('error', fail);
      resolve();
    });
  });
  const address = server.address() as AddressInfo | string;
  return typeof address === 'string' ? 0 : address.port;
}

/** The error to show when `error` says that the port of `target` is taken; undefined when it says something else. */
export function portTaken(error: unknown, target: ListenTarget): WeirError | undefined {
  if (errorCode(error) !== 'EADDRINUSE') return undefined;
  const owner = portOwner(target.port);
  const by = owner ? ` by ${owner.command} (process ${owner.pid})` : '';
  return new WeirError(
    `${target.part}_PORT_TAKEN`,
    `Port ${target.port} is taken${by}: stop that, or set ${target.key} to another port (0 picks a free one).`,
    { cause: error },
  );
}

/** A process that holds a port. */
export interface PortOwner {
  pid: number;
  command: string;
}

/** Who listens on TCP `port` of this machine, when Linux' /proc shows it to us; else undefined. */
export function portOwner(port: number): PortOwner | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const pid of entries('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    if (holdsSocket(Number(pid), inodes)) return { pid: Number(pid), command: content(`/proc/${pid}/comm`).trim() };
  }
  return undefined;
}

/** Whether a process holds one of these sockets (`socket:[inode]`), as far as Linux' /proc shows it to us. */
export function holdsSocket(pid: number, sockets: ReadonlySet<string>): boolean {
  return entries(`/proc/${pid}/fd`).some((descriptor) => sockets.has(linkTarget(`/proc/${pid}/fd/${descriptor}`)));
}

const TCP_LISTEN = '0A';

/** Link targets (`socket:[inode]`) of the sockets that listen on `port`. */
function listeningInodes(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of content(table).split('\n')) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${wanted}`) && fields[3] === TCP_LISTEN) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  return inodes;
}

// What /proc does not show us (another user's process, one that just ended, another system) is simply not there.
function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function content(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
