/** Finds which process listens on a TCP port, for the error that says it is taken. Linux only; elsewhere it finds nothing. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process that listens. */
export interface PortOwner {
  pid: number;
  /** Its name, e.g. `clickhouse-serv`. */
  command: string;
}

const LISTENING = '0A';

/** The process that listens on `port`, or undefined when it cannot be found or belongs to someone else. */
export function findPortOwner(port: number): PortOwner | undefined {
  const sockets = new Set(
    [...inodes('/proc/net/tcp', port), ...inodes('/proc/net/tcp6', port)].map((inode) => `socket:[${inode}]`),
  );
  if (sockets.size === 0) return undefined;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = list(`/proc/${pid}/fd`).some((fd) =>
      sockets.has(orEmpty(() => readlinkSync(`/proc/${pid}/fd/${fd}`))),
    );
    if (holds) return { pid: Number(pid), command: read(`/proc/${pid}/comm`).trim() };
  }
  return undefined;
}

/** Inodes of the sockets that listen on `port`; columns as in proc(5). */
function inodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = read(table)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local, , state]) => state === LISTENING && local?.endsWith(suffix)).map((row) => row[9] ?? '');
}

function read(path: string): string {
  return orEmpty(() => readFileSync(path, 'utf8'));
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function orEmpty(look: () => string): string {
  try {
    return look();
  } catch {
    return '';
  }
}
