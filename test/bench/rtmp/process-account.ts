/** What a process has used and holds, by the kernel's account (Linux /proc). */
import { readdirSync, readFileSync } from 'node:fs';

/** Run time at one moment. */
export interface Account {
  runNanos: number;
  atSeconds: number;
}

/** Run time of all threads by the scheduler (/proc/PID/task/TID/schedstat, first figure, ns). */
export function account(pid: number): Account {
  let runNanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    runNanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return { runNanos, atSeconds: performance.now() / 1_000 };
}

/** Share of one core between two accounts. */
export function coreShare(before: Account, after: Account): number {
  return (after.runNanos - before.runNanos) / 1e9 / (after.atSeconds - before.atSeconds);
}

/** Memory resident now. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Open descriptors. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
