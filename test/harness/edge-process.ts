/**
 * A node in a process of its own, for tests that kill it. This file is both sides: imported, it starts the process; run,
 * it is the process (its one argument is the configuration as JSON, its one line of output the addresses).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { PartialConfig } from '@weir/contracts/config/schema';
import type { Node } from '@weir/edge/main';
import { startTestNode } from './edge.ts';

/** A node in another process. */
export interface NodeProcess {
  readonly name: string;
  readonly addresses: Node['addresses'];
  readonly pid: number;
  rtmpUrl(stream: string): string;
  httpUrl(path: string): string;
  /** Ends it as a power cut would. */
  kill9(): Promise<void>;
  /** Stops it without ending it: its connections stay open and carry nothing. */
  freeze(): void;
  close(): Promise<void>;
}

/** Starts a node with `overrides` as `startTestNode` does, in a process of its own; `flags` are Node's. */
export async function startNodeProcess(
  overrides: PartialConfig = {},
  flags: readonly string[] = [],
): Promise<NodeProcess> {
  const child: ChildProcess = spawn(process.execPath, [...flags, import.meta.filename, JSON.stringify(overrides)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    exited.then(([status]) => {
      throw new Error(`the node ended with status ${status} before it was ready`);
    }),
  ]);
  const { name, addresses } = JSON.parse(first) as Pick<Node, 'name' | 'addresses'>;
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await exited;
  };
  return {
    name,
    addresses,
    pid: child.pid ?? 0,
    rtmpUrl: (stream) => `rtmp://${addresses.rtmp}/${stream}`,
    httpUrl: (path) => `http://${addresses.http}${path}`,
    kill9: () => end('SIGKILL'),
    freeze: () => void child.kill('SIGSTOP'),
    async close() {
      child.kill('SIGCONT');
      await end('SIGTERM');
    },
  };
}

async function main(): Promise<void> {
  const node = await startTestNode(JSON.parse(process.argv[2] ?? '{}') as PartialConfig);
  const end = () => void node.close().then(() => process.exit(0));
  process.once('SIGTERM', end);
  // The end of the parent is the end of the child.
  process.stdin.once('end', end).resume();
  process.stdout.write(`${JSON.stringify({ name: node.name, addresses: node.addresses })}\n`);
}

if (import.meta.main) await main();
