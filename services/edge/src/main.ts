/**
 * One edge or origin node: reads the configuration, builds the parts and joins them. Before it: the command line or a
 * test; after it: listeners for clients, other nodes and HTTP, the node's place in the cluster, and its telemetry.
 */

import { availableParallelism } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { NodeStream } from '@weir/contracts/nats/control';
import type { NodeRecord, NodeRole } from '@weir/contracts/nats/records';
import manifest from '../package.json' with { type: 'json' };
import { Access, callerOf } from './access/access.ts';
import { httpStatus } from './access/http-gate.ts';
import { Drain } from './admin/drain.ts';
import { reloader } from './admin/reload.ts';
import { Claims } from './cluster/claims.ts';
import { Member } from './cluster/member.ts';
import { usageMeter } from './cluster/usage.ts';
import { type HlsRefusal, HlsRoute } from './hls/hls-route.ts';
import { type LoadPlayer, playerRoute } from './http/player-route.ts';
import { startListeners } from './listeners.ts';
import { configuredOrigins, joinAddress, nodeName } from './node-settings.ts';
import { Announcer } from './relay/announcer.ts';
import { hasPublisher } from './relay/probe.ts';
import { Pulls } from './relay/pulls.ts';
import { relayHost } from './relay/relay-host.ts';
import { type RouteOptions, routeTo, Suspects } from './relay/route.ts';
import { Protocol } from './rtmp/protocol.ts';
import { startRtmpServer } from './rtmp/server.ts';
import type { MediaSnapshot } from './stats.ts';
import { Connections } from './stream/connections.ts';
import { createEncodings } from './stream/encoding.ts';
import { LateObserver } from './stream/late-observer.ts';
import { MergeClock } from './stream/merge-clock.ts';
import { Streams } from './stream/streams.ts';
import { readMachineId } from './telemetry/host/machine-id.ts';
import { startTelemetry } from './telemetry/telemetry.ts';
import { Certificate } from './tls/certificate.ts';
import { startCrew, type WorkerState } from './workers/crew.ts';
import { CrewBook } from './workers/crew-book.ts';

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
  /** Resolves when the node has ended by itself: drained, or out of time for that. */
  readonly ended: Promise<string>;
  /** Tells viewers and publishers, leaves the cluster, writes the last telemetry. May be called more than once. */
  close(): Promise<void>;
}

/** A publisher waits for the cluster's word at most so long; media comes first. */
const CLAIM_WAIT_MS = 500;
/** Nodes that pull from this one at the same time, times streams. */
const MAX_RELAYS = 16_384;
/** A publisher that sent nothing for so many stall times gives way to a new one of the same stream. */
const STALE_PUBLISHER_STALLS = 3;
/** The holder of a claim has so long to say that it has the publisher. */
const PROBE_TIMEOUT_MS = 400;

/**
 * Starts a node; resolves when it takes clients. NATS need not be there.
 * @throws ConfigError `EDGE_NODE_NAME`, `EDGE_RELAY_KEY`, `EDGE_ORIGIN_ADDRESS`; WeirError `EDGE_PORT_TAKEN`.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { config, logger, player, readConfig, signal, measures = true } = options;
  const name = nodeName(config);
  const { role } = config.node;
  const relayKey = config.relay.keys[0];
  if (relayKey === undefined) {
    throw new ConfigError('EDGE_RELAY_KEY', 'relay.keys is empty: give all nodes of the cluster the same secret key.');
  }
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
    let knownClaims: Claims | undefined;
    const member = new Member({
      nats,
      node: name,
      role,
      replicas: config.nats.replicas,
      wantedOrigins: config.relay.wantedOrigins,
      onChange: (stream) => {
        streams?.wake(stream);
        if (stream !== undefined) knownClaims?.noticed(stream);
      },
      onEvent: (event) => observer.clusterChanged(event),
      logger,
    });
    closing.push(() => member.close());
    const { directory } = member;

    const protocol = new Protocol();
    const workers = config.node.workers === 0 ? availableParallelism() : config.node.workers;
    const Book = workers > 1 ? CrewBook : Connections;
    const connections = new Book(config.limits.connections, observer);
    const clock = new MergeClock({ minMs: config.stream.mergeWindowMinMs, maxMs: config.stream.mergeWindowMaxMs });
    closing.push(() => clock.close());
    const { chunkSizeBytes, maxMessageBytes, handshakeTimeoutMs, idleTimeoutMs } = config.rtmp;

    const route: RouteOptions = {
      node: name,
      role,
      get elected() {
        return member.isElected;
      },
      directory,
      configuredOrigins: configuredOrigins(config),
      suspects: new Suspects(
        (node) => directory.lastSeenMs(node),
        (node) => member.suspect(node),
      ),
    };
    const pulls = new Pulls({ config, node: name, key: relayKey, route, protocol, connections, observer, logger });

    // The relay listener comes first: claims tell others its port.
    const listening = { chunkSizeBytes, maxMessageBytes, handshakeTimeoutMs, protocol, logger };
    let streams: Streams | undefined;
    const builtStreams = () => {
      if (!streams) throw new Error('A node came before this one was built.');
      return streams;
    };
    const relayServer = await startRtmpServer({
      ...listening,
      host: config.relay.host,
      port: config.relay.port,
      portKey: 'relay.port',
      maxConnections: MAX_RELAYS,
      encoding: 'relay',
      sessionHost: relayHost({
        node: name,
        servesAsOrigin: () => member.servesAsOrigin,
        keys: config.relay.keys,
        maxHops: config.relay.maxHops,
        streams: builtStreams,
        canPull: (stream) => routeTo(stream, route).length > 0,
        announcements: directory,
      }),
      onRefused: (reason) => connections.refuse('rtmp', reason),
    });
    closing.push(() => relayServer.close('shutdown'));
    const advertise = (port: number) => joinAddress(config.node.advertise, port);
    const newestWins = (app: string) => config.stream.newestWins.some((one) => one === app || one === '*');
    const claims = new Claims({
      nats,
      node: name,
      relay: advertise(relayServer.port),
      bucket: member.streamsBucket,
      directory,
      isAlive: (record) => hasPublisher(record, { node: name, key: relayKey, protocol, timeoutMs: PROBE_TIMEOUT_MS }),
      onChange: () => announcer.changed(),
      newestWins: (stream) => newestWins(stream.split('/', 1)[0] ?? ''),
      isFlowing: (stream) => builtStreams().get(stream)?.upstream?.state === 'live',
      waitMs: CLAIM_WAIT_MS,
      logger,
    });
    knownClaims = claims;
    closing.push(() => claims.close());
    const announcer = new Announcer({
      node: name,
      key: relayKey,
      origins: role === 'edge' ? route.configuredOrigins : [],
      protocol,
      connectTimeoutMs: config.relay.connectTimeoutMs,
      records: () => claims.records(),
      logger,
    });
    closing.push(() => announcer.close());
    const { gopCacheBytes, gopCacheMs, viewerQueueBytes, viewerQueueMs, notFoundWaitMs, publisherGraceMs } =
      config.stream;
    streams = new Streams({
      hub: {
        clock,
        encodings: createEncodings(protocol, chunkSizeBytes),
        chunkSizeBytes,
        gop: { maxBytes: gopCacheBytes, maxMs: gopCacheMs },
        viewerQueueBytes,
        viewerQueueMs,
      },
      times: { lingerMs: config.relay.lingerMs, publisherGraceMs, notFoundWaitMs },
      claims,
      openUpstream: (hub, hops, events) => pulls.open(hub, hops, events),
      connections,
      idleTimeoutMs,
      staleAfterMs: STALE_PUBLISHER_STALLS * config.relay.stallTimeoutMs,
      newestWins,
    });
    const live = streams;
    closing.push(() => live.close('shutdown'));

    const access = new Access({
      config,
      node: name,
      room(socket) {
        if (member.isDraining) {
          return { refused: 'draining', description: 'This node is going out of service: connect to another one.' };
        }
        if (connections.admit(socket)) return undefined;
        return { refused: 'limit', description: `This node is full (${connections.limit} connections).` };
      },
      streams: () => live.traffic(),
      logger,
    });
    closing.push(() => access.close());
    const certificate = config.tls.certFile === '' ? undefined : new Certificate(config.tls);
    const { segmentMs, partMs, segments, maxBytes } = config.hls;
    const hls = new HlsRoute({
      tap: (stream, tap) => live.tap(stream, tap),
      enter: async (stream, request) => {
        const caller = callerOf(request.socket, 'hls', request.headers['user-agent'] ?? '');
        const granted = await access.ask({ action: 'play', ...stream, ...caller });
        return 'refused' in granted ? hlsRefusal(granted.refused) : granted;
      },
      connections,
      limits: { segmentMs, partMs, segments, maxBytes },
      notFoundWaitMs,
    });
    closing.push(() => hls.close());
    const notReady = () => [
      ...(connections.accepted >= connections.limit ? ['limit'] : []),
      ...(member.isDraining ? ['draining'] : []),
    ];
    const forClients = {
      config,
      node: name,
      access,
      streams: live,
      connections,
      protocol,
      certificate,
      player: player && playerRoute(player, (error) => logger.error({ err: error }, 'the player cannot be built')),
      hls: segmentMs > 0 ? hls : undefined,
      notReady,
      weight: () => member.weight,
      logger,
    };
    const crew =
      connections instanceof CrewBook ? await startCrew({ ...forClients, workers, connections, observer }) : undefined;
    const listeners = crew ?? (await startListeners(forClients));
    closing.push(() => listeners.close('shutdown'));

    const addresses = {
      rtmp: advertise(listeners.ports.rtmp),
      relay: advertise(relayServer.port),
      http: advertise(listeners.ports.http),
    };
    const stats = (): MediaSnapshot => ({
      ...connections.snapshot(),
      streams: live.snapshot(),
      framesDropped: live.framesDropped,
      mergeWindowMs: crew?.mergeWindowMs ?? clock.windowMs,
      ...pulls.snapshot(),
    });
    if (measures) {
      const identity = { node: name, role, addresses };
      const telemetry = await startTelemetry({
        config,
        identity,
        nats,
        stats: { snapshot: stats },
        more: crew ? [crew.processes] : [],
        logger,
      });
      closing.push(() => telemetry.close());
      observer.attach(telemetry.observer);
    }
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
      usage: usageMeter(() => connections.snapshot(), config.limits.sendBitsPerSecond),
      streams: () => live.describe(),
    });
    closing.push(() => member.leave());
    const ended = Promise.withResolvers<string>();
    const drain = new Drain({
      setDraining: (draining) => member.drain(draining),
      isDraining: () => member.isDraining,
      remaining: () => connections.accepted + connections.count('relay'),
      askToReconnect: () => listeners.askToReconnect('This node is going out of service: connect again.'),
      end: () => void closeLogged().then(() => ended.resolve('drained')),
    });
    closing.push(() => drain.close());
    const reload = reloader({ config, read: readConfig, access, clock, connections, listeners, certificate, logger });
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
        connections: async () => [...connections.list(), ...((await crew?.connectionsOf()) ?? [])],
        usageOf: (app) => access.usageOf(app),
        drain,
        reload,
      },
      onAction: (action) => observer.adminAction(action),
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

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}

function hlsRefusal(reason: CloseReason): HlsRefusal {
  return { status: Number.parseInt(httpStatus(reason), 10), error: reason };
}
