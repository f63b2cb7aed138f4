/**
 * Whether a node forgets its clients: first so many that connect, do something and leave, then viewers that stay while
 * others come and go. Heap (after a collection) and descriptors are read all along; both must end where they began. Ends
 * with status 1 when they did not, or when a visit failed.
 *
 *   npm run bench -- rtmp-soak [--cycles 10000] [--at-once 50] [--for 600] [--viewers 200] [--json]
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startPublisher } from '@weir/cli/demo/clients';
import { LoadViewer } from '@weir/cli/load/load-viewer';
import { createLogger } from '@weir/contracts/logger';
import { readClip } from '@weir/edge/relay/clip';
import { Protocol } from '@weir/edge/rtmp/protocol';
import { visit } from './rtmp/churn.ts';
import { OWN_DESCRIPTORS, startMeasuredNode } from './rtmp/measured-node.ts';

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '10000' },
    'at-once': { type: 'string', default: '50' },
    for: { type: 'string', default: '600' },
    viewers: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const CYCLES = Number(values.cycles);
const AT_ONCE = Number(values['at-once']);
const SECONDS = Number(values.for);
const VIEWERS = Number(values.viewers);
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

const CLIP = new URL('../../services/cli/assets/demo.flv', import.meta.url);
/** Code is compiled and caches fill while the first come: what is flat is measured from then on. */
const WARM_UP_CYCLES = 800;
const LOOKS = 10;
/** Visits a second while others stay. */
const CHURN_PER_SECOND = 20;
/** Heap may grow by so much per cycle, and by so much in all: a leaked session is 5 kB and more. */
const MOST_BYTES_PER_CYCLE = 400;
const MOST_HEAP_GROWTH_BYTES = 4_000_000;
const GONE_WITHIN_MS = 30_000;

interface Look {
  at: string;
  heapMegabytes: number;
  residentMegabytes: number;
  descriptors: number;
}

spawnSync('taskset', ['-cp', '1', `${process.pid}`]);
const node = await startMeasuredNode({ limits: { connections: 20_000 } }, { core: '0' });
const [host = '', port = ''] = node.addresses.rtmp.split(':');
const stream = { app: 'live', name: 'soak' };
const protocol = new Protocol();
const target = { ...node.addresses, ...stream, protocol };
const publisher = startPublisher(
  readClip(CLIP),
  { host, port: Number(port), ...stream },
  createLogger('bench', 'error'),
);
const viewers: LoadViewer[] = [];
const looks: Look[] = [];

/** Waits until only so many connections are open, then looks. */
async function look(at: string, connections: number): Promise<Look> {
  const untilMs = performance.now() + GONE_WITHIN_MS;
  let report = await node.report();
  const open = () => report.stats.connections.reduce((sum, one) => sum + one.open, 0);
  while (open() > connections && performance.now() < untilMs) {
    await delay(100);
    report = await node.report();
  }
  const one = {
    at,
    heapMegabytes: Number((report.heapBytes / 1e6).toFixed(2)),
    residentMegabytes: Number((node.residentBytes() / 1e6).toFixed(1)),
    descriptors: node.openFiles(),
  };
  looks.push(one);
  say(
    `${at.padEnd(24)} heap ${one.heapMegabytes} MB, resident ${one.residentMegabytes} MB, ${one.descriptors} descriptors`,
  );
  return one;
}

try {
  await publisher.first;
  let failed = await visit(target, 0, WARM_UP_CYCLES, AT_ONCE);
  const first = await look('warm', 1);
  let done = WARM_UP_CYCLES;
  for (let part = 1; part <= LOOKS; part += 1) {
    const to = WARM_UP_CYCLES + Math.round((CYCLES * part) / LOOKS);
    failed += await visit(target, done, to, AT_ONCE);
    done = to;
    await look(`${to - WARM_UP_CYCLES} cycles`, 1);
  }
  const afterCycles = looks.at(-1) as Look;

  const readBuffer = Buffer.allocUnsafe(262_144);
  for (let index = 0; index < (SECONDS > 0 ? VIEWERS : 0); index += 1) {
    const options = { protocol, readBuffer, sampled: index % 20 === 0, timeoutMs: 20_000 };
    viewers.push(await LoadViewer.join({ ...options, target: { host, port: Number(port), ...stream } }));
  }
  const beganMs = performance.now();
  for (const viewer of viewers) viewer.check?.begin(beganMs);
  const firstStay = SECONDS > 0 ? await look('viewers stay', 1 + viewers.length) : first;
  let lastStay = firstStay;
  for (let part = 1; SECONDS > 0 && part <= LOOKS; part += 1) {
    const untilMs = beganMs + (SECONDS * 1_000 * part) / LOOKS;
    while (performance.now() < untilMs) {
      const startMs = performance.now();
      failed += await visit(target, done, done + CHURN_PER_SECOND, CHURN_PER_SECOND);
      done += CHURN_PER_SECOND;
      await delay(Math.max(0, Math.min(startMs + 1_000, untilMs) - performance.now()));
    }
    lastStay = await look(`${Math.round((SECONDS * part) / LOOKS)} s`, 1 + viewers.length);
  }
  const endedMs = performance.now();
  const checks = viewers.flatMap(({ check }) => (check ? [check.figures(endedMs)] : []));
  const cyclesGrowth = (afterCycles.heapMegabytes - first.heapMegabytes) * 1e6;
  const stayGrowth = (lastStay.heapMegabytes - firstStay.heapMegabytes) * 1e6;
  const result = {
    cycles: CYCLES,
    seconds: SECONDS,
    visits: done,
    failed,
    heapBytesPerCycle: Number((cyclesGrowth / CYCLES).toFixed(1)),
    descriptorsGrown: {
      cycles: afterCycles.descriptors - first.descriptors,
      soak: lastStay.descriptors - firstStay.descriptors,
    },
    heapGrowthMegabytes: { cycles: cyclesGrowth / 1e6, soak: stayGrowth / 1e6 },
    viewers: {
      lost: viewers.filter(({ lost }) => lost).length,
      backwards: checks.reduce((sum, { backwards }) => sum + backwards, 0),
    },
  };
  const isFlat =
    cyclesGrowth <= Math.max(MOST_HEAP_GROWTH_BYTES / 4, CYCLES * MOST_BYTES_PER_CYCLE) &&
    stayGrowth <= MOST_HEAP_GROWTH_BYTES &&
    result.descriptorsGrown.cycles <= OWN_DESCRIPTORS &&
    result.descriptorsGrown.soak <= OWN_DESCRIPTORS &&
    failed === 0 &&
    result.viewers.lost + result.viewers.backwards === 0;
  process.stdout.write(`${JSON.stringify({ bench: 'rtmp-soak', isFlat, ...result, looks })}\n`);
  process.exitCode = isFlat ? 0 : 1;
} finally {
  for (const viewer of viewers) viewer.close();
  await publisher.close();
  await node.close();
}
