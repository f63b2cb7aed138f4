/**
 * One edge or origin node: reads the configuration, builds the parts and joins them. Before it: the command line or a
 * test; after it: listeners for clients, other nodes and HTTP, the node's place in the cluster, and its telemetry.
 */

import { hostname } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { NodeStream } from '@weir/contracts/nats/control';
import { isNodeName } from '@weir/contracts/nats/names';
import type { NodeRecord, NodeRole } from '@weir/contracts/nats/records';
import manifest from '../package.json' with { type: 'json' };
import { Access, callerOf } from './access/access.ts';
import { httpStatus } from './access/http-gate.ts';
import { Claims } from './cluster/claims.ts';
import { Member } from './cluster/member.ts';
import { usageMeter } from './cluster/usage.ts';
import { type HlsRefusal, HlsRoute } from './hls/hls-route.ts';
import { type LoadPlayer, playerRoute } from './http/player-route.ts';
import { startListeners } from './listeners.ts';
import { Announcer } from './relay/announcer.ts';
import { hasPublisher } from './relay/probe.ts';
import { Pulls } from './relay/pulls.ts';
import { relayHost } from './relay/relay-host.ts';
import { type ConfiguredOrigin, parseAddress, type RouteOptions, routeTo, Suspects } from './relay/route.ts';
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

/** Options of {@link startNode}. */
export interface NodeOptions {
  config: Readonly<Config>;
  logger: Logger;
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
  /** Tells viewers and publishers, leaves the cluster, writes the last telemetry. May be called more than once. */
  close(): Promise<void>;
}

/** A publisher waits for the cluster's word at most so long; media comes first. */
const CLAIM_WAIT_MS = 500;
/** Nodes that pull from this one at the same time, times streams. */
const MAX_RELAYS = 16_384;
/** The holder of a claim has so long to say that it has the publisher. */
const PROBE_TIMEOUT_MS = 400;

/**
 * Starts a node; resolves when it takes clients. NATS need not be there.
 * @throws ConfigError `EDGE_NODE_NAME`, `EDGE_RELAY_KEY`, `EDGE_ORIGIN_ADDRESS`; WeirError `EDGE_PORT_TAKEN`.
 */
export async function startNode({ config, logger, player, signal, measures = true }: NodeOptions): Promise<Node> {
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
    const nats = connectNats(config.nats, `weir-${name}`, logger);
    closing.push(() => nats.close());
    const observer = new LateObserver();
    const member = new Member({
      nats,
      node: name,
      role,
      replicas: config.nats.replicas,
      wantedOrigins: config.relay.wantedOrigins,
      onChange: (stream) => streams?.wake(stream),
      onEvent: (event) => observer.clusterChanged(event),
      logger,
    });
    closing.push(() => member.close());
    const { directory } = member;

    const protocol = new Protocol();
    const connections = new Connections(config.limits.connections, observer);
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
    const claims = new Claims({
      nats,
      node: name,
      relay: advertise(relayServer.port),
      bucket: member.streamsBucket,
      directory,
      isAlive: (record) => hasPublisher(record, { node: name, key: relayKey, protocol, timeoutMs: PROBE_TIMEOUT_MS }),
      onChange: () => announcer.changed(),
      isFlowing: (stream) => builtStreams().get(stream)?.upstream?.state === 'live',
      waitMs: CLAIM_WAIT_MS,
      logger,
    });
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
      staleAfterMs: config.relay.stallTimeoutMs,
    });
    const live = streams;
    closing.push(() => live.close('shutdown'));

    const access = new Access({
      config,
      node: name,
      room: (socket) =>
        connections.admit(socket)
          ? undefined
          : { refused: 'limit', description: `This node is full (${connections.limit} connections).` },
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
    const listeners = await startListeners({
      config,
      node: name,
      access,
      streams: live,
      connections,
      protocol,
      certificate,
      player: player && playerRoute(player, (error) => logger.error({ err: error }, 'the player cannot be built')),
      hls: segmentMs > 0 ? hls : undefined,
      notReady: () => [
        ...(connections.accepted >= connections.limit ? ['limit'] : []),
        ...(member.isDraining ? ['draining'] : []),
      ],
      weight: () => member.weight,
      logger,
    });
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
      mergeWindowMs: clock.windowMs,
      ...pulls.snapshot(),
    });
    if (measures) {
      const identity = { node: name, role, addresses };
      const telemetry = await startTelemetry({ config, identity, nats, stats: { snapshot: stats }, logger });
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
    // Clients first: what their good-byes say must still be measured.
    closing.push(async () => {
      live.close('shutdown');
      await Promise.all([listeners.close('shutdown'), relayServer.close('shutdown')]);
    });
    const closeLogged = () =>
      close().catch((error: unknown) => logger.error({ err: error }, 'the node did not close well'));
    logger.info({ node: name, role, ...addresses }, 'node takes clients');
    if (signal?.aborted) await close();
    else signal?.addEventListener('abort', () => void closeLogged(), { once: true });
    return {
      name,
      role,
      addresses,
      stats,
      streams: () => live.describe(),
      isElected: () => member.isElected,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function nodeName(config: Readonly<Config>): string {
  const name = config.node.name === '' ? (hostname().split('.')[0] ?? '') : config.node.name;
  if (isNodeName(name)) return name;
  throw new ConfigError('EDGE_NODE_NAME', `"${name}" is no node name: set node.name to letters, digits, - and _.`);
}

function configuredOrigins(config: Readonly<Config>): ConfiguredOrigin[] {
  return config.relay.origins.map((text) => {
    const [node = '', address = ''] = text.split('=', 2);
    const at = parseAddress(address);
    if (at && isNodeName(node)) return { node, ...at };
    throw new ConfigError('EDGE_ORIGIN_ADDRESS', `relay.origins has "${text}", which is not name=host:relayPort.`);
  });
}

function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}

function hlsRefusal(reason: CloseReason): HlsRefusal {
  return { status: Number.parseInt(httpStatus(reason), 10), error: reason };
}
