/**
 * `npm run bench -- cluster [--nodes 201] [--kill 20] [--streams 1000] [--viewers] [--json]`: the real membership, directory and
 * election code of a whole cluster against a real nats-server, no media. Kills origins (processes, kill -9) and reports
 * the time to the new steady state, who was elected, the streams that changed their origin, and what a node, a stream and
 * a viewer cost NATS, as the server counts it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NODE_HEARTBEAT_MS, STREAM_REFRESH_MS } from '@weir/contracts/nats/names';
import { startNats } from '@weir/test/harness/nats';
import { difference, rateOver } from './cluster/cost.ts';
import type { Order, Roster, Sight } from './cluster/members.ts';

const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '201' },
    kill: { type: 'string', default: '20' },
    streams: { type: 'string', default: '1000' },
    viewers: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const NODES = Number(options.nodes);
const KILL = Number(options.kill);
const STREAMS = Number(options.streams);
/** As in the source's example: a tenth are origins. */
const ORIGINS = Math.max(2, Math.round(NODES * 0.1));
const EDGE_PROCESSES = 4;
const LOOK_EVERY_MS = 200;
const GIVE_UP_MS = 60_000;
/** A whole number of heartbeats … */
const QUIET_MS = 10_000;
const VIEWER_COST = new URL('./cluster/viewer-cost.ts', import.meta.url).pathname;
const MEMBERS = new URL('./cluster/members.ts', import.meta.url).pathname;

const NOTHING = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };

interface Child {
  process: ChildProcess;
  next(): Promise<unknown>;
  ask(order: Order): Promise<unknown>;
  kill(): Promise<void>;
}

function launch(roster: Roster): Child {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MEMBERS, JSON.stringify(roster)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? '{}') as unknown;
  return {
    process: child,
    next,
    ask(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      return next();
    },
    async kill() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** Looks until all agree with `isSteady`; resolves with the milliseconds it took and what was seen. */
async function steady(children: Child[], streams: string[], isSteady: (sights: Sight[]) => boolean) {
  const startMs = performance.now();
  for (;;) {
    const seenMs = performance.now() - startMs;
    const sights = (await Promise.all(children.map((child) => child.ask({ kind: 'look', streams })))) as Sight[];
    if (isSteady(sights)) return { ms: Math.round(seenMs), sights };
    if (seenMs > GIVE_UP_MS)
      throw new Error(`not steady after ${GIVE_UP_MS} ms: ${JSON.stringify(sights).slice(0, 600)}`);
    await sleep(LOOK_EVERY_MS);
  }
}

const names = (role: string, count: number) => Array.from({ length: count }, (_, i) => `${role}-${i + 1}`);
const nats = await startNats();
const children: Child[] = [];
try {
  const edges = names('edge', NODES - ORIGINS);
  const streams = Array.from({ length: STREAMS }, (_, i) => `live/${i}`);
  const publishedOn = (edge: number) => streams.filter((_, i) => i % edges.length === edge);
  const byEdge = Object.fromEntries(edges.map((edge, i) => [edge, publishedOn(i)]));
  const mine = (part: number, of: number, all: string[]) => all.filter((_, i) => i % of === part);
  const edgeRosters = Array.from({ length: EDGE_PROCESSES }, (_, part): Roster => {
    const own = mine(part, EDGE_PROCESSES, edges);
    return {
      nats: nats.url,
      origins: [],
      edges: own,
      streams: Object.fromEntries(own.map((e) => [e, byEdge[e] ?? []])),
    };
  });
  const originNames = names('origin', ORIGINS);
  const origins = (some: string[]): Roster => ({ nats: nats.url, origins: some, edges: [], streams: {} });
  const doomed = launch(origins(originNames.slice(0, KILL)));
  const staying = KILL < ORIGINS ? [launch(origins(originNames.slice(KILL)))] : [];
  const edgeChildren = edgeRosters.map(launch);
  children.push(doomed, ...staying, ...edgeChildren);
  await Promise.all(children.map((child) => child.next()));
  const joined = await steady(edgeChildren, [], (sights) => sights.every(({ least }) => least === NODES));
  const idle = await rateOver(nats, QUIET_MS);
  const beforeClaims = await nats.traffic();
  const claimingMs = performance.now();
  const claims = (await Promise.all(edgeChildren.map((child) => child.ask({ kind: 'claim' })))) as {
    granted: number;
  }[];
  const claimed = await nats.traffic();
  const claimingS = (performance.now() - claimingMs) / 1_000;
  const before = await steady(edgeChildren, streams, (sights) => agree(sights, (node) => originNames.includes(node)));

  const cpu = await cpuOf(edgeChildren);
  const startMs = performance.now();
  // … and one refresh of each stream: it is due at the first heartbeat after its time.
  const withStreams = await rateOver(nats, STREAM_REFRESH_MS + NODE_HEARTBEAT_MS);
  const passedMs = performance.now() - startMs;
  const memberCpuPercent = Math.round((((await cpuOf(edgeChildren)) - cpu) / passedMs) * 1_000) / 10;

  await doomed.kill();
  const live = NODES - KILL;
  const wanted = Math.max(2, Math.round(live * 0.1));
  const left = ORIGINS - KILL;
  const expected = left < wanted / 2 ? wanted - left : 0;
  const isElection = (sights: Sight[]) =>
    sights.every(({ least, most }) => least === live && most === live) &&
    sights.reduce((sum, { elected }) => sum + elected.length, 0) === expected &&
    agree(sights, (node) => node !== '' && !originNames.slice(0, KILL).includes(node));
  const after = await steady(edgeChildren, streams, isElection);
  const [routesBefore, routesAfter] = [before, after].map(({ sights }) => sights[0]?.routes ?? []) as [
    string[],
    string[],
  ];
  const moved = routesBefore.filter((node, i) => node !== routesAfter[i]).length;
  const orphaned = routesBefore.filter((node) => originNames.slice(0, KILL).includes(node)).length;
  const result = {
    nodes: NODES,
    origins: ORIGINS,
    streams: STREAMS,
    claimsGranted: claims.reduce((sum, { granted }) => sum + granted, 0),
    joinedMs: joined.ms,
    killed: KILL,
    elected: after.sights.reduce((sum, { elected }) => sum + elected.length, 0),
    steadyMs: after.ms,
    streamsMoved: moved,
    streamsOfTheDead: orphaned,
    memberCpuPercent,
  };
  // Heartbeats go on while streams are claimed.
  const beats = { ...beforeClaims };
  for (const key of ['messagesIn', 'messagesOut', 'bytesIn', 'bytesOut'] as const) beats[key] += idle[key] * claimingS;
  const viewer = options.viewers ? await viewerCost() : undefined;
  const costs = {
    'node, a second': difference(idle, NOTHING, NODES),
    'stream, once': difference(claimed, beats, STREAMS),
    'stream, a second': difference(withStreams, idle, STREAMS),
    ...(viewer === undefined
      ? {}
      : { 'viewer, once': { ...NOTHING, bytesIn: Math.round(viewer.bytes / viewer.viewers) } }),
  };
  if (options.json) console.log(JSON.stringify({ ...result, costs }));
  else {
    console.table(result);
    console.table(costs);
  }
  if (result.elected !== expected || result.claimsGranted !== STREAMS || moved > orphaned) process.exitCode = 1;
} finally {
  for (const { process: child } of children) child.kill('SIGKILL');
  await nats.close();
}

/** All edges asked see the same origin for every stream, and it is one of those meant. */
function agree(sights: Sight[], isMeant: (node: string) => boolean): boolean {
  const [first] = sights;
  return first?.routes.every((node, i) => isMeant(node) && sights.every(({ routes }) => routes[i] === node)) === true;
}

/** The telemetry that a viewer's coming and going causes. */
async function viewerCost(): Promise<{ viewers: number; bytes: number }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', VIEWER_COST, nats.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(await text(child.stdout)) as { viewers: number; bytes: number };
}

async function cpuOf(asked: Child[]): Promise<number> {
  const sights = (await Promise.all(asked.map((child) => child.ask({ kind: 'look', streams: [] })))) as Sight[];
  return sights.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
