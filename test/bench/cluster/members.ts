/**
 * Many members of a cluster in one process: each with its own NATS connection and the node's real membership code, and no
 * media. Run as a child of ../cluster.ts: its one argument says which members, each line on stdin is an order, each line
 * on stdout a report.
 */
import { createInterface } from 'node:readline';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats, type NatsHandle } from '@weir/contracts/nats/connect';
import { NODE_HEARTBEAT_MS } from '@weir/contracts/nats/names';
import type { StreamRecord } from '@weir/contracts/nats/records';
import { Claims } from '@weir/edge/cluster/claims';
import { Member } from '@weir/edge/cluster/member';
import { routeTo, Suspects } from '@weir/edge/relay/route';

/** What a child is told at its start. */
export interface Roster {
  nats: string;
  edges: string[];
  origins: string[];
  /** Streams each of its edges publishes, as `app/name`, by edge. */
  streams: Record<string, string[]>;
}

/** An order to a child. */
export type Order = { kind: 'look'; streams: string[] } | { kind: 'claim' } | { kind: 'end' };

/** What its members see now. */
export interface Sight {
  /** Live nodes, least and most any member knows. */
  least: number;
  most: number;
  /** Its own edges that are elected. */
  elected: string[];
  /** The origin each asked stream would be pulled from, as one of its edges sees it; `?` when its edges do not agree. */
  routes: string[];
  /** Milliseconds of CPU this process has used. */
  cpuMs: number;
}

interface Running {
  name: string;
  nats: NatsHandle;
  member: Member;
  claims: Claims | undefined;
}

/** Nodes start one after the other, as fast as an operator's tool would. */
const START_GAP_MS = 5;

function start(name: string, role: 'edge' | 'origin', roster: Roster): Running {
  const logger = createLogger(name, 'silent');
  const config = loadConfig({ values: { nats: { servers: [roster.nats] } } });
  const nats = connectNats(config.nats, name, logger);
  const member = new Member({
    nats,
    node: name,
    role,
    replicas: 1,
    wantedOrigins: 0,
    onChange: () => {},
    onEvent: () => {},
    logger,
  });
  const address = '127.0.0.1:1';
  const streams = roster.streams[name] ?? [];
  const claims =
    role === 'edge'
      ? new Claims({
          nats,
          node: name,
          relay: address,
          bucket: member.streamsBucket,
          directory: member.directory,
          onChange: () => {},
          onStreamChanged: () => {},
          isAlive: async (_record: StreamRecord) => true,
          isFlowing: () => false,
          waitMs: 10 * NODE_HEARTBEAT_MS,
          logger,
        })
      : undefined;
  member.join({
    describe: () => ({
      node: name,
      role,
      cluster: 'bench',
      site: 'bench',
      machineId: name,
      version: '0',
      pid: process.pid,
      startedAtMs: 0,
      addresses: { rtmp: address, relay: address, http: address },
      capacity: role === 'edge' ? 8_000 : 10_000,
      load: { publishers: streams.length, viewers: 0, relays: 0, streams: streams.length },
    }),
    usage: () => ({ connections: 0, cpu: 0, bandwidth: 0 }),
    streams: () => [],
    externals: () => [],
    drain: () => {},
    serve: () => {},
  });
  return { name, nats, member, claims };
}

function look(running: readonly Running[], streams: readonly string[]): Sight {
  const counts = running.map(({ member }) => member.directory.nodes().length);
  const edges = running.filter(({ claims }) => claims !== undefined);
  const routesOf = ({ name, member: { directory } }: Running) =>
    streams.map((stream) => {
      const suspects = new Suspects(() => 0);
      return routeTo(stream, { node: name, role: 'edge', directory, configuredOrigins: [], suspects })[0]?.node ?? '';
    });
  // Two edges of each process stand for the others: hashing every stream on 181 edges would only load the machine.
  const [first = [], second] = edges
    .filter(({ member }) => !member.isElected)
    .slice(0, 2)
    .map(routesOf);
  return {
    least: Math.min(...counts),
    most: Math.max(...counts),
    elected: edges.filter(({ member }) => member.isElected).map(({ name }) => name),
    routes: first.map((route, i) => (second === undefined || second[i] === route ? route : '?')),
    cpuMs: process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000,
  };
}

async function main(): Promise<void> {
  const roster = JSON.parse(process.argv[2] ?? '{}') as Roster;
  const say = (report: object) => process.stdout.write(`${JSON.stringify(report)}\n`);
  const running: Running[] = [];
  for (const [names, role] of [
    [roster.origins, 'origin'],
    [roster.edges, 'edge'],
  ] as const) {
    for (const name of names) {
      running.push(start(name, role, roster));
      await new Promise((resolve) => setTimeout(resolve, START_GAP_MS));
    }
  }
  await Promise.all(running.map(({ nats }) => nats.ready(30_000)));
  say({ ready: running.length });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    if (order.kind === 'look') say(look(running, order.streams));
    else if (order.kind === 'claim') {
      const claiming = running.flatMap(({ name, claims }) =>
        (roster.streams[name] ?? []).map((stream) => claims?.claim(stream, () => {}) ?? Promise.resolve(undefined)),
      );
      const granted = (await Promise.all(claiming)).filter((claim) => claim !== undefined).length;
      say({ granted });
    } else break;
  }
  process.exit(0);
}

if (import.meta.main) await main();
