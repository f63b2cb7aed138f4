/** How much of its resources this process uses, from one question to the next. After it: the load-aware weight. */
import { performance } from 'node:perf_hooks';
import type { MediaSnapshot } from '../stats.ts';
import type { Usage } from './load-weight.ts';

type Counts = Pick<MediaSnapshot, 'connections' | 'connectionLimit' | 'io'>;

/**
 * A function that says what was used since it was last called.
 * @param sendBitsPerSecond what this node may send; 0 = unknown, then bandwidth counts for nothing.
 */
export function usageMeter(counts: () => Counts, sendBitsPerSecond: number): () => Usage {
  let loop = performance.eventLoopUtilization();
  let atMs = performance.now();
  let bytes = sentBytes(counts());
  return () => {
    const nowMs = performance.now();
    const now = counts();
    const sent = sentBytes(now);
    const busy = performance.eventLoopUtilization(loop).utilization;
    const bitsPerSecond = ((sent - bytes) * 8_000) / Math.max(1, nowMs - atMs);
    loop = performance.eventLoopUtilization();
    atMs = nowMs;
    bytes = sent;
    const clients = now.connections.reduce((sum, { role, open }) => (role === 'relay' ? sum : sum + open), 0);
    return {
      connections: clients / now.connectionLimit,
      cpu: busy,
      bandwidth: sendBitsPerSecond > 0 ? bitsPerSecond / sendBitsPerSecond : 0,
    };
  };
}

function sentBytes({ io }: Counts): number {
  return io.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
}
