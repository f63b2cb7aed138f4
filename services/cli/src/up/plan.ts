/**
 * What `weir up` starts: every part with its name, its ports and its whole configuration, decided before anything runs,
 * so that parts can start at the same time. Before it: flags and the data directory; after it: the supervisor.
 */
import { join } from 'node:path';
import { loadConfig } from '@weir/contracts/config/load';
import type { Config } from '@weir/contracts/config/schema';
import type { DataDir } from './data-dir.ts';
import type { Listener, PortFinder } from './ports.ts';

/** One node to be. */
export interface NodePlan {
  name: string;
  role: 'edge' | 'origin';
  ports: { rtmp: number; relay: number; http: number };
  config: Config;
}

/** The nats-server to be. */
export interface NatsPlan {
  host: string;
  port: number;
  /** HTTP port of its own health check. */
  monitorPort: number;
  user: string;
  password: string;
}

/** Everything to be. */
export interface Plan {
  /** Undefined when the configuration names NATS servers of its own. */
  nats: NatsPlan | undefined;
  /** Undefined when the configuration names a ClickHouse of its own. */
  store: Config | undefined;
  /** What parts and clients that are no node are told. */
  everyone: Config;
  nodes: readonly NodePlan[];
  /** All ports that must be free. */
  listeners: readonly Listener[];
}

/** What a plan is made of. */
export interface PlanOptions {
  base: Readonly<Config>;
  edges: number;
  origins: number;
  data: DataDir;
  /** Take free ports for everything instead of the configured ones. */
  autoPorts: boolean;
  /** Finds free ports, also for a configured port 0. */
  finder: PortFinder;
}

/** Nodes of one kind stand this far apart: edge-1 on 1935, edge-2 on 1945 … */
export const PORT_STEP = 10;
/** Origins' ports begin this far above the edges'. */
export const ORIGIN_PORT_OFFSET = 1_000;
/** nats-server's own HTTP port. */
export const NATS_MONITOR_PORT = 8_222;
/** An origin serves relays only and takes more of them (L5). */
const ORIGIN_CONNECTIONS = 10_000;
const LOOPBACK = '127.0.0.1';

/** Decides names, ports and configurations. */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { base, data } = options;
  const defaults = loadConfig();
  const listeners: Listener[] = [];
  const settle: Settle = async (purpose, flag, host, wanted) => {
    const port = options.autoPorts || wanted === 0 ? await options.finder.next(host) : wanted;
    listeners.push({ purpose, flag, host, port });
    return port;
  };
  const isOwnNats = base.nats.servers.join() === defaults.nats.servers.join();
  const isOwnStore = base.clickhouse.url === defaults.clickhouse.url;
  const nats = isOwnNats ? await planNats(base, data, settle) : undefined;
  const storePort = isOwnStore ? await settle('store', '--store-port', base.store.host, base.store.port) : undefined;
  const ingestPort = await settle('ingest service', '--ingest-port', base.ingest.host, base.ingest.port);
  /** What every part is told. The machine's folder lies with the data: nothing outside is written. */
  const everyone: Config = {
    ...base,
    machine: {
      ...base.machine,
      stateDir: chosen(base.machine.stateDir, defaults.machine.stateDir, join(data.path, 'machine')),
    },
    nats: nats
      ? {
          ...base.nats,
          servers: [`nats://${nats.host}:${nats.port}`],
          user: nats.user,
          password: nats.password,
          monitors: [`http://${nats.host}:${nats.monitorPort}`],
        }
      : base.nats,
    clickhouse: storePort === undefined ? base.clickhouse : ownClickhouse(base, data, storePort),
    ingest: { ...base.ingest, port: ingestPort, name: base.ingest.name || 'ingest-1' },
    // The host a viewer's page came from: the same machine, under whatever name the viewer knows it.
    player: { ...base.player, faroUrl: base.player.faroUrl || `:${ingestPort}/faro/collect` },
  };
  const store = { ...base.store, port: storePort ?? 0, dataDir: join(data.path, 'store') };
  return {
    nats,
    store: isOwnStore ? { ...everyone, store } : undefined,
    everyone,
    nodes: await planNodes(options, everyone, defaults, settle),
    listeners,
  };
}

type Settle = (purpose: string, flag: string, host: string, wanted: number) => Promise<number>;

/** What was configured, or `ours` where that is only the default. */
function chosen<T>(configured: T, fallback: T, ours: T): T {
  return configured === fallback ? ours : configured;
}

async function planNats(base: Readonly<Config>, data: DataDir, settle: Settle): Promise<NatsPlan> {
  const wanted = Number(new URL(base.nats.servers[0] as string).port);
  return {
    host: LOOPBACK,
    port: await settle('NATS server', '--ports auto', LOOPBACK, wanted),
    monitorPort: await settle('NATS server’s health check', '--ports auto', LOOPBACK, NATS_MONITOR_PORT),
    user: 'weir',
    password: data.secrets.natsPassword,
  };
}

function ownClickhouse(base: Readonly<Config>, data: DataDir, port: number): Config['clickhouse'] {
  return {
    ...base.clickhouse,
    url: `http://${reachable(base.store.host)}:${port}`,
    password: base.clickhouse.password || data.secrets.writerPassword,
    readPassword: base.clickhouse.readPassword || data.secrets.readerPassword,
  };
}

async function planNodes(
  options: PlanOptions,
  everyone: Config,
  defaults: Readonly<Config>,
  settle: Settle,
): Promise<NodePlan[]> {
  const { base, data } = options;
  const members: (Omit<NodePlan, 'config'> & { further: { rtmps: number; https: number; admin: number } })[] = [];
  for (const [role, count] of [
    ['origin', options.origins],
    ['edge', options.edges],
  ] as const) {
    for (let index = 0; index < count; index++) {
      const name = `${role}-${index + 1}`;
      const away = index * PORT_STEP + (role === 'origin' ? ORIGIN_PORT_OFFSET : 0);
      const at = (port: number) => (port === 0 ? 0 : port + away);
      const ports = {
        rtmp: await settle(`RTMP port of ${name}`, '--rtmp-port', base.rtmp.host, at(base.rtmp.port)),
        relay: await settle(`relay port of ${name}`, '--relay-port', base.relay.host, at(base.relay.port)),
        http: await settle(`HTTP port of ${name}`, '--http-port', base.http.host, at(base.http.port)),
      };
      // Not looked for: they are taken only with a certificate, or when somebody asks for a fixed one.
      const further = { rtmps: at(base.rtmp.tlsPort), https: at(base.http.tlsPort), admin: at(base.admin.port) };
      members.push({ name, role, ports, further });
    }
  }
  const ours = members
    .filter(({ role }) => role === 'origin')
    .map(({ name, ports }) => `${name}=${base.node.advertise}:${ports.relay}`);
  const keys = base.relay.keys.length > 0 ? base.relay.keys : [data.secrets.relayKey];
  const origins = base.relay.origins.length > 0 ? base.relay.origins : ours;
  return members.map(({ further, ...member }) => ({
    ...member,
    config: {
      ...everyone,
      node: {
        ...base.node,
        name: member.name,
        role: member.role,
        // A whole cluster shares this machine's cores: a node takes more of them only when told so.
        workers: base.node.workers === 0 ? 1 : base.node.workers,
        dataDir: join(data.path, 'nodes', member.name),
      },
      rtmp: { ...base.rtmp, port: member.ports.rtmp, tlsPort: further.rtmps },
      http: { ...base.http, port: member.ports.http, tlsPort: further.https },
      admin: { ...base.admin, port: further.admin },
      relay: { ...base.relay, port: member.ports.relay, keys, origins },
      limits: {
        ...base.limits,
        connections:
          member.role === 'origin'
            ? chosen(base.limits.connections, defaults.limits.connections, ORIGIN_CONNECTIONS)
            : base.limits.connections,
      },
    },
  }));
}

/** An address to connect to for one that is listened on. */
export function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '') return LOOPBACK;
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
