/**
 * `npm run bench -- spread [--viewers 450,1800,4800] [--seconds 15] [--json]`: the source's load test (L12). Viewers of
 * one stream over three edges, one process each, the publisher on the first; CPU and memory of every node while all play,
 * beside the source's figures. Load comes from `weir load` processes on the same machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LoadFigures } from '@weir/cli/load/run-load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats } from '@weir/test/harness/nats';
import { publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const { values: options } = parseArgs({
  options: {
    viewers: { type: 'string', default: '450,1800,4800' },
    seconds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});
const SIZES = options.viewers.split(',').map(Number);
const SECONDS = Number(options.seconds);
const STREAM = 'live/spread';
const CLI = fileURLToPath(import.meta.resolve('@weir/cli/main'));
/** Of the three single-core edges with 512 MB each in the source: share of a core, and of memory. */
const SOURCE: Record<number, string> = { 4800: '88 % of a core, 61-87 MB' };
const TICKS_PER_SECOND = 100;
/** The measured stretch begins when all play, and `weir load` needs a moment for its own start. */
const MARGIN_S = 5;

const nats = await startNats();
const node = (name: string, role: 'edge' | 'origin') =>
  startNodeProcess({ node: { name, role }, nats: { servers: [nats.url] } } satisfies PartialConfig);
const edges = await Promise.all(['edge-1', 'edge-2', 'edge-3'].map((name) => node(name, 'edge')));
const nodes = [...edges, await node('origin-1', 'origin')];
const rows: object[] = [];
let isWhole = true;
try {
  const publisher = await publishClip((edges[0] as NodeProcess).rtmpUrl(STREAM));
  for (const viewers of SIZES) {
    const perEdge = Math.round(viewers / edges.length);
    const loads = edges.map((edge) => load(edge.rtmpUrl(STREAM), perEdge));
    await waitFor('all viewers to play', async () => (await playing()) >= perEdge * edges.length, {
      timeoutMs: 120_000,
    });
    const before = nodes.map(({ pid }) => cpuSeconds(pid));
    const startMs = performance.now();
    await sleep(SECONDS * 1_000);
    const seconds = (performance.now() - startMs) / 1_000;
    const cores = nodes.map(({ pid }, i) => (cpuSeconds(pid) - (before[i] ?? 0)) / seconds);
    const memory = nodes.map(({ pid }) => residentBytes(pid));
    const figures = await Promise.all(loads);
    isWhole &&= figures.every(({ whole, failed, lost }) => whole === perEdge && failed + lost === 0);
    const percent = (share = 0) => `${(share * 100).toFixed(1)} %`;
    const megabytes = (bytes = 0) => `${Math.round(bytes / 1e6)} MB`;
    rows.push({
      viewers: perEdge * edges.length,
      'edges, of a core': cores.slice(0, 3).map(percent).join(' '),
      'edges, memory': memory.slice(0, 3).map(megabytes).join(' '),
      'origin, of a core': percent(cores[3]),
      'whole streams': figures.reduce((sum, { whole }) => sum + whole, 0),
      'source, per edge': SOURCE[viewers] ?? '',
    });
    await waitFor('all viewers to leave', async () => (await playing()) === 0);
  }
  await publisher.close();
} finally {
  await Promise.all(nodes.map((one) => one.close()));
  await nats.close();
}
if (options.json) console.log(JSON.stringify({ cores: availableParallelism(), rows }));
else console.table(rows);
if (!isWhole) {
  console.error(
    'Not every viewer got the whole stream: this machine, with the load on it, is too small for that many.',
  );
  process.exitCode = 1;
}

/** Viewers on all edges. */
async function playing(): Promise<number> {
  const counts = edges.map(async (edge) => {
    const { streams } = (await (await fetch(edge.httpUrl('/streams'))).json()) as { streams: { viewers: number }[] };
    return streams.reduce((sum, { viewers }) => sum + viewers, 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

async function load(url: string, viewers: number): Promise<LoadFigures> {
  const args = [CLI, 'load', url, '--viewers', String(viewers), '--for', String(SECONDS + MARGIN_S), '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return JSON.parse(output) as LoadFigures;
}

/** CPU time of a process, user and system. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kibibytes) * 1_024;
}
