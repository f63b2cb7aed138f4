/**
 * A node in a process of its own that tells about itself, for benches and tests that watch its memory. This file is both
 * sides: imported, it starts the process, with the flags `weir edge` has; run, it is the process.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { MEDIA_FLAGS } from '@weir/edge/process-flags';
import type { MediaSnapshot } from '@weir/edge/stats';
import { startTestNode } from '@weir/test/harness/edge';
import { openFiles, residentBytes } from './process-account.ts';

/** What it says about itself. */
export interface SelfReport {
  heapBytes: number;
  /** Buffers. */
  externalBytes: number;
  stats: MediaSnapshot;
}

/** The node, seen from outside. */
export interface MeasuredNode {
  readonly pid: number;
  /** `host:port` of RTMP and HTTP. */
  readonly addresses: { rtmp: string; http: string };
  /** After a collection of garbage, which stops the node for a moment. */
  report(): Promise<SelfReport>;
  /** As it is. */
  stats(): Promise<MediaSnapshot>;
  residentBytes(): number;
  openFiles(): number;
  close(): Promise<void>;
}

const FREED_BY = 3;

/** Descriptors of the node's own that come and go (dialling NATS, its outbox); a leak would be one per client. */
export const OWN_DESCRIPTORS = 8;

/** Starts it on core `core` where the machine can pin, with telemetry (NATS away) unless `measures` is false. */
export async function startMeasuredNode(
  overrides: PartialConfig,
  { core, measures = true }: { core?: string; measures?: boolean } = {},
): Promise<MeasuredNode> {
  const canPin = core !== undefined && spawnSync('taskset', ['--version']).status === 0;
  const flags = [...MEDIA_FLAGS, '--expose-gc', import.meta.filename, JSON.stringify({ overrides, measures })];
  const [program = '', ...args] = [...(canPin ? ['taskset', '-c', core] : []), process.execPath, ...flags];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const line = async () => {
    const [text] = await Promise.race([
      once(lines, 'line'),
      exited.then(([status]) => Promise.reject(new Error(`The node ended with status ${status}.`))),
    ]);
    return JSON.parse(String(text)) as unknown;
  };
  const addresses = (await line()) as MeasuredNode['addresses'];
  const pid = child.pid ?? 0;
  const ask = async (what: 'report' | 'stats') => {
    const answer = line();
    child.stdin.write(`${what}\n`);
    return (await answer) as SelfReport;
  };
  return {
    pid,
    addresses,
    report: () => ask('report'),
    stats: async () => (await ask('stats')).stats,
    residentBytes: () => residentBytes(pid),
    openFiles: () => openFiles(pid),
    async close() {
      child.stdin.end();
      await exited;
    },
  };
}

async function main(): Promise<void> {
  const { overrides, measures } = JSON.parse(process.argv[2] ?? '{}') as {
    overrides: PartialConfig;
    measures: boolean;
  };
  const node = await startTestNode(overrides, { measures });
  const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);
  say(node.addresses);
  for await (const what of createInterface({ input: process.stdin })) {
    // What a collection frees natively (buffers) is gone a turn later.
    for (let time = 0; what === 'report' && time < FREED_BY; time += 1) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed: heapBytes, external: externalBytes } = process.memoryUsage();
    say({ heapBytes, externalBytes, stats: node.stats() } satisfies SelfReport);
  }
  await node.close();
  process.exit(0);
}

if (import.meta.main) await main();
