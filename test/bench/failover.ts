/**
 * `npm run bench -- failover [--rounds 5] [--json]`: what viewers see when something under them fails, as percentiles of
 * the longest pause between two video frames, per kind of failure. Every node is a process of its own; viewers watch on
 * two edges through two origins, the publisher is on a third edge.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats } from '@weir/test/harness/nats';
import { type ClipPublisher, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { type GapViewer, watch } from './failover/gap-viewer.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const ROUNDS = Number(options.rounds);
const VIEWERS_PER_EDGE = 5;
/** What the viewers see is noted for so long after a failure. */
const WATCH_MS = 5_000;
const REPUBLISH_AFTER_MS = 1_000;
const STREAM = 'live/failover';

/** A kind of failure, with the target for its 95th percentile. */
interface Kind {
  name: string;
  targetMs: number;
  /** Time that passes by design, not counted: the publisher is away. */
  awayMs?: number;
  fail(stage: Stage): Promise<void>;
}

interface Stage {
  /** The origin the viewers' streams come through. */
  origin: NodeProcess;
  edges: NodeProcess[];
  publisher: ClipPublisher;
  republish(edge: NodeProcess): Promise<void>;
}

const KINDS: Kind[] = [
  { name: 'origin killed', targetMs: 1_000, fail: ({ origin }) => origin.kill9() },
  { name: 'origin frozen (silent)', targetMs: 2_500, fail: async ({ origin }) => origin.freeze() },
  { name: 'origin shut down', targetMs: 1_000, fail: ({ origin }) => origin.close() },
  {
    name: 'publisher killed, back on another edge',
    targetMs: 1_000,
    awayMs: REPUBLISH_AFTER_MS,
    async fail({ publisher, republish, edges }) {
      publisher.client.close();
      await sleep(REPUBLISH_AFTER_MS);
      await republish(edges[1] as NodeProcess);
    },
  },
  {
    name: 'publishing edge killed, back on another',
    targetMs: 1_000,
    awayMs: REPUBLISH_AFTER_MS,
    async fail({ republish, edges }) {
      await (edges[0] as NodeProcess).kill9();
      await sleep(REPUBLISH_AFTER_MS);
      await republish(edges[1] as NodeProcess);
    },
  },
];

const nats = await startNats();
const settings = (name: string, role: 'edge' | 'origin'): PartialConfig => ({
  node: { name, role },
  nats: { servers: [nats.url] },
});

/** One failure in a cluster of its own; the longest pause of each viewer, and how many were disconnected. */
async function round(kind: Kind): Promise<{ pausesMs: number[]; cut: number }> {
  const origins = await Promise.all(['origin-1', 'origin-2'].map((name) => startNodeProcess(settings(name, 'origin'))));
  const edges = await Promise.all(
    ['edge-a', 'edge-b', 'edge-c'].map((name) => startNodeProcess(settings(name, 'edge'))),
  );
  const [edgeA, ...others] = edges as [NodeProcess, ...NodeProcess[]];
  let publisher = await publishClip(edgeA.rtmpUrl(STREAM));
  let viewers: GapViewer[] = [];
  try {
    const places = others.flatMap((edge) => Array.from({ length: VIEWERS_PER_EDGE }, () => edge));
    viewers = await Promise.all(places.map((edge) => watch(edge.rtmpUrl(STREAM))));
    const origin = await waitFor('all viewers behind one origin', async () => {
      const carrying = await Promise.all(origins.map(carries));
      const one = carrying.filter(Boolean).length === 1 ? origins[carrying.indexOf(true)] : undefined;
      return viewers.every((viewer) => viewer.frames > 50) ? one : undefined;
    });
    for (const viewer of viewers) viewer.begin();
    const republish = async (edge: NodeProcess) => {
      publisher = await waitFor('the name', () => publishClip(edge.rtmpUrl(STREAM)), {
        timeoutMs: 10_000,
        everyMs: 20,
      });
    };
    await kind.fail({ origin, edges, publisher, republish });
    await sleep(WATCH_MS);
    const pausesMs = viewers.map((viewer) => Math.max(0, viewer.longestPauseMs() - (kind.awayMs ?? 0)));
    return { pausesMs, cut: viewers.filter((viewer) => viewer.isClosed).length };
  } finally {
    for (const viewer of viewers) viewer.close();
    publisher.client.close();
    await Promise.all([...edges, ...origins].map((node) => node.kill9()));
  }
}

async function carries(origin: NodeProcess): Promise<boolean> {
  const response = await fetch(origin.httpUrl('/streams'));
  return ((await response.json()) as { streams: unknown[] }).streams.length > 0;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
}

const results: object[] = [];
try {
  for (const kind of KINDS) {
    const pausesMs: number[] = [];
    let cut = 0;
    for (let i = 0; i < ROUNDS; i += 1) {
      const seen = await round(kind);
      pausesMs.push(...seen.pausesMs);
      cut += seen.cut;
    }
    const [p50, p95, max] = [0.5, 0.95, 1].map((share) => percentile(pausesMs, share));
    results.push({
      kind: kind.name,
      viewers: pausesMs.length,
      cut,
      p50Ms: p50,
      p95Ms: p95,
      maxMs: max,
      targetMs: kind.targetMs,
    });
    if (cut > 0 || (p95 ?? 0) > kind.targetMs) process.exitCode = 1;
  }
  if (options.json) console.log(JSON.stringify(results));
  else console.table(results);
} finally {
  await nats.close();
}
