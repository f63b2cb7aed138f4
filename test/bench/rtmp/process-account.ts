/** What a process has used and holds, by the kernel's account (Linux /proc). */
import { readdirSync, readFileSync } from 'node:fs';

/** What a process has had of the cores up to one moment. */
export interface Account {
  /** Time its threads ran, ns. */
  runNanos: number;
  /** Time they could have run and something else had the core, ns. */
  waitNanos: number;
  /** Ticks it ran in all, and those of them in the kernel. */
  ticks: number;
  kernelTicks: number;
  atSeconds: number;
}

/** Of all threads, by the scheduler (/proc/PID/task/TID/schedstat, ns) and by ticks (/proc/PID/stat, proc_pid_stat(5)). */
export function account(pid: number): Account {
  let runNanos = 0;
  let waitNanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ').map(Number);
    runNanos += ran ?? 0;
    waitNanos += waited ?? 0;
  }
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may hold spaces: utime and stime are the 14th and 15th of all.
  const [user = 0, kernelTicks = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return { runNanos, waitNanos, ticks: user + kernelTicks, kernelTicks, atSeconds: performance.now() / 1_000 };
}

/** Share of one core between two accounts. */
export function coreShare(before: Account, after: Account): number {
  return (after.runNanos - before.runNanos) / 1e9 / (after.atSeconds - before.atSeconds);
}

/** Share of the time between two accounts that its threads waited for a core: what others on the machine cost it. */
export function waitShare(before: Account, after: Account): number {
  return (after.waitNanos - before.waitNanos) / 1e9 / (after.atSeconds - before.atSeconds);
}

/** How much of what it ran between two accounts it was in the kernel, 0 to 1. */
export function kernelShare(before: Account, after: Account): number {
  return (after.kernelTicks - before.kernelTicks) / Math.max(1, after.ticks - before.ticks);
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
