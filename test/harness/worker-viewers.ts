/**
 * Clients on every worker of a node. Who hands out connections prefers the worker that is ready first, so nobody may
 * count on turns: clients come one by one until each worker has its own.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { holdsSocket } from '@weir/contracts/listen';
import type { TestNode } from './edge.ts';
import { type NotingViewer, playStream } from './rtmp-viewer.ts';

const ATTEMPTS = 64;

/** Viewers of `stream`, in the order they came: at least `perWorker` on every worker of `node`. */
export async function playOnEachWorker(node: TestNode, stream: string, perWorker = 1): Promise<NotingViewer[]> {
  const viewers: NotingViewer[] = [];
  const counts = new Map(node.workers().map(({ index }) => [index, 0]));
  while ([...counts.values()].some((count) => count < perWorker)) {
    if (viewers.length === ATTEMPTS) throw new Error(`${ATTEMPTS} viewers in, still not ${perWorker} on each worker`);
    const viewer = await playStream(node.rtmpUrl(stream));
    viewers.push(viewer);
    const worker = workerServing(node, viewer.client.socket);
    if (worker !== undefined) counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return viewers;
}

/** Index of the worker that has the other end of a client's IPv4 connection; undefined when none has (yet). */
export function workerServing(node: TestNode, { localPort, remotePort }: Socket): number | undefined {
  const hex = (port = 0) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const row of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local, remote, , , , , , , inode] = row.trim().split(/\s+/);
    if (!local?.endsWith(hex(remotePort)) || !remote?.endsWith(hex(localPort))) continue;
    return node.workers().find(({ pid }) => holdsSocket(pid, new Set([`socket:[${inode}]`])))?.index;
  }
  return undefined;
}
