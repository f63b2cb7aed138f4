/** One cell of the table: a server, a publisher, so many viewers, and the server's CPU and memory while they watch. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Distribution } from '@weir/cli/load/distribution';
import type { LoadFigures } from '@weir/cli/load/run-load';
import { account, coreShare, kernelShare, residentBytes, waitShare } from './process-account.ts';
import type { Contender, RunningServer } from './servers.ts';

/** What one cell says. */
export interface Measurement {
  server: string;
  viewers: number;
  seconds: number;
  /** Of one core. */
  cpuPercent: number;
  /** How much of that was in the kernel. */
  kernelPercent: number;
  /** Time its threads waited for the core because something else had it, of the time measured: above a few percent the row tells of the machine. */
  waitedPercent: number;
  /** CPU of the server per viewer and second. */
  microsPerViewerSecond: number;
  residentMegabytes: number;
  /** Of the server before the first client. */
  idleMegabytes: number;
  /** Resident memory above idle, by viewer. */
  kilobytesPerViewer: number;
  /**
   * Longest time from the first to the last write of one flush in the last ten seconds, as the server tells; ours only.
   * With less than 13 seconds of load the viewers' joining is in it.
   */
  longestFlushMs?: number;
  /** Of the load generator, 1 = one core. */
  loadCores: number;
  connectMs: Distribution;
  firstFrameMs: Distribution;
  longestGapMs: Distribution;
  bitsPerSecond: Distribution;
  /** Viewers that got the whole stream. */
  whole: number;
  failed: number;
  lost: number;
}

const LOAD_CORE = '1';
/** What a server does after it listens (it loads, collects, settles) is not counted as its viewers'. */
const IDLE_MS = 3_000;
const CLI = fileURLToPath(new URL('../../../services/cli/src/main.ts', import.meta.url));
const RAW = fileURLToPath(new URL('./raw-viewers.ts', import.meta.url));

/** Starts the server, loads it, reads its account before and after, stops it. */
export async function measure(
  contender: Contender,
  { viewers, seconds }: { viewers: number; seconds: number },
): Promise<Measurement> {
  const server = await contender.start();
  try {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idleBytes = residentBytes(server.pid);
    const load = startLoad(server, viewers, seconds);
    const output = text(load);
    await measuring(load);
    const before = account(server.pid);
    await new Promise((resolve) => setTimeout(resolve, seconds * 800)); // inside the load's own stretch
    const after = account(server.pid);
    const usedBytes = residentBytes(server.pid);
    const longestFlushMs = await server.longestFlushMs?.();
    const figures = JSON.parse(await output) as LoadFigures;
    const cores = coreShare(before, after);
    return {
      server: contender.name,
      viewers,
      seconds,
      cpuPercent: Number((100 * cores).toFixed(2)),
      kernelPercent: Number((100 * kernelShare(before, after)).toFixed(0)),
      waitedPercent: Number((100 * waitShare(before, after)).toFixed(1)),
      microsPerViewerSecond: Number(((1e6 * cores) / viewers).toFixed(1)),
      residentMegabytes: Number((usedBytes / 1e6).toFixed(1)),
      idleMegabytes: Number((idleBytes / 1e6).toFixed(1)),
      kilobytesPerViewer: Number(((usedBytes - idleBytes) / 1e3 / viewers).toFixed(1)),
      ...(longestFlushMs === undefined ? {} : { longestFlushMs: Number(longestFlushMs.toFixed(1)) }),
      loadCores: figures.ownCpu,
      connectMs: figures.connectMs,
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
