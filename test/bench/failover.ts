/**
 * `npm run bench -- failover [--rounds 5] [--kinds TEXT] [--json]`: what viewers see when something under them fails, as
 * percentiles of the longest pause between two video frames, and the media time missing, per kind of failure (`--kinds` picks
 * those whose names hold the text). Every node is a process of its own; viewers watch on all edges but the publisher's,
 * through two origins.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { liveNodes } from '@weir/cli/cluster-view';
import { askNode, withNats } from '@weir/cli/node-control';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats } from '@weir/test/harness/nats';
import { type ClipPublisher, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { type GapViewer, watch } from './failover/gap-viewer.ts';
import { KINDS, type Kind } from './failover/kinds.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    kinds: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(options.rounds);
const VIEWERS = 10;
/** What the viewers see is noted for so long after a failure. */
const WATCH_MS = 5_000;
const STREAM = 'live/failover';
const streamsOf = ({ streams = 1 }: Kind) =>
  Array.from({ length: streams }, (_, i) => (i === 0 ? STREAM : `${STREAM}-${i}`));

const nats = await startNats();
const settings = (name: string, role: 'edge' | 'origin'): PartialConfig => ({
  node: { name, role },
  nats: { servers: [nats.url] },
});

interface Round {
  /** The longest pause of each viewer. */
  pausesMs: number[];
  /** Media time missing of each. */
  missingMs: number[];
  /** Viewers that were disconnected. */
  cut: number;
  /** Time until edges were elected, where that is asked. */
  electedMs: number | undefined;
}

/** One failure in a cluster of its own. */
async function round(kind: Kind): Promise<Round> {
  const origins = await Promise.all(['origin-1', 'origin-2'].map((name) => startNodeProcess(settings(name, 'origin'))));
  const names = Array.from({ length: kind.edges ?? 3 }, (_, i) => `edge-${i + 1}`);
  const edges = await Promise.all(names.map((name) => startNodeProcess(settings(name, 'edge'))));
  const streams = streamsOf(kind);
  const place = (i: number) => edges[i % edges.length] as NodeProcess;
  const publishers: ClipPublisher[] = await Promise.all(streams.map((name, i) => publishClip(place(i).rtmpUrl(name))));
  let viewers: GapViewer[] = [];
  try {
    // Each stream is watched on all edges but its publisher's.
    const seats = streams.flatMap((name, i) =>
      Array.from({ length: Math.ceil(VIEWERS / streams.length) }, (_, seat) => ({
        name,
        edge: place(i + 1 + (seat % (edges.length - 1))),
      })),
    );
    viewers = await Promise.all(seats.map(({ name, edge }) => watch(edge.rtmpUrl(name))));
    const origin = await waitFor('all viewers behind one origin per stream', async () => {
      const carried = await Promise.all(origins.map(carriedBy));
      const areSettled = streams.every((name) => carried.filter((names) => names.includes(name)).length === 1);
      const one = origins[carried.findIndex((names) => names.includes(STREAM))];
      return areSettled && viewers.every((viewer) => viewer.frames > 50) ? one : undefined;
    });
    const publisher = publishers[0] as ClipPublisher;
    const republish = async (edge: NodeProcess) => {
      const again = () => publishClip(edge.rtmpUrl(STREAM));
      publishers.push(await waitFor('the name', again, { timeoutMs: 10_000, everyMs: 20 }));
    };
    const standBy = async (edge: NodeProcess) => {
      publishers.push(await publishClip(`${edge.rtmpUrl(STREAM)}?backup=1`));
      await waitFor('the backup to stand by', () => standsBy(edge));
    };
    for (const viewer of viewers) viewer.begin();
    const failing = kind.fail({ nats, origin, origins, edges, publisher, republish, standBy });
    const electedMs = kind.electedTargetMs === undefined ? undefined : await untilElected();
    await failing;
    await sleep(WATCH_MS);
    const pausesMs = viewers.map((viewer) => Math.max(0, viewer.longestPauseMs() - (kind.awayMs ?? 0)));
    const missingMs = viewers.map((viewer) => viewer.missingMs());
    return { pausesMs, missingMs, cut: viewers.filter((viewer) => viewer.isClosed).length, electedMs };
  } finally {
    for (const viewer of viewers) viewer.close();
    for (const { client } of publishers) client.close();
    await Promise.all([...edges, ...origins].map((node) => node.kill9()));
  }
}

async function carriedBy(origin: NodeProcess): Promise<string[]> {
  const response = await fetch(origin.httpUrl('/streams'));
  const { streams } = (await response.json()) as { streams: { app: string; name: string }[] };
  return streams.map(({ app, name }) => `${app}/${name}`);
}

function standsBy(edge: NodeProcess): Promise<boolean> {
  const config = loadConfig({ values: { nats: { servers: [nats.url] } } });
  return withNats(config.nats, async (connection) => {
    const answer = await askNode(connection, edge.name, { command: 'streams' });
    return answer?.ok === true && answer.streams?.some(({ standbys = 0 }) => standbys > 0) === true;
  });
}

/** Milliseconds until two edges say that they serve as origins too. */
async function untilElected(): Promise<number> {
  const startMs = performance.now();
  const connection = await connect({ servers: nats.url });
  try {
    const elected = async () => (await liveNodes(connection)).filter((node) => node.elected).length;
    await waitFor('two elected edges', async () => (await elected()) >= 2, { everyMs: 100 });
    return Math.round(performance.now() - startMs);
  } finally {
    await connection.close();
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
}

const results: object[] = [];
try {
  for (const kind of KINDS.filter(({ name }) => name.includes(options.kinds))) {
    const rounds: Round[] = [];
    for (let i = 0; i < ROUNDS; i += 1) rounds.push(await round(kind));
    const pausesMs = rounds.flatMap((one) => one.pausesMs);
    const electedMs = rounds.flatMap((one) => one.electedMs ?? []);
    const cut = rounds.reduce((sum, one) => sum + one.cut, 0);
    const [p50, p95, max] = [0.5, 0.95, 1].map((share) => percentile(pausesMs, share));
    results.push({
      kind: kind.name,
      rounds: rounds.length,
      viewers: pausesMs.length,
      cut,
      p50Ms: p50,
      p95Ms: p95,
      maxMs: max,
      missingMaxMs: Math.max(...rounds.flatMap((one) => one.missingMs)),
      targetMs: kind.targetMs,
      ...(electedMs.length === 0
        ? {}
        : { electedMaxMs: Math.max(...electedMs), electedTargetMs: kind.electedTargetMs }),
    });
    if (cut > 0 || (p95 ?? 0) > kind.targetMs) process.exitCode = 1;
    if (electedMs.some((ms) => ms > (kind.electedTargetMs ?? 0))) process.exitCode = 1;
    process.stderr.write(`${JSON.stringify(results.at(-1))}\n`);
  }
  if (options.json) console.log(JSON.stringify(results));
  else console.table(results);
} finally {
  await nats.close();
}
