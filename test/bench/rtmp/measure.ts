/** One cell of the table: a server, a publisher, so many viewers, and the server's CPU and memory while they watch. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Distribution } from '@weir/cli/load/distribution';
import type { LoadFigures } from '@weir/cli/load/run-load';
import type { Contender, RunningServer } from './servers.ts';

/** What one cell says. */
export interface Measurement {
  server: string;
  viewers: number;
  seconds: number;
  /** Of one core. */
  cpuPercent: number;
  /** CPU of the server per viewer and second. */
  microsPerViewerSecond: number;
  residentMegabytes: number;
  firstFrameMs: Distribution;
  longestGapMs: Distribution;
  bitsPerSecond: Distribution;
  /** Viewers that got the whole stream. */
  whole: number;
  failed: number;
  lost: number;
}

const LOAD_CORE = '1';
const CLI = fileURLToPath(new URL('../../../services/cli/src/main.ts', import.meta.url));
const RAW = fileURLToPath(new URL('./raw-viewers.ts', import.meta.url));

/** Starts the server, loads it, reads its account before and after, stops it. */
export async function measure(
  contender: Contender,
  { viewers, seconds }: { viewers: number; seconds: number },
): Promise<Measurement> {
  const server = await contender.start();
  try {
    const load = startLoad(server, viewers, seconds);
    const output = text(load);
    await measuring(load);
    const before = account(server.pid);
    await new Promise((resolve) => setTimeout(resolve, seconds * 800)); // inside the load's own stretch
    const after = account(server.pid);
    const residentMegabytes = residentBytes(server.pid) / 1e6;
    const figures = JSON.parse(await output) as LoadFigures;
    const cpuSeconds = (after.runNanos - before.runNanos) / 1e9;
    const elapsed = after.atSeconds - before.atSeconds;
    return {
      server: contender.name,
      viewers,
      seconds,
      cpuPercent: Number(((100 * cpuSeconds) / elapsed).toFixed(2)),
      microsPerViewerSecond: Number(((1e6 * cpuSeconds) / elapsed / viewers).toFixed(1)),
      residentMegabytes: Number(residentMegabytes.toFixed(1)),
      firstFrameMs: figures.firstFrameMs,
      longestGapMs: figures.sampled.longestGapMs,
      bitsPerSecond: figures.bitsPerSecond,
      whole: figures.whole,
      failed: figures.failed,
      lost: figures.lost,
    };
  } finally {
    await server.stop();
  }
}

function startLoad(server: RunningServer, viewers: number, seconds: number): ChildProcess {
  const url = `rtmp://${server.host}:${server.port}/${server.app}/${server.stream}`;
  const publishers = server.publish ? '1' : '0';
  const command =
    server.speaks === 'bytes'
      ? [RAW, `${server.port}`, `${viewers}`, `${seconds}`]
      : [CLI, 'load', url, '--viewers', `${viewers}`, '--publishers', publishers, '--for', `${seconds}`, '--json'];
  const pinned = spawnSync('taskset', ['--version']).status === 0 ? ['taskset', '-c', LOAD_CORE] : [];
  const [program = '', ...args] = [...pinned, process.execPath, ...command];
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function text(child: ChildProcess): Promise<string> {
  let all = '';
  child.stdout?.setEncoding('utf8');
  for await (const part of child.stdout ?? []) all += part;
  return all;
}

/** Resolves when the load says that all have joined and its measured stretch begins. */
async function measuring(child: ChildProcess): Promise<void> {
  let all = '';
  child.stderr?.setEncoding('utf8');
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (part: string) => {
      all += part;
      if (all.includes('measuring')) resolve();
    });
    child.once('exit', () => reject(new Error(`The load ended before it measured: ${all}`)));
  });
}

interface Account {
  runNanos: number;
  atSeconds: number;
}

/** Run time of all threads by the scheduler (Linux /proc/PID/task/TID/schedstat, first figure, ns). */
function account(pid: number): Account {
  let runNanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    runNanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return { runNanos, atSeconds: performance.now() / 1_000 };
}

function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}
