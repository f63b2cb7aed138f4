/**
 * Viewers that stop reading: what the node keeps for them, whether the others lose anything, and how they are put out.
 * Core 0 has the node, core 1 the load. Ends with status 1 when memory grew by more than 64 MB, when one of the others
 * lost bytes or order, or when one that stopped was not put out as a slow viewer.
 *
 *   npm run bench -- rtmp-stall [--viewers 1000] [--stalled 100] [--for 60] [--rate 200] [--json]
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startPublisher } from '@weir/cli/demo/clients';
import { distribution } from '@weir/cli/load/distribution';
import { LoadViewer } from '@weir/cli/load/load-viewer';
import { createLogger } from '@weir/contracts/logger';
import { readClip } from '@weir/edge/relay/clip';
import { Protocol } from '@weir/edge/rtmp/protocol';
import type { MediaSnapshot } from '@weir/edge/stats';
import { startMeasuredNode } from './rtmp/measured-node.ts';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1000' },
    stalled: { type: 'string', default: '100' },
    for: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const [VIEWERS, STALLED, SECONDS, RATE] = [values.viewers, values.stalled, values.for, values.rate].map(Number) as [
  number,
  number,
  number,
  number,
];
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

const CLIP = new URL('../../services/cli/assets/demo.flv', import.meta.url);
const MOST_GROWTH_BYTES = 64 * 1_048_576;
const LOOK_MS = 250;
const SETTLE_MS = 5_000;
const GRACE_MS = 30_000;
const JOIN_TIMEOUT_MS = 20_000;
/** A sampled viewer parses everything: enough to see order, few enough for one core. */
const SAMPLED = 20;
/** Of the median's bytes: windows at both ends take a little. */
const WHOLE_SHARE = 0.98;

/** Viewers put out because they did not keep up. */
function slowOnes({ closed }: MediaSnapshot): number {
  const slow = closed.filter(({ role, reason }) => role === 'viewer' && reason === 'slow-viewer');
  return slow.reduce((sum, { count }) => sum + count, 0);
}

spawnSync('taskset', ['-cp', '1', `${process.pid}`]);
const node = await startMeasuredNode({ limits: { connections: 20_000 } }, { core: '0' });
const [host = '', port = ''] = node.addresses.rtmp.split(':');
const target = { host, port: Number(port), app: 'live', name: 'stall' };
const publisher = startPublisher(readClip(CLIP), target, createLogger('bench', 'error'));
const viewers: LoadViewer[] = [];
try {
  await publisher.first;
  const protocol = new Protocol();
  const readBuffer = Buffer.allocUnsafe(262_144);
  const startMs = performance.now();
  for (let index = 0; index < VIEWERS; index += 1) {
    // The sampled ones are not among those that will stop.
    const sampled = index >= STALLED && index % Math.floor(VIEWERS / SAMPLED) === 0;
    viewers.push(await LoadViewer.join({ target, protocol, readBuffer, sampled, timeoutMs: JOIN_TIMEOUT_MS }));
    await delay(Math.max(0, startMs + (index * 1_000) / RATE - performance.now()));
  }
  await delay(SETTLE_MS);
  const [stalled, others] = [viewers.slice(0, STALLED), viewers.slice(STALLED)];
  await node.report(); // collects garbage: what follows is growth
  const restBytes = node.residentBytes();
  const before = others.map(({ bytes }) => bytes);
  const beganMs = performance.now();
  for (const viewer of others) viewer.check?.begin(beganMs);
  for (const viewer of stalled) viewer.stopReading();
  let mostBytes = restBytes;
  let allOutMs: number | undefined;
  const isOver = () => performance.now() - beganMs >= SECONDS * 1_000;
  // The kernel's own buffers take some MB of each before anything is queued: some are put out a little later.
  const isLate = () => performance.now() - beganMs >= SECONDS * 1_000 + GRACE_MS;
  while (!isOver() || (!isLate() && allOutMs === undefined)) {
    await delay(LOOK_MS);
    mostBytes = Math.max(mostBytes, node.residentBytes());
    if (allOutMs === undefined && slowOnes(await node.stats()) === STALLED) allOutMs = performance.now() - beganMs;
  }
  const endedMs = performance.now();
  const received = others.map(({ bytes }, index) => bytes - (before[index] ?? 0));
  const { stats } = await node.report();
  const putOut = slowOnes(stats);
  const median = distribution(received, 0).p50;
  const checks = others.flatMap(({ check }) => (check ? [check.figures(endedMs)] : []));
  const result = {
    viewers: VIEWERS,
    stalled: STALLED,
    seconds: SECONDS,
    growthMegabytes: Number(((mostBytes - restBytes) / 1e6).toFixed(1)),
    putOut,
    allOutSeconds: allOutMs === undefined ? null : Number((allOutMs / 1_000).toFixed(1)),
    framesDropped: stats.framesDropped,
    others: {
      lost: others.filter(({ lost }) => lost).length,
      whole: received.filter((bytes) => bytes >= median * WHOLE_SHARE).length,
      bitsPerSecond: distribution(
        received.map((bytes) => (bytes * 8_000) / (endedMs - beganMs)),
        0,
      ),
      backwards: checks.reduce((sum, { backwards }) => sum + backwards, 0),
      mediaRate: distribution(
        checks.map(({ mediaRate }) => mediaRate),
        3,
      ),
      longestGapMs: distribution(checks.map(({ longestGapMs }) => longestGapMs)),
    },
  };
  const { others: rest } = result;
  const isWell =
    mostBytes - restBytes <= MOST_GROWTH_BYTES &&
    putOut === STALLED &&
    rest.lost === 0 &&
    rest.whole === others.length &&
    rest.backwards === 0;
  say(
    `${STALLED} of ${VIEWERS} viewers stopped reading for ${SECONDS} s: memory grew by ${result.growthMegabytes} MB at most; ` +
      `${putOut} were put out as slow viewers, ${stats.framesDropped} messages were left out for them.`,
  );
  say(
    `Of the other ${others.length}, ${rest.whole} got everything, ${rest.lost} were cut off, ${rest.backwards} timestamps went ` +
      `back, longest gap p95 ${rest.longestGapMs.p95} ms.`,
  );
  process.stdout.write(`${JSON.stringify({ bench: 'rtmp-stall', isWell, ...result })}\n`);
  process.exitCode = isWell ? 0 : 1;
} finally {
  for (const viewer of viewers) viewer.close();
  await publisher.close();
  await node.close();
}
