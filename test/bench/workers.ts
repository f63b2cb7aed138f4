/**
 * What workers bring: how many viewers a node takes until its busiest process has used up a core, with one process and
 * with more. Each process's run time by the scheduler's account is read with few viewers and with many: what grows is
 * the price of a viewer, the rest that of a process. So the ratios hold on a machine whose cores are shared with the
 * load; absolute figures hold for this machine and hour only.
 *
 *   npm run bench -- workers [--viewers 1200] [--workers 1,2] [--for 8] [--window 350] [--rounds 1] [--json]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type LoadFigures, runLoad } from '@weir/cli/load/run-load';
import { createLogger } from '@weir/contracts/logger';
import { distinct, median, ratio } from './rtmp/figures.ts';
import { type Account, account, coreShare, residentBytes } from './rtmp/process-account.ts';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1200' },
    workers: { type: 'string', default: '1,2' },
    for: { type: 'string', default: '8' },
    window: { type: 'string', default: '350' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

interface Result {
  workers: number;
  viewers: number;
  /** Of one core with all viewers, the primary first. */
  cpuPercent: number[];
  /** The same with {@link FEW} viewers. */
  idlePercent: number[];
  residentMegabytes: number[];
  /** Viewers until the busiest process has a core for itself. */
  viewersPerNode: number;
  /** All processes together, of a viewer more, per second. */
  microsPerViewerSecond: number;
  /** Viewers that got the whole stream. */
  whole: number;
  firstFrameP95Ms: number;
}

/** Viewers that make every process work, and cost next to nothing. */
const FEW = 20;
const CLI = fileURLToPath(new URL('../../services/cli/src/main.ts', import.meta.url));
const CLIP = new URL('../../services/cli/assets/demo.flv', import.meta.url);
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

/** One node with so many workers, a publisher and viewers. */
async function measure(workers: number): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'));
  const flags = {
    workers,
    'rtmp-host': '127.0.0.1',
    'rtmp-port': 0,
    'http-host': '127.0.0.1',
    'http-port': 0,
    'relay-host': '127.0.0.1',
    'relay-port': 0,
    'relay-keys': 'bench',
    'node-name': 'bench',
    'nats-servers': 'nats://127.0.0.1:1', // away: media does not need it, telemetry goes to the outbox
    'node-data-dir': join(folder, 'node'),
    'machine-state-dir': join(folder, 'machine'),
    'stream-merge-window-min-ms': values.window,
    'stream-merge-window-max-ms': values.window,
    'limits-connections': 20_000,
    'log-level': 'error',
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, `${value}`]);
  const child = spawn(process.execPath, [CLI, 'edge', '--json', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const [line] = (await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      exited.then(() => Promise.reject(new Error('The node ended before it was ready.'))),
    ])) as [string];
    const { urls } = JSON.parse(line) as { urls: { rtmp: string } };
    const pids = [child.pid ?? 0, ...childrenOf(child.pid ?? 0)];
    if (workers > 1 && pids.length !== workers + 1) throw new Error(`There are ${pids.length - 1} workers.`);
    const few = await stretch(urls.rtmp, FEW, pids);
    const many = await stretch(urls.rtmp, Number(values.viewers), pids);
    const added = many.figures.viewers - FEW;
    const rises = many.shares.map((share, i) => (share - (few.shares[i] ?? 0)) / added);
    if (rises.every((rise) => rise <= 0)) {
      throw new Error(
        `What ${many.figures.viewers} viewers cost cannot be seen: give --viewers more, or --for longer.`,
      );
    }
    const rooms = rises.map((rise, i) => FEW + (1 - (few.shares[i] ?? 0)) / Math.max(rise, 1e-9));
    const percent = (shares: number[]) => shares.map((share) => Number((100 * share).toFixed(1)));
    return {
      workers,
      viewers: many.figures.viewers,
      cpuPercent: percent(many.shares),
      idlePercent: percent(few.shares),
      residentMegabytes: pids.map((pid) => Math.round(residentBytes(pid) / 1e6)),
      viewersPerNode: Math.round(Math.min(...rooms)),
      microsPerViewerSecond: Number((1e6 * rises.reduce((sum, rise) => sum + rise, 0)).toFixed(1)),
      whole: many.figures.whole,
      firstFrameP95Ms: many.figures.firstFrameMs.p95,
    };
  } finally {
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), 8_000);
    await exited;
    clearTimeout(hard);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each process's share of a core while so many viewers watch. */
async function stretch(
  url: string,
  viewers: number,
  pids: readonly number[],
): Promise<{ shares: number[]; figures: LoadFigures }> {
  const now = () => pids.map((pid) => account(pid));
  let before: Account[] = [];
  let after: Account[] = [];
  const figures = await load(url, viewers, {
    begins: () => {
      before = now();
    },
    // Inside the load's own stretch: what ending costs is not measured.
    nearlyOver: () => {
      after = now();
    },
  });
  const shares = after.map((one, i) => coreShare(before[i] as Account, one));
  if (shares.length < pids.length) throw new Error('The load ended before it was measured.');
  return { figures, shares };
}

async function load(url: string, viewers: number, at: { begins(): void; nearlyOver(): void }): Promise<LoadFigures> {
  const seconds = Number(values.for);
  let isMeasuring = false;
  return runLoad(
    {
      target: { host: '127.0.0.1', port: Number(new URL(url).port), app: 'live', name: 'bench' },
      viewers,
      publishers: 1,
      seconds,
      joinsPerSecond: 200,
      sampled: 10,
      clip: CLIP,
      logger: createLogger('load', 'error'),
      onProgress: ({ phase }) => {
        if (phase !== 'measuring' || isMeasuring) return;
        isMeasuring = true;
        at.begins();
        setTimeout(() => at.nearlyOver(), seconds * 800);
      },
    },
    new AbortController().signal,
  );
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

const results: Result[] = [];
say('workers  viewers  CPU per process, primary first (with few)     µs per viewer·s  viewers per node  whole  MB');
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const workers of values.workers.split(',').map(Number)) {
    const result = await measure(workers);
    results.push(result);
    const cpu = result.cpuPercent.map((percent, i) => `${percent} (${result.idlePercent[i]}) %`).join(' + ');
    const cells = [
      `${workers}`.padEnd(7),
      `${result.viewers}`.padStart(8),
      `  ${cpu}`.padEnd(46),
      `${result.microsPerViewerSecond}`.padStart(14),
      `${result.viewersPerNode}`.padStart(17),
      `${result.whole}`.padStart(6),
      ` ${result.residentMegabytes.join(' + ')}`,
    ];
    say(cells.join(' '));
  }
}
const capacity = (workers: number) =>
  median(results.filter((one) => one.workers === workers).map((one) => one.viewersPerNode));
const cost = (workers: number) =>
  median(results.filter((one) => one.workers === workers).map((one) => one.microsPerViewerSecond));
const counts = distinct(results.map(({ workers }) => `${workers}`)).map(Number);
const [one = 1, ...more] = counts;
const ratios = Object.fromEntries(
  more.map((workers) => [
    `${workers}/${one}`,
    { viewersPerNode: ratio(capacity(workers), capacity(one)), cpuPerViewer: ratio(cost(workers), cost(one)) },
  ]),
);
process.stdout.write(`${JSON.stringify({ bench: 'workers', ratios, results })}\n`);
process.exit(0);
