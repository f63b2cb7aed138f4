/**
 * One edge or origin node: reads the configuration, builds the parts and joins them. Before it: the command line or a
 * test; after it: listeners for clients, other nodes and HTTP, the node's place in the cluster, and its telemetry.
 */
import type { Config } from '@weir/contracts/config/schema';
import { WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { NodeStream } from '@weir/contracts/nats/control';
import { HeldNats } from '@weir/contracts/nats/held-nats';
import type { NodeRecord, NodeRole } from '@weir/contracts/nats/records';
import { readMachineId } from '@weir/telemetry/host/machine-id';
import manifest from '../package.json' with { type: 'json' };
import { Audit } from './admin/audit.ts';
import { Drain } from './admin/drain.ts';
import { reloader } from './admin/reload.ts';
import { usageMeter } from './cluster/usage.ts';
import type { LoadPlayer } from './http/player-route.ts';
import { startClients } from './main/clients.ts';
import { type OnClose, startMedia } from './main/media.ts';
import { edgesBeside, joinAddress, nodeName } from './node-settings.ts';
import { KeyRing } from './relay/key-ring.ts';
import type { MediaSnapshot } from './stats.ts';
import { LateObserver } from './stream/late-observer.ts';
import { startTelemetry } from './telemetry/telemetry.ts';
import type { WorkerState } from './workers/crew.ts';

/** Options of {@link startNode}. */
export interface NodeOptions {
  config: Readonly<Config>;
  logger: Logger;
  /** Reads the configuration again, for a reload; without it there are none. */
  readConfig?: (() => Readonly<Config>) | undefined;
  /** Gives the files of the player it serves at `/player/`; without it there is none. */
  player?: LoadPlayer;
  /** Ends the node when aborted. */
  signal?: AbortSignal;
  /** False runs without telemetry: for tests with several nodes in one process, of which only one could measure. */
  measures?: boolean;
}

/** A running node. */
export interface Node {
  readonly name: string;
  readonly role: NodeRole;
  /** `host:port` as others reach it; the host is `node.advertise`. */
  readonly addresses: NodeRecord['addresses'];
  stats(): MediaSnapshot;
  /** Its streams with the ways they go, as `weir streams` is told. */
  streams(): NodeStream[];
  /** True while this edge serves as origin too. */
  isElected(): boolean;
  /** Its workers; none when it serves clients itself. */
  workers(): WorkerState[];
  /** Where the admin API and, with a certificate, RTMPS and HTTPS are: `scheme://host:port`. */
  readonly urls: { admin: string; rtmps?: string; https?: string };
  /**
   * Resolves when the node has ended by itself: drained, or out of time for that.
   * Rejects with WeirError `EDGE_NAME_TAKEN` when it ended because another machine has its name.
   */
  readonly ended: Promise<string>;
  /** Tells viewers and publishers, leaves the cluster, writes the last telemetry. May be called more than once. */
  close(): Promise<void>;
}

/**
 * Starts a node; resolves when it takes clients. NATS need not be there.
 * @throws ConfigError `EDGE_NODE_NAME`, `EDGE_RELAY_KEY`, `EDGE_ORIGIN_ADDRESS`; WeirError `EDGE_PORT_TAKEN`.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { config, logger, player, readConfig, signal, measures = true } = options;
  const name = nodeName(config);
  const { role } = config.node;
  const ring = new KeyRing(config.relay.keys);
  const closing: (() => Promise<void> | void)[] = [];
  const close = once(async () => {
    for (const end of closing.toReversed()) await end();
  });
  try {
    const startedAtMs = Date.now();
    // The largest of the modules: it loads while the listeners start.
    const loadingAdmin = import('./admin/server.ts');
    loadingAdmin.catch(() => undefined); // awaited below
    const nats = connectNats(config.nats, `weir-${name}`, logger);
    closing.push(() => nats.close());
    const observer = new LateObserver();
    const onClose: OnClose = (end) => void closing.push(end);
    const build = { config, node: name, observer, nats, onClose, logger };
    const heldNats = new HeldNats(nats);
    const ended = Promise.withResolvers<string>();
    // whoever does not wait for the end is not to be killed by it
    ended.promise.catch(() => undefined);
    let isStarted = false;
    let holder: NodeRecord | undefined;
    const endRefused = () => {
      if (isStarted && holder) void closeLogged().then(() => ended.reject(nameTaken(name, holder as NodeRecord)));
    };
    const media = await startMedia({
      ...build,
      ring,
      onName: (isHeld) => {
        heldNats.isHeld = isHeld;
      },
      onRefused: (record) => {
        holder = record;
        endRefused();
      },
    });
    const { member, connections, clocks, pulls, relayServer, streams: live, externals } = media;
    const { access, certificate, listeners, crew, notReady } = await startClients({ ...build, media, player });
    const advertise = (port: number) => joinAddress(config.node.advertise, port);
    const addresses = {
      rtmp: advertise(listeners.ports.rtmp),
      relay: advertise(relayServer.port),
      http: advertise(listeners.ports.http),
    };
    const stats = (): MediaSnapshot => ({
      ...connections.snapshot(),
      streams: live.snapshot(),
      framesDropped: live.framesDropped,
      mergeWindowMs: crew?.mergeWindowMs ?? clocks.windowMs,
      longestFlushMs: crew?.longestFlushMs ?? clocks.longestFlushMs,
      ...pulls.snapshot(),
      weight: member.weight,
      ...externals.snapshot(),
    });
    if (measures) {
      const identity = { node: name, role, addresses };
      const telemetry = await startTelemetry({
        config,
        identity,
        nats: heldNats,
        stats: { snapshot: stats },
        more: crew ? [crew.processes] : [],
        logger,
      });
      closing.push(() => telemetry.close());
      observer.attach(telemetry.observer);
    }
    const openConnections = async () => [...connections.list(), ...((await crew?.connectionsOf()) ?? [])];
    const audit = new Audit((action) => observer.adminAction(action), logger);
    const drain = new Drain({
      setDraining: (draining) => member.drain(draining),
      isDraining: () => member.isDraining,
      remaining: () => connections.accepted + connections.count('relay'),
      connections: openConnections,
      askToReconnect: () =>
        listeners.askToReconnect({
          description: 'This node is going out of service: connect again.',
          from: addresses.rtmp,
          to: edgesBeside(name, member.directory.nodes()).map((edge) => edge.addresses.rtmp),
        }),
      end: () => void closeLogged().then(() => ended.resolve('drained')),
    });
    closing.push(() => drain.close());
    const machineId = readMachineId(config.machine);

    member.join({
      describe: () => ({
        node: name,
        role,
        cluster: config.cluster,
        site: config.site,
        machineId,
        version: manifest.version,
        pid: process.pid,
        startedAtMs,
        addresses,
        capacity: connections.limit,
        load: {
          publishers: connections.count('publisher'),
          viewers: connections.count('viewer'),
          relays: connections.count('relay'),
          streams: live.list().length,
        },
      }),
      usage: usageMeter(() => connections.recent(), config.limits.sendBitsPerSecond),
      streams: () => live.describe(),
      externals: () => externals.status(),
      drain(deadlineMs, actor) {
        audit.noteByCluster('drain', actor, deadlineMs);
        void drain.begin(deadlineMs);
      },
      serve(actor) {
        audit.noteByCluster('serve', actor);
        drain.undo();
      },
    });
    closing.push(() => member.leave());
    const reload = reloader({
      config,
      read: readConfig,
      ring,
      access,
      clocks,
      connections,
      listeners,
      certificate,
      logger,
    });
    const { startAdminServer } = await loadingAdmin;
    const admin = await startAdminServer({
      config: config.admin,
      version: manifest.version,
      node: {
        describe: () => ({ node: name, role, version: manifest.version, pid: process.pid, startedAtMs, addresses }),
        stats,
        streams: () => live.snapshot(),
        room: () => ({ accepted: connections.accepted, limit: connections.limit }),
        notReady,
        connections: openConnections,
        apps: () => access.apps(live.list().map(({ hub }) => hub.app)),
        drain,
        reload,
      },
      audit,
      logger,
    });
    closing.push(() => admin.close());
    const { rtmps, https } = listeners.ports;
    const urls = {
      admin: `http://${joinAddress(config.admin.host, admin.port)}`,
      ...(rtmps === undefined ? {} : { rtmps: `rtmps://${advertise(rtmps)}` }),
      ...(https === undefined ? {} : { https: `https://${advertise(https)}` }),
    };
    // Clients first: what their good-byes say must still be measured.
    closing.push(async () => {
      await crew?.close('shutdown');
      live.close('shutdown');
      await Promise.all([listeners.close('shutdown'), relayServer.close('shutdown')]);
    });
    const closeLogged = () =>
      close().catch((error: unknown) => logger.error({ err: error }, 'the node did not close well'));
    logger.info({ node: name, role, ...addresses, ...urls }, 'node takes clients');
    isStarted = true;
    endRefused();
    if (signal?.aborted) await close();
    else signal?.addEventListener('abort', () => void closeLogged(), { once: true });
    return {
      name,
      role,
      addresses,
      urls,
      ended: ended.promise,
      stats,
      streams: () => live.describe(),
      isElected: () => member.isElected,
      workers: () => crew?.list() ?? [],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function nameTaken(name: string, { machineId, pid, addresses }: NodeRecord): WeirError {
  const message = `The node name ${name} is held by the machine ${machineId} (${addresses.rtmp}, process ${pid}): give this one its own node.name.`;
  return new WeirError('EDGE_NAME_TAKEN', message);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}
