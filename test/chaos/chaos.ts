/**
 * `npm run test:chaos -- [--seed 1] [--kills 50] [--every 12] [--streams 10] [--viewers 20] [--json]`: kills random nodes
 * (and NATS) under playing viewers and checks what must hold: nobody without media for long, nothing stuck afterwards, one
 * origin per stream, no relay left over. The same seed makes the same run; without one it is 1. By default 50 blows in ten
 * minutes to 10 streams with 20 viewers each. Ends with status 1 when something did not hold.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { liveNodes } from '@weir/cli/cluster-view';
import { askAll } from '@weir/cli/node-control';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { servesAsOrigin } from '@weir/contracts/nats/records';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats } from '@weir/test/harness/nats';
import { waitFor } from '@weir/test/harness/wait';
import { PersistentPublisher, PersistentViewer } from './clients.ts';
import { pick, seededRandom } from './random.ts';

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '50' },
    every: { type: 'string', default: '12' },
    streams: { type: 'string', default: '10' },
    viewers: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const [SEED, KILLS, EVERY_S, STREAMS, VIEWERS] = (['seed', 'kills', 'every', 'streams', 'viewers'] as const).map(
  (key) => Number(options[key]),
) as [number, number, number, number, number];
const ORIGINS = ['origin-1', 'origin-2', 'origin-3'];
const EDGES = ['edge-1', 'edge-2', 'edge-3', 'edge-4'];
const MAX_PAUSE_MS = 5_000;
/** A killed node or NATS is back after so long. */
const BACK_AFTER_MS = 2_000;
const FROZEN_MS = 4_000;
const SETTLE_MS = 40_000;

const random = seededRandom(SEED);
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${text}\n`);
const nats = await startNats();
const nodes = new Map<string, NodeProcess>();
const start = async (name: string) => {
  const role = name.startsWith('edge') ? 'edge' : 'origin';
  const config: PartialConfig = { node: { name, role }, nats: { servers: [nats.url] }, relay: { lingerMs: 1_000 } };
  nodes.set(name, await startNodeProcess(config));
};
/** Clients have a list of edges and try one after the other. */
const edgeUrl = (first: number) => {
  let turn = first;
  return (stream: string) => {
    const alive = EDGES.flatMap((name) => nodes.get(name) ?? []);
    turn += 1;
    return alive[turn % alive.length]?.rtmpUrl(stream) ?? 'rtmp://127.0.0.1:1/none/none';
  };
};

type Blow = { what: string; strike(): Promise<void> };

function nextBlow(): Blow {
  const dice = random();
  if (dice < 0.1) {
    return {
      what: 'NATS killed',
      async strike() {
        await nats.kill9();
        await sleep(BACK_AFTER_MS);
        await nats.restart();
      },
    };
  }
  const name = pick(random, dice < 0.55 ? ORIGINS : EDGES);
  if (dice > 0.3 && dice < 0.45) {
    return {
      what: `${name} frozen`,
      async strike() {
        const node = nodes.get(name);
        node?.freeze();
        await sleep(FROZEN_MS);
        if (node) process.kill(node.pid, 'SIGCONT');
      },
    };
  }
  return {
    what: `${name} killed`,
    async strike() {
      const node = nodes.get(name);
      nodes.delete(name);
      await node?.kill9();
      await sleep(BACK_AFTER_MS);
      await start(name);
    },
  };
}

const problems: string[] = [];
/** What {@link judge} found left over at the end. */
const left = { stuckStreams: [] as string[], streamsOnTwoOrigins: [] as string[], relays: 0 };
const pauses: number[] = [];
const blows: string[] = [];
const publishers: PersistentPublisher[] = [];
const viewers: PersistentViewer[] = [];
try {
  await Promise.all([...ORIGINS, ...EDGES].map(start));
  const streams = Array.from({ length: STREAMS }, (_, i) => `live/chaos-${i}`);
  publishers.push(...streams.map((stream, i) => new PersistentPublisher(stream, edgeUrl(i))));
  await sleep(2_000);
  for (let i = 0; i < STREAMS * VIEWERS; i += 1) {
    viewers.push(new PersistentViewer(streams[i % STREAMS] as string, edgeUrl(Math.floor(i / STREAMS))));
  }
  await waitFor('every viewer to have media', () => viewers.every(({ frames }) => frames > 25), { timeoutMs: 60_000 });
  for (const viewer of viewers) viewer.takeLongestPauseMs();

  for (let kill = 1; kill <= KILLS; kill += 1) {
    const { what, strike } = nextBlow();
    blows.push(what);
    const endMs = performance.now() + EVERY_S * 1_000;
    await strike();
    await sleep(Math.max(0, endMs - performance.now()));
    const longest = viewers.map((viewer) => ({ viewer, pauseMs: viewer.takeLongestPauseMs() }));
    const worst = longest.toSorted((a, b) => b.pauseMs - a.pauseMs)[0];
    pauses.push(...longest.map(({ pauseMs }) => pauseMs));
    say(`${kill}/${KILLS} ${what}: longest pause ${worst?.pauseMs} ms (${worst?.viewer.stream})`);
    const over = longest.filter(({ pauseMs }) => pauseMs > MAX_PAUSE_MS).length;
    if (over > 0) problems.push(`${kill}. ${what}: ${over} viewers had no media for up to ${worst?.pauseMs} ms`);
  }
  await judge(streams);
} finally {
  await Promise.all([...viewers, ...publishers].map((client) => client.stop()));
  await Promise.all([...nodes.values()].map((node) => node.kill9()));
  await nats.close();
}

const sorted = pauses.toSorted((a, b) => a - b);
const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
const result = {
  seed: SEED,
  kills: KILLS,
  viewers: viewers.length,
  streams: STREAMS,
  longestWithoutMediaMs: at(1),
  pauseMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
  stuckStreams: left.stuckStreams.length,
  streamsOnTwoOrigins: left.streamsOnTwoOrigins.length,
  leakedRelays: left.relays,
  nodesKilled: blows.filter((what) => what.endsWith('killed') && !what.startsWith('NATS')).length,
  nodesFrozen: blows.filter((what) => what.endsWith('frozen')).length,
  natsKilled: blows.filter((what) => what.startsWith('NATS')).length,
  reconnects: viewers.reduce((sum, { reconnects }) => sum + reconnects, 0),
  problems,
};
console.log(options.json ? JSON.stringify(result) : result);
process.exitCode = problems.length === 0 ? 0 : 1;

/** After the last blow: every stream plays, on one origin each; without viewers no relay is left. */
async function judge(streams: readonly string[]): Promise<void> {
  const connection = await connect({ servers: nats.url });
  const settled = async (what: string, look: () => Promise<string>) => {
    let last = '';
    const isGood = async () => {
      last = await look();
      return last === '';
    };
    await waitFor(what, isGood, { timeoutMs: SETTLE_MS, everyMs: 500 }).catch(() => problems.push(`${what}: ${last}`));
  };
  try {
    await settled('every viewer has media again', async () => {
      const before = viewers.map(({ frames }) => frames);
      await sleep(1_000);
      const stuck = viewers.filter(({ frames }, i) => frames === before[i]);
      left.stuckStreams = [...new Set(stuck.map(({ stream }) => stream))];
      return stuck.length === 0 ? '' : `${stuck.length} viewers stuck, on ${left.stuckStreams.join(', ')}`;
    });
    await settled('one origin per stream', async () => {
      const alive = await liveNodes(connection);
      const serving = new Set(alive.filter(servesAsOrigin).map(({ node }) => node));
      const answers = await askAll(connection, { command: 'streams' }, alive.length);
      const wrong = streams.flatMap((stream) => {
        const pulled = answers.flatMap((answer) => (answer.ok ? (answer.streams ?? []) : []));
        const from = new Set(pulled.filter((one) => one.stream === stream).map((one) => one.from));
        const origins = [...from].filter((node) => serving.has(node));
        return origins.length > 1 ? [`${stream} through ${origins.join(' and ')}`] : [];
      });
      left.streamsOnTwoOrigins = wrong;
      return wrong.join(', ');
    });
    await Promise.all(viewers.map((viewer) => viewer.stop()));
    await settled('no relay is left', async () => {
      const leaking = (await liveNodes(connection)).filter(({ load }) => load.relays > 0);
      left.relays = leaking.reduce((sum, { load }) => sum + load.relays, 0);
      return leaking.map(({ node, load }) => `${node} has ${load.relays}`).join(', ');
    });
  } finally {
    await connection.close();
  }
}
