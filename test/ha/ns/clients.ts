/** The clients of vm/client.ts, in a namespace of the host: asked by lines of JSON. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.ts';

/** Asks the clients for an operation of vm/client.ts. */
export type Ask = <T>(op: string, options?: object) => Promise<T>;

export function startClients(namespace: Namespace): { ask: Ask; child: ChildProcess } {
  const script = fileURLToPath(new URL('../vm/client.ts', import.meta.url));
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
