/** Clients in one process in a namespace of the host, asked by lines of JSON: stand-in-clients.ts, media-client.ts. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.ts';

/** Asks the clients for an operation. */
export type Ask = <T>(op: string, options?: object) => Promise<T>;

const STAND_INS = fileURLToPath(new URL('./stand-in-clients.ts', import.meta.url));

/** @param script whose operations they are; by default the clients of stand-ins. */
export function startClients(namespace: Namespace, script = STAND_INS): { ask: Ask; child: ChildProcess } {
  const child = namespace.start(`${process.execPath} ${script}`, { stdin: 'pipe' });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  if (!child.stdout) throw new Error('no output of the clients');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    if (error === undefined) waiting.get(id)?.resolve(result);
    else waiting.get(id)?.reject(new Error(error));
    waiting.delete(id);
  });
  const ask = <T>(op: string, options: object = {}) => {
    next += 1;
    const id = next;
    child.stdin?.write(`${JSON.stringify({ timeoutMs: 1_500, ...options, op, id })}\n`);
    return new Promise<T>((resolve, reject) => waiting.set(id, { resolve: (value) => resolve(value as T), reject }));
  };
  return { ask, child };
}
